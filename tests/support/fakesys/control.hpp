// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "kernel.hpp"

namespace fakesys {

/// One command of the control socket, answered by one line of JSON ({"ok":true,...} or {"error":"..."}):
///   state                             every function: driver, override, power, group, ...
///   writes | forget                   the record of writes so far, and how many hang (held); forget it
///   fail PATTERN ERRNO [SKIP [COUNT]] writes to matching attributes fail without effect
///   late-fail PATTERN ERRNO [SKIP [COUNT]]   they take effect and fail
///   block PATTERN [SKIP [COUNT]]      they hang until `clear PATTERN`
///   delay PATTERN MS [SKIP [COUNT]]   they are slow
///   vanish PATTERN [SKIP [COUNT]]     the function is gone when they come
///   short PATTERN [SKIP [COUNT]]      they accept half of the bytes
///   clear [PATTERN]                   no (such) faults any more; what hangs goes on
///   probe-error DRIVER ADDRESS ERRNO  that probe fails (0: works again)
///   hang-remove DRIVER 1|0            remove() of that driver never returns (until 0)
///   own GROUP 1|0                     a VM has the group open
///   load MODULE | unload MODULE
///   unplug ADDRESS | plug ADDRESS     hot-plug
///   dead ADDRESS 1|0                  configuration space reads all ones
///   restart                           the machine as it was at the start, no faults
/// Patterns are fnmatch(3) on paths below /sys: "bus/pci/drivers/*/unbind".
std::string run_command(Kernel& kernel, const std::string& line);

/// Answers commands at the unix socket `path` in threads of its own, for ever.
void start_control(Kernel& kernel, const std::string& path);

}  // namespace fakesys
