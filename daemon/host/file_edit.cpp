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

namespace fs = std::filesystem;

constexpr int most_links = 40;  // as the kernel's

/// Components still to go, the next one last.
using Way = std::vector<fs::path>;

void go_first(Way& way, const fs::path& path) {
  const Way parts(path.begin(), path.end());
  way.insert(way.end(), parts.rbegin(), parts.rend());
}

std::optional<std::string> contents(const fs::path& path) {
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return std::nullopt;
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

void put(const fs::path& root, const FileEdit& edit) {
  const auto path = resolved(root, edit.path);
  if (!edit.after) return remove_file(path);
  constexpr mode_t program = 0755;
  const bool fresh_program = edit.executable && !contents(path);
  replace_file(path, *edit.after, fresh_program ? std::optional{program} : std::nullopt);
}

void require_unchanged(const std::filesystem::path& root, const FileEdit& edit) {
  if (contents(resolved(root, edit.path)) != edit.before)
    throw Error(
        ErrorCode::device_changed,
        fmt::format("/{} changed in the meantime; nothing was written, look at the plan again", edit.path));
}

}  // namespace

std::filesystem::path resolved(const fs::path& root, const fs::path& path) {
  Way way;
  go_first(way, path);
  fs::path found;
  for (int links = 0; !way.empty();) {
    const auto part = way.back();
    way.pop_back();
    std::error_code no_link;
    const auto target = fs::read_symlink(root / found / part, no_link);
    if (!no_link && ++links <= most_links) {
      if (target.is_absolute()) found.clear();
      go_first(way, target.relative_path());
    } else {
      found = part == ".." ? found.parent_path() : found / part;
    }
  }
  return root / found;
}

std::optional<std::string> read_exactly(const RootDir& root, const std::string& path) {
  root.exists(path);  // for a recorder
  return contents(resolved(root.path(), path));
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
