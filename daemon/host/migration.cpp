// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/migration.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/old_setup.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

using Ids = std::vector<std::string>;

Ids ids_of(const Gpu& gpu, const Snapshot& snapshot) {
  Ids ids;
  for (const auto address : gpu.functions)
    if (const auto* function = snapshot.find(address)) ids.push_back(function->id.ids());
  return ids;
}

bool is_one_of(const Ids& ids, const std::string& id) { return std::ranges::find(ids, id) != ids.end(); }

/// Whether the line gives this GPU to vfio-pci still when those ids are out of it.
bool stays_in(const Ids& line, const Gpu& gpu, const Ids& out, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  const auto id = display == nullptr ? "" : display->id.ids();
  return is_one_of(line, id) && !is_one_of(out, id);
}

/// Those of the GPU's ids that no other card in the line needs: cards of several models have the same sound.
Ids ids_to_take(const Ids& line, const Gpu& gpu, const Snapshot& snapshot) {
  const auto all = ids_of(gpu, snapshot);
  auto taken = all;
  for (const auto& [slot, other] : snapshot.gpus) {
    if (slot == gpu.slot() || !stays_in(line, other, all, snapshot)) continue;
    const auto theirs = ids_of(other, snapshot);
    std::erase_if(taken, [&](const auto& id) { return is_one_of(theirs, id); });
  }
  return taken;
}

/// "" when all of them are the GPU's.
std::string without_ids(const std::string& word, const Ids& ids) {
  constexpr std::string_view parameter = "ids=";
  if (!word.starts_with(parameter)) return word;
  auto others = split(word.substr(parameter.size()), ',');
  std::erase_if(others, [&](const auto& id) { return id.empty() || is_one_of(ids, short_id(id)); });
  return others.empty() ? "" : fmt::format("{}{}", parameter, fmt::join(others, ","));
}

/// What an "options vfio-pci" line says besides; "" for nothing.
std::string rest_of(const std::string& line, const Ids& ids) {
  constexpr std::size_t before_options = 2;
  std::vector<std::string> kept;
  for (const auto& word : words(line))
    if (auto rest = without_ids(word, ids); !rest.empty()) kept.push_back(std::move(rest));
  return kept.size() <= before_options ? "" : fmt::format("{}\n", fmt::join(kept, " "));
}

/// A comment that ends in a backslash would swallow the next line.
std::string commented(std::string line) {
  line.erase(line.find_last_not_of(" \t\r\\") + 1);
  return fmt::format("# gpuctl boot policy: {}\n", line);
}

std::string without_line(const std::string& text, const std::string& line, const Ids& ids) {
  std::string result;
  for (const auto& each : lines(text))
    result += trimmed(each) == line ? commented(each) + rest_of(line, ids) : each + "\n";
  return result;
}

bool is_ours_to_change(const OldSetup& old, const Ids& ids) {
  return old.kind == OldSetup::Kind::modprobe_options && old.path.starts_with("etc/") &&
         std::ranges::any_of(old.ids, [&](const auto& id) { return is_one_of(ids, id); });
}

}  // namespace

FileEdits migration(const RootDir& root, const Gpu& gpu, const Snapshot& snapshot) {
  FileEdits edits;
  for (const auto& old : find_old_setups(root, KernelCommandLine{""})) {
    const auto ids = ids_to_take(old.ids, gpu, snapshot);
    if (!is_ours_to_change(old, ids)) continue;
    const auto same = std::ranges::find(edits, old.path, &FileEdit::path);
    if (same != edits.end()) {
      same->after = without_line(*same->after, old.line, ids);
    } else if (const auto text = read_exactly(root, old.path)) {
      edits.push_back({old.path, text, without_line(*text, old.line, ids)});
    }
  }
  return edits;
}

/// Several edits of one file, one after the other, become one.
FileEdits give_back(const RootDir& root, const FileEdits& migrated) {
  FileEdits back;
  for (const auto& edit : reversed(migrated)) {
    const auto same = std::ranges::find(back, edit.path, &FileEdit::path);
    if (same != back.end() && same->after == edit.before) same->after = edit.after;
    if (same == back.end() && read_exactly(root, edit.path) == edit.before) back.push_back(edit);
  }
  return back;
}

FileEdits still_migrated(const RootDir& root, const FileEdits& migrated) {
  FileEdits left;
  std::ranges::copy_if(migrated, std::back_inserter(left), [&](const auto& edit) {
    const auto first = std::ranges::find(migrated, edit.path, &FileEdit::path);
    return read_exactly(root, edit.path) != first->before;
  });
  return left;
}

}  // namespace gpuctl
