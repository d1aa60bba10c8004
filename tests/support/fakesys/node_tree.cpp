// SPDX-License-Identifier: GPL-2.0-or-later
#include "node_tree.hpp"

#include <algorithm>

#include <sys/stat.h>

namespace fakesys {

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

NodeTree::NodeTree() {
  root_.mode = S_IFDIR | 0755;
  root_.inode = next_inode_++;
}

const Node* NodeTree::find(std::string_view path) const {
  const Node* node = &root_;
  for (const auto& part : components(path)) {
    const auto child = node->children.find(part);
    if (child == node->children.end()) return nullptr;
    node = &child->second;
  }
  return node;
}

Node& NodeTree::make(const std::string& path, mode_t mode) {
  Node* node = &root_;
  for (const auto& part : components(path)) {
    auto [child, created] = node->children.try_emplace(part);
    if (created) {
      child->second.mode = S_IFDIR | 0755;
      child->second.inode = next_inode_++;
    }
    node = &child->second;
  }
  node->mode = mode;
  return *node;
}

void NodeTree::dir(const std::string& path) { make(path, S_IFDIR | 0755); }

void NodeTree::file(const std::string& path, std::string content, mode_t permissions, WriteHandler write) {
  auto& node = make(path, S_IFREG | permissions);
  node.content = std::move(content);
  node.write = std::move(write);
}

void NodeTree::set(const std::string& path, std::string content) {
  if (exists(path)) make(path, find(path)->mode).content = std::move(content);
}

void NodeTree::link(const std::string& path, const std::string& target) {
  make(path, S_IFLNK | 0777).content = target;
}

void NodeTree::link_to(const std::string& path, const std::string& other) {
  const auto from = components(path);
  const auto to = components(other);
  std::size_t common = 0;
  while (common + 1 < from.size() && common + 1 < to.size() && from[common] == to[common]) ++common;
  std::string target;
  for (auto i = common; i + 1 < from.size(); ++i) target += "../";
  for (auto i = common; i < to.size(); ++i) target += to[i] + (i + 1 < to.size() ? "/" : "");
  link(path, target);
}

void NodeTree::erase(const std::string& path) {
  const auto parts = components(path);
  Node* node = &root_;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto child = node->children.find(parts[i]);
    if (child == node->children.end()) return;
    node = &child->second;
  }
  if (!parts.empty()) node->children.erase(parts.back());
}

}  // namespace fakesys
