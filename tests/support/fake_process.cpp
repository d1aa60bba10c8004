// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/fake_process.hpp"

#include <algorithm>
#include <filesystem>

namespace gpuctl::test {

void add_process(FakeMachine& machine, const FakeProcess& process) {
  const auto directory = "proc/" + std::to_string(process.pid);
  auto command = process.command.empty() ? process.comm : process.command;
  std::ranges::replace(command, ' ', '\0');
  machine.file(directory + "/comm", process.comm + "\n");
  machine.file(directory + "/cmdline", command + '\0');
  machine.file(directory + "/cgroup", process.cgroup);
  machine.file(directory + "/maps", process.maps);
  if (process.program)
    std::filesystem::create_symlink("/usr/bin/" + process.comm, machine.root() / directory / "exe");
  const auto uid = std::to_string(process.uid);
  machine.file(directory + "/status", "Name:\t" + process.comm + "\nUid:\t" + uid + "\t" + uid + "\t0\t0\n");
  std::filesystem::create_directories(machine.root() / directory / "fd");
  for (std::size_t i = 0; i < process.descriptors.size(); ++i) {
    std::filesystem::create_symlink(process.descriptors[i],
                                    machine.root() / directory / "fd" / std::to_string(i));
    machine.file(directory + "/fdinfo/" + std::to_string(i), "pos:\t0\nflags:\t02\n" + process.fdinfo);
  }
}

void end_process(FakeMachine& machine, int pid) {
  std::filesystem::remove_all(machine.root() / "proc" / std::to_string(pid));
}

}  // namespace gpuctl::test
