// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/root_dir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

std::string read_all(int fd, std::size_t limit) {
  std::string contents;
  std::array<char, 4096> buffer{};
  while (contents.size() < limit) {
    const auto got = ::read(fd, buffer.data(), std::min(buffer.size(), limit - contents.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return contents;
}

std::optional<std::string> read_file(int root, const std::string& path, std::size_t limit) {
  const UniqueFd file{::openat(root, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file) return std::nullopt;
  auto contents = read_all(file.get(), limit);
  if (contents.ends_with('\n')) contents.pop_back();
  return contents;
}

std::optional<std::string> read_page(int root, const std::string& path) {
  const UniqueFd file{::openat(root, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  std::array<char, 4096> page;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
  const auto length = file ? ::read(file.get(), page.data(), page.size()) : -1;
  if (length < 0) return std::nullopt;
  std::string_view text{page.data(), static_cast<std::size_t>(length)};
  if (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

std::optional<std::string> read_link(int root, const std::string& path) {
  std::array<char, 4096> target;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by readlinkat
  const auto length = ::readlinkat(root, path.c_str(), target.data(), target.size());
  if (length < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(length));
}

std::vector<std::string> list_directory(int root, const std::string& path) {
  UniqueFd fd{::openat(root, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return {};
  const std::unique_ptr<DIR, int (*)(DIR*)> dir{::fdopendir(fd.get()), ::closedir};
  if (!dir) return {};  // it looks at the directory once more, which may be gone by now
  fd.release();
  std::vector<std::string> names;
  while (const auto* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

RootDir::RootDir(const std::filesystem::path& root)
    : path_(root), fd_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!fd_)
    throw Error(ErrorCode::internal, fmt::format("cannot open {}: {}", root.string(), std::strerror(errno)));
}

RootDir::RootDir(const RootDir& above, const std::string& below, UniqueFd fd)
    : path_(above.path_ / below), fd_(std::move(fd)), recorder_(above.recorder_) {
  if (recorder_ != nullptr) prefix_ = above.prefix_ + below + "/";
}

std::optional<RootDir> RootDir::directory(const std::string& path) const {
  UniqueFd fd{::openat(fd_.get(), path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return std::nullopt;
  return RootDir{*this, path, std::move(fd)};
}

std::optional<std::string> RootDir::attribute(const std::string& path) const {
  auto contents = read_page(fd_.get(), path);
  if (recorder_ != nullptr) recorder_->on_read(prefix_ + path, contents);
  return contents;
}

std::optional<std::string> RootDir::read(const std::string& path, std::size_t limit) const {
  auto contents = read_file(fd_.get(), path, limit);
  if (recorder_ != nullptr) recorder_->on_read(prefix_ + path, contents);
  return contents;
}

std::optional<std::string> RootDir::link(const std::string& path) const {
  auto target = read_link(fd_.get(), path);
  if (recorder_ != nullptr) recorder_->on_link(prefix_ + path, target);
  return target;
}

std::string RootDir::link_name(const std::string& path) const {
  const auto target = link(path);
  return target ? target->substr(target->rfind('/') + 1) : std::string{};
}

std::vector<std::string> RootDir::list(const std::string& path) const {
  auto names = list_directory(fd_.get(), path);
  if (recorder_ != nullptr) recorder_->on_list(prefix_ + path, names);
  return names;
}

bool RootDir::exists(const std::string& path) const {
  const bool found = ::faccessat(fd_.get(), path.c_str(), F_OK, 0) == 0;
  if (recorder_ != nullptr) recorder_->on_exists(prefix_ + path, found);
  return found;
}

}  // namespace gpuctl
