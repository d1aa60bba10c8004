// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

// Both read definitions with parse_domain() and throw as it does.

/// Whether both say the same, apart from the domain's name and the GPUs that gpuctl put there: what an
/// attach, a release and `virsh domrename` change.
bool same_set_up(const std::string& one, const std::string& other);

/// `xml` under the name that `present` has; equal text where that is its name already. libvirt takes no
/// definition of a domain under another name.
std::string with_name_of(const std::string& xml, const std::string& present);

}  // namespace gpuctl
