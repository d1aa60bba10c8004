// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/root_dir.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;

namespace {
bool directory_goes = false;
}

/// In place of libc's: the next directory is gone between its opening and its first reading.
extern "C" DIR* fdopendir(int fd) {
  if (std::exchange(directory_goes, false)) {
    errno = ENOENT;
    return nullptr;
  }
  static const auto real = reinterpret_cast<DIR* (*)(int)>(::dlsym(RTLD_NEXT, "fdopendir"));
  return real(fd);
}

TEST_CASE("a directory that goes after it was opened is empty, and stays not open") {
  test::FakeMachine machine;
  machine.driver("nvidia");
  const RootDir root{machine.root()};
  CHECK(root.list("sys/bus/pci/drivers") == std::vector<std::string>{"nvidia"});
  const int next_fd = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(next_fd);
  directory_goes = true;
  CHECK(root.list("sys/bus/pci/drivers").empty());
  CHECK_FALSE(directory_goes);
  const int same_fd = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(same_fd);
  CHECK(same_fd == next_fd);
}
