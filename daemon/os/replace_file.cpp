// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/replace_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::state_unwritable,
              fmt::format("cannot write {}: {}", path.string(), std::strerror(error)));
}

/// Of the file that is there, if any.
std::optional<struct stat> status_of(const std::filesystem::path& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? std::optional{found} : std::nullopt;
}

/// Owner first: a change of it takes setuid and setgid away. Where all files have one owner (FAT) there is
/// nothing to change, and no leave to.
void take_after(int fd, const struct stat& old, const std::filesystem::path& path) {
  struct stat now {};
  if (::fstat(fd, &now) != 0) fail(path, errno);
  const bool same = now.st_uid == old.st_uid && now.st_gid == old.st_gid;
  if (!same && ::fchown(fd, old.st_uid, old.st_gid) != 0) fail(path, errno);
  if (::fchmod(fd, old.st_mode & 07777U) != 0) fail(path, errno);
}

void set_rights(int fd, std::optional<mode_t> mode, const std::filesystem::path& path) {
  constexpr mode_t usual = 0644;
  const auto old = status_of(path);
  if (old && !mode) return take_after(fd, *old, path);
  if (::fchmod(fd, mode.value_or(usual)) != 0) fail(path, errno);
}

void write_all(int fd, std::string_view contents, const std::filesystem::path& path) {
  while (!contents.empty()) {
    const auto written = ::write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, errno);
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  // FAT of an EFI system partition may refuse; the rename itself has been accepted.
  if (fd) static_cast<void>(::fsync(fd.get()));
}

/// Goes away again unless kept: no half-written file is left by an error.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& beside)
      : name_(fmt::format("{}/.{}.XXXXXX", beside.parent_path().string(), beside.filename().string())),
        fd_(::mkostemp(name_.data(), O_CLOEXEC)) {
    if (!fd_) fail(beside, errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  int fd() const { return fd_.get(); }
  void rename_to(const std::filesystem::path& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) fail(path, errno);
    name_.clear();
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

}  // namespace

void replace_file(const std::filesystem::path& path, std::string_view contents, std::optional<mode_t> mode) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  TemporaryFile file{path};
  write_all(file.fd(), contents, path);
  set_rights(file.fd(), mode, path);
  if (::fsync(file.fd()) != 0) fail(path, errno);
  file.rename_to(path);
  sync_directory(path.parent_path());
}

void remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail(path, errno);
  sync_directory(path.parent_path());
}

}  // namespace gpuctl
