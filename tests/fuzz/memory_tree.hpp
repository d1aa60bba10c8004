// SPDX-License-Identifier: GPL-2.0-or-later
// A program that links memory_tree.cpp has RootDir from there instead of daemon/os/root_dir.cpp: it answers
// from memory, some hundred times faster than any file system, what MemoryTree holds.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fuzz {

/// A directory tree as it was when it was loaded, and what has been changed since.
class MemoryTree {
 public:
  struct Node {
    Node* parent{};
    std::map<std::string, Node, std::less<>> children;
    std::optional<std::string> text, target;  ///< a file's, a link's; a directory has neither
    bool absent{};
  };

  /// There is one in a process; RootDir{directory} reads it.
  explicit MemoryTree(const std::filesystem::path& directory);
  MemoryTree(const MemoryTree&) = delete;
  MemoryTree& operator=(const MemoryTree&) = delete;

  /// A file's contents, or a link's target if it begins with '>'; the directory must be there. nullopt takes
  /// it away.
  void set(const std::string& path, std::optional<std::string> contents);
  /// A file, a link or a whole directory goes, or is there again as it was.
  void toggle(const std::string& path);
  /// Of a file that is there.
  std::string contents(const std::string& path) { return find(top_, path)->text.value(); }
  /// Takes every change back.
  void reset();

  Node* find(Node& from, std::string_view path, bool follow = true, int links = 0);
  Node& top() { return top_; }
  /// find() from the top; it remembers the answer until something changes.
  Node* directory(const std::string& path);
  static MemoryTree& only();

 private:
  static void load(Node& node, const std::filesystem::path& directory);
  Node& remember(Node& node);
  Node* follow_link(Node& link, int links);

  Node top_;
  std::unordered_map<std::string, Node*> directories_;
  struct Change {
    Node* node{};
    std::optional<std::string> text, target;
    bool absent{};
  };
  std::vector<Change> changed_;
};

}  // namespace fuzz
