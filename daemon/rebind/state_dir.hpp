// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// A directory of small files that are durable when a call returns. Throws Error(state_unwritable) naming
/// file and errno. Virtual, so that tests can make any of its effects fail or be the last one.
class StateDir {
 public:
  explicit StateDir(std::filesystem::path path) : path_(std::move(path)) {}
  virtual ~StateDir() = default;

  /// Makes `name` appear whole or not at all, with `reserve` bytes of disk set aside for later append()s.
  /// Makes the directory (0700) if needed.
  virtual void replace(const std::string& name, const std::string& contents, std::size_t reserve = 0);
  /// One write at the end of an existing file; a short write is taken back.
  virtual void append(const std::string& name, const std::string& text);
  /// Absent already: done.
  virtual void remove(const std::string& name);
  /// Renames to NAME.corrupt, or NAME.corrupt.2 ... if that is taken; returns the new name.
  virtual std::string move_aside(const std::string& name);

  /// Takes away what replace() had not yet renamed when its process was killed, of all files or of those
  /// whose name begins so. Only while nobody replaces one of them.
  void remove_unfinished(const std::string& of = "");

  std::optional<std::string> read(const std::string& name) const;
  /// Without hidden files and those moved aside; sorted.
  std::vector<std::string> list() const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A line that tells whether it is whole: eight hex digits of CRC-32 (as zlib's), a space, the text, a
/// newline.
std::string checked_line(const std::string& text);
/// The text of one such line with its newline; nothing if any bit of it is wrong.
std::optional<std::string> checked_text(std::string_view line);

}  // namespace gpuctl
