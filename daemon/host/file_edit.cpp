// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/file_edit.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/replace_file.hpp"

namespace gpuctl {
namespace {

std::optional<std::string> contents(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) return std::nullopt;
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

void put(const std::filesystem::path& root, const FileEdit& edit) {
  if (!edit.after) return remove_file(root / edit.path);
  constexpr mode_t program = 0755;
  const bool fresh_program = edit.executable && !contents(root / edit.path);
  replace_file(root / edit.path, *edit.after, fresh_program ? std::optional{program} : std::nullopt);
}

void require_unchanged(const std::filesystem::path& root, const FileEdit& edit) {
  if (contents(root / edit.path) != edit.before)
    throw Error(
        ErrorCode::device_changed,
        fmt::format("/{} changed in the meantime; nothing was written, look at the plan again", edit.path));
}

}  // namespace

std::optional<std::string> read_exactly(const RootDir& root, const std::string& path) {
  root.exists(path);  // for a recorder
  return contents(root.path() / path);
}

FileEdits reversed(FileEdits edits) {
  std::ranges::reverse(edits);
  for (auto& edit : edits) std::swap(edit.before, edit.after);
  return edits;
}

void write_edits(const std::filesystem::path& root, const FileEdits& edits) {
  for (const auto& edit : edits) require_unchanged(root, edit);
  FileEdits written;
  try {
    for (const auto& edit : edits) {
      put(root, edit);
      written.push_back(edit);
    }
  } catch (const Error&) {
    for (const auto& edit : reversed(std::move(written))) put(root, edit);
    throw;
  }
}

}  // namespace gpuctl
