// SPDX-License-Identifier: GPL-2.0-or-later
// gpuctl-apply: carries out what gpuctld, confined as it is, may only decide. Started by systemd
// (gpuctl-apply@.service, gpuctl-boot.service) and by the package's removal, never by people; writes only the
// files and runs only the tools of the fixed lists in host/apply.cpp.
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "host/apply.hpp"
#include "host/boot_store.hpp"
#include "host/host_service.hpp"
#include "host/host_state.hpp"
#include "inventory/scan.hpp"
#include "os/root_dir.hpp"
#include "os/unique_fd.hpp"

namespace {

using namespace gpuctl;

constexpr auto state_dir = "/var/lib/gpuctl";
constexpr auto request_dir = "/run/gpuctl/apply";

/// No shell, no environment but what the tools expect.
int run(const std::vector<std::string>& command) {
  fmt::print("gpuctl-apply: {}\n", fmt::join(command, " "));
  std::fflush(stdout);
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  // grub-mkconfig writes the language of the boot menu into grub.cfg: the system's, as systemd gives it to
  // services.
  const char* system_language = std::getenv("LANG");
  auto language = fmt::format("LANG={}", system_language == nullptr ? "C.UTF-8" : system_language);
  char* const environment[] = {path, language.data(), nullptr};
  pid_t child = 0;
  if (const int error =
          ::posix_spawn(&child, command.front().c_str(), nullptr, nullptr, arguments.data(), environment);
      error != 0)
    throw Error(ErrorCode::internal, fmt::format("cannot run {}: {}", command.front(), std::strerror(error)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Only what gpuctld wrote: a file of this user that nobody else may change.
std::string read_request(const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
    throw Error(ErrorCode::invalid_argument, fmt::format("not a name of a request: {}", name));
  const auto path = fmt::format("{}/{}.json", request_dir, name);
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat found {};
  if (!fd || ::fstat(fd.get(), &found) != 0)
    throw Error(ErrorCode::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 022U) != 0)
    throw Error(ErrorCode::not_authorized, fmt::format("{} is not gpuctld's own", path));
  std::string text(static_cast<std::size_t>(found.st_size), '\0');
  const auto length = ::read(fd.get(), text.data(), text.size());
  text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return text;
}

/// gpuctl-apply@.service without systemd: the request is carried out here and now.
class HereAndNow : public SystemdControl {
 public:
  explicit HereAndNow(const RootDir& root) : root_(root) {}
  void start_unit(const std::string& unit) override {
    const auto begin = unit.find('@') + 1;
    apply(root_, apply_request(read_request(unit.substr(begin, unit.rfind('.') - begin))), run);
  }
  void stop_unit(const std::string&) override {}
  void restart_unit(const std::string&) override {}
  void load_module(const std::string&) override {}
  void unload_module(const std::string&) override {}

 private:
  const RootDir& root_;
};

/// The package is removed.
void forget(const RootDir& root) {
  HereAndNow systemd{root};
  HostService(root, systemd, {state_dir, "/run/gpuctl"}).forget();
}

/// One at a time, whoever starts it: what two tools write side by side is neither's.
UniqueFd exclusive_right() {
  UniqueFd fd{::open("/run/gpuctl/apply.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) return fd;  // no /run/gpuctl: nobody has asked for anything yet
  while (::flock(fd.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  return fd;
}

void act(const RootDir& root, const std::string& verb, const std::string& name) {
  const auto lock = exclusive_right();
  if (verb == "request")
    apply(root, apply_request(read_request(name)), run);
  else if (verb == "boot-begin")
    begin_boot(root, state_dir);
  else if (verb == "forget")
    forget(root);
  else if (verb == "boot-end")
    end_boot(root, state_dir, scan(root, {.host = read_host_state}));
  else
    throw Error(ErrorCode::invalid_argument,
                "usage: gpuctl-apply request NAME | boot-begin | boot-end | forget");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    act(RootDir{}, argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
    return EXIT_SUCCESS;
  } catch (const std::exception& e) {
    fmt::print(stderr, "gpuctl-apply: {}\n", e.what());
    return EXIT_FAILURE;
  }
}
