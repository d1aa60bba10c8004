// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/state_dir.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/replace_file.hpp"
#include "os/root_dir.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

constexpr std::string_view corrupt_mark = ".corrupt";

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw Error(ErrorCode::state_unwritable,
              fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)));
}

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    auto c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1U) != 0 ? 0xedb88320U ^ (c >> 1U) : c >> 1U;
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc32(std::string_view text) {
  std::uint32_t c = 0xffffffffU;
  for (const unsigned char byte : text) c = crc_table[(c ^ byte) & 0xffU] ^ (c >> 8U);
  return c ^ 0xffffffffU;
}

/// Space for what is appended later, so that a disk that fills up in the middle does not matter.
void set_aside(const std::filesystem::path& path, std::size_t bytes) {
  const UniqueFd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) fail(path, "open", errno);
  if (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP)
    fail(path, "reserve space for", errno);
}

}  // namespace

void StateDir::replace(const std::string& name, const std::string& contents, std::size_t reserve) {
  const auto path = path_ / name;
  replace_file(path, contents, 0600);
  if (reserve == 0) return;
  try {
    set_aside(path, reserve);
  } catch (const Error&) {
    ::unlink(path.c_str());
    throw;
  }
}

void StateDir::append(const std::string& name, const std::string& text) {
  const auto path = path_ / name;
  const UniqueFd file{::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) fail(path, "open", errno);
  const auto end = ::lseek(file.get(), 0, SEEK_END);
  const auto written = ::write(file.get(), text.data(), text.size());
  const int error = written < 0 ? errno : ENOSPC;
  if (written != static_cast<ssize_t>(text.size())) {
    if (written > 0 && ::ftruncate(file.get(), end) != 0) fail(path, "take back half a line of", errno);
    fail(path, "write", error);
  }
  if (::fsync(file.get()) != 0) fail(path, "sync", errno);
}

void StateDir::remove(const std::string& name) { remove_file(path_ / name); }

std::string StateDir::move_aside(const std::string& name) {
  auto aside = name + std::string(corrupt_mark);
  for (int n = 2; std::filesystem::exists(path_ / aside); ++n)
    aside = fmt::format("{}{}.{}", name, corrupt_mark, n);
  if (::rename((path_ / name).c_str(), (path_ / aside).c_str()) != 0) fail(path_ / name, "move aside", errno);
  return aside;
}

std::optional<std::string> StateDir::read(const std::string& name) const {
  constexpr std::size_t limit = 4 << 20;
  const auto path = path_ / name;
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (!file) return std::nullopt;
  std::string contents;
  std::array<char, 16384> buffer{};
  while (contents.size() < limit) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return contents;
}

void StateDir::remove_unfinished(const std::string& of) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{path_, error})
    if (entry.path().filename().native().starts_with('.' + of)) std::filesystem::remove(entry.path(), error);
}

std::vector<std::string> StateDir::list() const {
  std::error_code absent;
  if (!std::filesystem::is_directory(path_, absent)) return {};
  auto names = RootDir(path_).list(".");
  std::erase_if(names, [](const std::string& name) {
    return name.starts_with('.') || name.find(corrupt_mark) != std::string::npos;
  });
  return names;
}

std::string checked_line(const std::string& text) { return fmt::format("{:08x} {}\n", crc32(text), text); }

std::optional<std::string> checked_text(std::string_view line) {
  if (line.size() < 10 || line[8] != ' ' || line.back() != '\n') return std::nullopt;
  const auto text = line.substr(9, line.size() - 10);
  if (line.substr(0, 8) != fmt::format("{:08x}", crc32(text))) return std::nullopt;
  return std::string(text);
}

}  // namespace gpuctl
