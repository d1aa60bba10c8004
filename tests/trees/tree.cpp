// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "host/apply.hpp"

namespace gpuctl::test {
namespace {

namespace fs = std::filesystem;

fs::path new_directory() {
  auto pattern = (fs::temp_directory_path() / "gpuctl-tree.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), pattern);
  return pattern;
}

void mount(const char* type, const fs::path& place, const std::string& options) {
  if (::mount(type, place.c_str(), type, 0, options.c_str()) != 0)
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("mount {} ({})", place.string(), options));
}

/// The release with room to write over it.
fs::path overlay(const fs::path& scratch) {
  const auto* release = std::getenv("GPUCTL_TREE");
  if (release == nullptr) throw std::runtime_error("GPUCTL_TREE is not set: start this by tests/trees/run");
  mount("tmpfs", scratch, "mode=755");
  for (const auto* name : {"upper", "work", "root"}) fs::create_directory(scratch / name);
  mount("overlay", scratch / "root",
        fmt::format("lowerdir={},upperdir={},workdir={}", release, (scratch / "upper").string(),
                    (scratch / "work").string()));
  return scratch / "root";
}

std::string slurp(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(in), {}};
}

/// For `sh`, with the tree as $0 and the command as "$@".
constexpr auto enter =
    "mount -t proc proc \"$0/proc\"; mount -t tmpfs tmpfs \"$0/sys\"; mount --rbind /dev \"$0/dev\"; exec "
    "chroot \"$0\" \"$@\"";

int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int spawn(std::vector<std::string> words, const fs::path& log) {
  std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  const auto pointers = [](std::vector<std::string>& strings) {
    std::vector<char*> all;
    for (auto& each : strings) all.push_back(each.data());
    all.push_back(nullptr);
    return all;
  };
  posix_spawn_file_actions_t files{};
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, words.front().c_str(), &files, nullptr, pointers(words).data(),
                                   pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&files);
  return error == 0 ? wait_for(child) : 127;
}

}  // namespace

Tree::Tree() : scratch_(new_directory()), directory_(overlay(scratch_)), root_(directory_) {}

Tree::~Tree() {
  ::umount2(directory_.c_str(), MNT_DETACH);
  ::umount2(scratch_.c_str(), MNT_DETACH);
  ::rmdir(scratch_.c_str());
}

std::string Tree::kernel() const { return root_.list("usr/lib/modules").at(0); }

Tree& Tree::file(const std::string& path, const std::string& text) {
  fs::create_directories((directory_ / path).parent_path());
  std::ofstream{directory_ / path, std::ios::binary} << text;
  return *this;
}

Tree& Tree::script(const std::string& path, const std::string& text) {
  fs::remove(directory_ / path);
  file(path, text);
  fs::permissions(directory_ / path, fs::perms{0755});
  return *this;
}

Tree& Tree::directory(const std::string& path) {
  fs::create_directories(directory_ / path);
  return *this;
}

Tree& Tree::rename(const std::string& from, const std::string& to) {
  fs::rename(directory_ / from, directory_ / to);
  return *this;
}

std::string Tree::text(const std::string& path) const { return slurp(directory_ / path); }

std::map<std::string, std::string> Tree::files(std::initializer_list<const char*> tops) const {
  std::map<std::string, std::string> found;
  for (const auto* top : tops)
    for (const auto& entry : fs::recursive_directory_iterator(directory_ / top)) {
      const auto path = fs::relative(entry.path(), directory_).string();
      if (entry.is_symlink())
        found[path] = fs::read_symlink(entry.path()).string();
      else if (entry.is_regular_file())
        found[path] = slurp(entry.path());
    }
  return found;
}

int Tree::run(const std::vector<std::string>& command) const {
  std::vector<std::string> words{"unshare", "--mount", "--propagation", "private",
                                 "sh",      "-ec",     enter,           directory_.string()};
  words.insert(words.end(), command.begin(), command.end());
  return spawn(std::move(words), scratch_ / "output");
}

std::string Tree::output() const { return slurp(scratch_ / "output"); }

void SystemdOfTree::start_unit(const std::string& unit) {
  constexpr std::string_view prefix = "gpuctl-apply@", suffix = ".service";
  const auto name = unit.substr(prefix.size(), unit.size() - prefix.size() - suffix.size());
  const auto request = apply_request(slurp(tree_.paths().runtime / "apply" / (name + ".json")));
  try {
    apply(tree_.root(), request, [this](const auto& command) {
      commands.push_back(fmt::format("{}", fmt::join(command, " ")));
      return tree_.run(command);
    });
  } catch (const Error& e) {
    throw Error(ErrorCode::kernel_refused, fmt::format("{} failed: {}\n{}", unit, e.what(), tree_.output()));
  }
}

}  // namespace gpuctl::test
