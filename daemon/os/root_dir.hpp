// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/read_recorder.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {

/// A directory tree that is only read: "/" in production, a captured or fake machine in tests.
/// Paths are relative to it ("sys/bus/pci/devices"); attributes that vanish while being read count as absent.
class RootDir {
 public:
  /// Throws Error(internal) when the directory cannot be opened.
  explicit RootDir(const std::filesystem::path& root = "/");

  /// Contents without the trailing newline, at most `limit` bytes; nothing if absent or unreadable.
  std::optional<std::string> read(const std::string& path, std::size_t limit = 65536) const;
  /// As read(), for a sysfs attribute: these come whole in one read(2) of at most a page.
  std::optional<std::string> attribute(const std::string& path) const;
  /// As read(), empty if absent.
  std::string text(const std::string& path) const { return read(path).value_or(""); }
  /// Target of a symbolic link as written; nothing if it is none.
  std::optional<std::string> link(const std::string& path) const;
  /// Last component of a link's target: the driver's name of ".../driver"; empty if absent.
  std::string link_name(const std::string& path) const;
  /// Names in a directory, sorted; empty if absent.
  std::vector<std::string> list(const std::string& path) const;
  bool exists(const std::string& path) const;
  /// A directory of this tree as a tree of its own, so that many short reads in it resolve its path once.
  std::optional<RootDir> directory(const std::string& path) const;
  const std::filesystem::path& path() const { return path_; }
  int fd() const { return fd_.get(); }
  /// Tells `recorder` of every read from now on; it must outlive this object. nullptr ends it.
  void record_to(ReadRecorder* recorder) { recorder_ = recorder; }

 private:
  RootDir(const RootDir& above, const std::string& below, UniqueFd fd);

  std::filesystem::path path_;
  std::string prefix_;  ///< of this directory in the tree that the recorder knows
  UniqueFd fd_;
  ReadRecorder* recorder_{};
};

}  // namespace gpuctl
