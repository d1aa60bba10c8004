// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/end_users.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include <doctest/doctest.h>

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

/// A real process that waits; `stubborn` ignores SIGTERM.
class Child {
 public:
  explicit Child(bool stubborn = false) {
    std::array<int, 2> ready{};
    REQUIRE(::pipe(ready.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
      ::close(ready[0]);
      ::close(ready[1]);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char end{};
    (void)!::read(ready[0], &end, 1);
    ::close(ready[0]);
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }
  /// The signal that ended it, 0 while it runs.
  int ended_by() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return 0;
    pid_ = -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_{};
};

DeviceUser holder(pid_t pid, HolderKind kind = HolderKind::program) {
  DeviceUser user;
  user.pid = pid;
  user.comm = "holder";
  user.what = "/dev/nvidia0";
  user.node = NodeKind::nvidia;
  user.kind = kind;
  return user;
}

}  // namespace

TEST_CASE("a program that is ended gets SIGTERM, and SIGKILL if it does not listen") {
  Child polite, stubborn{true};
  const DeviceUsers users{holder(polite.pid()), holder(stubborn.pid())};
  end_users([&] { return users; }, 5s);
  CHECK(polite.ended_by() == SIGTERM);
  CHECK(stubborn.ended_by() == SIGKILL);
}

TEST_CASE(
    "compositors, machines, login managers, services of the driver and whoever lets go are never ended") {
  Child compositor, machine, logind, manager, leaving, shared;
  auto lets_go = holder(leaving.pid());
  lets_go.will_let_go = true;
  auto by_shared = holder(shared.pid());
  by_shared.shared = true;
  const DeviceUsers users{holder(compositor.pid(), HolderKind::compositor),
                          holder(machine.pid(), HolderKind::vm),
                          holder(logind.pid(), HolderKind::login_manager),
                          holder(manager.pid(), HolderKind::driver_service),
                          lets_go,
                          by_shared,
                          holder(1),
                          holder(0, HolderKind::kernel)};
  end_users([&] { return users; }, 50ms);
  for (auto* child : {&compositor, &machine, &logind, &manager, &leaving, &shared})
    CHECK(child->ended_by() == 0);
}

TEST_CASE("who has let go between the two looks is spared") {
  Child child;
  int looks = 0;
  end_users([&] { return looks++ == 0 ? DeviceUsers{holder(child.pid())} : DeviceUsers{}; }, 50ms);
  CHECK(looks == 2);
  CHECK(child.ended_by() == 0);
}

TEST_CASE("with nobody to end it looks once and waits for nothing") {
  int looks = 0;
  const auto begin = std::chrono::steady_clock::now();
  end_users([&] { return ++looks, DeviceUsers{}; }, 60s);
  CHECK(looks == 1);
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
}
