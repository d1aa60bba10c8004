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
#include <memory>

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

/// False with errno if not all of it could be written and brought to the disk.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(fd) == 0;
}

}  // namespace

std::string read_whole_file(const std::string& path) {
  const std::unique_ptr<std::FILE, Closer> file{std::fopen(path.c_str(), "rbe")};
  if (!file) fail("NotFound", path, "read", no_gpu_either);
  std::string bytes;
  std::array<char, 65536> buffer{};
  while (const auto got = std::fread(buffer.data(), 1, buffer.size(), file.get()))
    bytes.append(buffer.data(), got);
  if (std::ferror(file.get()) != 0) fail("NotFound", path, "read", no_gpu_either);
  return bytes;
}

void write_whole_file(const std::string& path, std::string_view bytes) {
  auto temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) fail("StateUnwritable", path, "written");
  const auto mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
  const bool written =
      write_all(fd, bytes) && close(fd) == 0 && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return;
  const int error = errno;
  unlink(temporary.c_str());
  errno = error;
  fail("StateUnwritable", path, "written");
}

}  // namespace gpuctl::cli
