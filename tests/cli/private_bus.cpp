// SPDX-License-Identifier: GPL-2.0-or-later
#include "private_bus.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gpuctl::test {
namespace {

std::string make_directory() {
  auto name = (std::filesystem::temp_directory_path() / "gpuctl-bus-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary directory"};
  return name;
}

void write_configuration(const std::string& directory) {
  std::ofstream{directory + "/bus.conf"}
      << "<busconfig><listen>unix:path=" << directory
      << "/socket</listen><auth>EXTERNAL</auth><policy context='default'>"
         "<allow own='*'/><allow send_destination='*'/><allow eavesdrop='true'/>"
         "</policy></busconfig>\n";
}

}  // namespace

Child::Child(const std::function<void()>& body) : pid_(fork()) {
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  _exit(0);
}

Child::~Child() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

PrivateBus::PrivateBus() : directory_(make_directory()) {
  write_configuration(directory_);
  std::array<int, 2> ready{};  // dbus-daemon prints its address when it listens
  if (pipe(ready.data()) != 0) throw std::runtime_error{"no pipe"};
  daemon_ = std::make_unique<Child>([&] {
    const auto config = "--config-file=" + directory_ + "/bus.conf",
               print = "--print-address=" + std::to_string(ready[1]);
    execlp("dbus-daemon", "dbus-daemon", config.c_str(), print.c_str(), "--nofork", "--nopidfile", nullptr);
    _exit(127);
  });
  close(ready[1]);
  char first{};
  const bool listens = read(ready[0], &first, 1) == 1;
  close(ready[0]);
  if (!listens) throw std::runtime_error{"dbus-daemon did not start"};
  setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + directory_ + "/socket").c_str(), 1);
}

PrivateBus::~PrivateBus() { std::filesystem::remove_all(directory_); }

}  // namespace gpuctl::test
