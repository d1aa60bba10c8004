// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "os/root_dir.hpp"

namespace gpuctl {

/// One file as it is and as it shall be; nothing = absent. Contents byte for byte, last newline included.
struct FileEdit {
  std::string path;  ///< below the root
  std::optional<std::string> before, after;
  bool executable{};  ///< a new file gets 0755 rather than 0644
  bool operator==(const FileEdit&) const = default;
};

using FileEdits = std::vector<FileEdit>;
/// By path; nothing = absent.
using FileContents = std::map<std::string, std::optional<std::string>>;

/// A file's exact contents (RootDir::read leaves the last newline out); nothing if absent.
std::optional<std::string> read_exactly(const RootDir& root, const std::string& path);

/// Where links lead, absolute ones below the root too; what is not there is as it is written.
std::filesystem::path resolved(const std::filesystem::path& root, const std::filesystem::path& path);

FileEdits reversed(FileEdits edits);

/// All of them, each atomically. First looks whether every file still is as `before`; throws
/// Error(device_changed) naming the file if not, before anything is written, and Error(state_unwritable) with
/// what was written taken back. A symbolic link stays one: the file that it leads to below the root is
/// changed.
void write_edits(const std::filesystem::path& root, const FileEdits& edits);

/// As diff -u shows it, three lines of context, paths absolute; "" when nothing changes.
std::string unified_diff(const FileEdits& edits);

}  // namespace gpuctl
