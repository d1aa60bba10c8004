// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "cli/clean_text.hpp"
#include "cli/client.hpp"

namespace gpuctl::cli {
namespace {

constexpr auto no_gpu_either = "\nIf a GPU is meant: gpuctl list shows how they are called.";

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail(const char* name, const std::string& path, const char* what, const char* remedy = "") {
  const auto reason = std::string{std::strerror(errno)};
  throw Failure{std::string{"org.gpuctl1.Error."} + name,
                clean(path) + " cannot be " + what + ": " + reason + remedy};
}

[[noreturn]] void refuse_size(const std::string& path, std::size_t most) {
  throw Failure{"org.gpuctl1.Error.InvalidArgument",
                fmt::format("{} has more than {} MiB, the most that is read", clean(path), most >> 20)};
}

struct Descriptor {
  const int fd;
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

bool is_link(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(path, ignored);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// EINVAL: it has no disk, as a FIFO or a terminal.
bool bring_to_disk(int fd) { return fsync(fd) == 0 || errno == EINVAL; }

/// False with errno if not all of it could be written and brought to the disk. Closes `fd`.
bool write_and_close(int fd, std::string_view bytes) {
  if (fd < 0) return false;
  if (write_all(fd, bytes) && bring_to_disk(fd)) return close(fd) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  return false;
}

/// mkostemp() lets only the owner in.
void open_to_others(int fd) {
  const auto mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
}

bool replace(const std::string& path, std::string_view bytes) {
  auto temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return false;
  open_to_others(fd);
  if (write_and_close(fd, bytes) && std::rename(temporary.c_str(), path.c_str()) == 0) return true;
  const int error = errno;
  unlink(temporary.c_str());
  errno = error;
  return false;
}

/// The file that `path` leads to, without a right to it yet. The kernel follows the links, for it knows which
/// ones not to trust (fs.protected_symlinks).
int open_place(const std::string& path) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  const bool dangling = fd < 0 && errno == ENOENT && is_link(path);
  return dangling ? open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666) : fd;
}

/// Where the standard output goes too (/dev/stdout): replaced, it would take with it what else is printed.
bool is_own_output(int place, const struct stat& file) {
  struct stat output {};
  return place != STDOUT_FILENO && fstat(STDOUT_FILENO, &output) == 0 && output.st_dev == file.st_dev &&
         output.st_ino == file.st_ino;
}

bool write_to(int place, std::string_view bytes) {
  const auto handle = "/proc/self/fd/" + std::to_string(place);
  struct stat file {};
  if (fstat(place, &file) != 0) return false;
  if (S_ISDIR(file.st_mode)) return errno = EISDIR, false;
  if (is_own_output(place, file))
    return write_and_close(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), bytes);
  const bool has_name = file.st_nlink > 0;
  if (S_ISREG(file.st_mode) && has_name) return replace(std::filesystem::read_symlink(handle), bytes);
  return write_and_close(open(handle.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY), bytes);
}

}  // namespace

std::string read_whole_file(const std::string& path, std::size_t most) {
  const std::unique_ptr<std::FILE, Closer> file{std::fopen(path.c_str(), "rbe")};
  if (!file) fail("NotFound", path, "read", no_gpu_either);
  std::string bytes;
  std::array<char, 65536> buffer{};
  while (const auto got = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    bytes.append(buffer.data(), got);
    if (bytes.size() > most) refuse_size(path, most);
  }
  if (std::ferror(file.get()) != 0) fail("NotFound", path, "read", no_gpu_either);
  return bytes;
}

void write_whole_file(const std::string& path, std::string_view bytes) {
  const Descriptor place{open_place(path)};
  const bool leads_nowhere = place.fd < 0 && errno == ENOENT && !is_link(path);
  const bool written = leads_nowhere ? replace(path, bytes) : place.fd >= 0 && write_to(place.fd, bytes);
  if (!written) fail("StateUnwritable", path, "written");
}

}  // namespace gpuctl::cli
