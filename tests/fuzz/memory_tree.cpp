// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/memory_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "os/root_dir.hpp"

namespace fuzz {
namespace {

constexpr int most_links = 40;  // as the kernel's
MemoryTree* the_only = nullptr;

std::string file_contents(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

MemoryTree::MemoryTree(const std::filesystem::path& directory) {
  if (std::exchange(the_only, this) != nullptr) std::abort();
  load(top_, directory);
}

MemoryTree& MemoryTree::only() { return *the_only; }

void MemoryTree::load(Node& node, const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator{directory}) {
    auto& child = node.children[entry.path().filename().string()];
    child.parent = &node;
    if (entry.is_symlink())
      child.target = std::filesystem::read_symlink(entry.path()).string();
    else if (entry.is_directory())
      load(child, entry.path());
    else
      child.text = file_contents(entry.path());
  }
}

MemoryTree::Node* MemoryTree::follow_link(Node& link, int links) {
  const std::string_view target{*link.target};
  if (links == most_links || target.starts_with('/')) return nullptr;
  return find(*link.parent, target, true, links + 1);
}

MemoryTree::Node* MemoryTree::find(Node& from, std::string_view path, bool follow, int links) {
  auto* node = &from;
  while (node != nullptr && !path.empty()) {
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      node = node->parent == nullptr ? node : node->parent;
      continue;
    }
    const auto child = node->children.find(name);
    if (child == node->children.end() || child->second.absent) return nullptr;
    node = &child->second;
    if (node->target && (follow || !path.empty())) node = follow_link(*node, links);
  }
  return node;
}

MemoryTree::Node* MemoryTree::directory(const std::string& path) {
  const auto known = directories_.find(path);
  return known != directories_.end() ? known->second
                                     : directories_.emplace(path, find(top_, path)).first->second;
}

MemoryTree::Node& MemoryTree::remember(Node& node) {
  directories_.clear();
  changed_.push_back({&node, node.text, node.target, node.absent});
  return node;
}

void MemoryTree::set(const std::string& path, std::optional<std::string> contents) {
  const auto slash = path.rfind('/');
  auto* directory = find(top_, path.substr(0, slash));
  if (directory == nullptr || directory->text) return;  // an earlier change has taken it away
  const auto [at, is_new] = directory->children.try_emplace(path.substr(slash + 1));
  at->second.parent = directory;
  at->second.absent |= is_new;
  if (!at->second.children.empty() && contents) return;  // a directory stays one
  auto& node = remember(at->second);
  node.absent = !contents;
  if (!contents) return;
  const bool link = contents->starts_with('>');
  node.text = link ? std::nullopt : std::optional{*contents};
  node.target = link ? std::optional{contents->substr(1)} : std::nullopt;
}

void MemoryTree::toggle(const std::string& path) {
  const auto slash = path.rfind('/');
  auto& node = remember(find(top_, path.substr(0, slash))->children.at(path.substr(slash + 1)));
  node.absent = !node.absent;
}

void MemoryTree::reset() {
  directories_.clear();
  std::for_each(changed_.rbegin(), changed_.rend(), [](Change& change) {
    change.node->text = std::move(change.text);
    change.node->target = std::move(change.target);
    change.node->absent = change.absent;
  });
  changed_.clear();
}

}  // namespace fuzz

namespace gpuctl {
namespace {

/// The directory of a RootDir; its path is all that it knows.
fuzz::MemoryTree::Node* find(const RootDir& root, const std::string& path, bool follow = true) {
  auto& tree = fuzz::MemoryTree::only();
  auto* here = tree.directory(root.path().native());
  return here == nullptr ? nullptr : tree.find(*here, path, follow);
}

}  // namespace

RootDir::RootDir(const std::filesystem::path&) {}

RootDir::RootDir(const RootDir& above, const std::string& below, UniqueFd) : path_(above.path_ / below) {}

std::optional<RootDir> RootDir::directory(const std::string& path) const {
  const auto* node = find(*this, path);
  if (node == nullptr || node->text) return std::nullopt;
  return RootDir{*this, path, UniqueFd{}};
}

std::optional<std::string> RootDir::read(const std::string& path, std::size_t limit) const {
  const auto* node = find(*this, path);
  if (node == nullptr || !node->text) return std::nullopt;
  auto text = node->text->substr(0, limit);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::optional<std::string> RootDir::attribute(const std::string& path) const { return read(path, 4096); }

std::optional<std::string> RootDir::link(const std::string& path) const {
  const auto* node = find(*this, path, false);
  return node == nullptr ? std::nullopt : node->target;
}

std::string RootDir::link_name(const std::string& path) const {
  const auto target = link(path);
  return target ? target->substr(target->rfind('/') + 1) : std::string{};
}

std::vector<std::string> RootDir::list(const std::string& path) const {
  const auto* node = find(*this, path);
  std::vector<std::string> names;
  if (node == nullptr) return names;
  for (const auto& [name, child] : node->children)
    if (!child.absent) names.push_back(name);
  return names;
}

bool RootDir::exists(const std::string& path) const { return find(*this, path) != nullptr; }

}  // namespace gpuctl
