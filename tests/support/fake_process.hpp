// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "support/fake_machine.hpp"

namespace gpuctl::test {

/// One process as /proc tells it. Descriptors are the targets of its fd links; a target that does not exist
/// here is a node of the fake machine, one that does ("/dev/zero") is really looked at.
struct FakeProcess {
  int pid{};
  std::string comm;
  std::string command{};  ///< words separated by blanks; comm unless told
  unsigned uid{1000};
  std::string cgroup{"0::/user.slice/user-1000.slice/session-2.scope\n"};
  std::vector<std::string> descriptors{};
  std::string maps{};
  std::string fdinfo{};  ///< of every descriptor
  bool program{true};    ///< false: a kernel thread, or one that has no memory any more
};

void add_process(FakeMachine&, const FakeProcess&);
void end_process(FakeMachine&, int pid);

}  // namespace gpuctl::test
