// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace fakesys {

using Lock = std::unique_lock<std::mutex>;
/// What a write does: 0 or a negative errno. May wait with the lock released.
using WriteHandler = std::function<int(std::string_view text, Lock& lock)>;

struct Node {
  mode_t mode{};        ///< type and permissions, as in st_mode
  std::string content;  ///< of a file (with its newline), or the target of a link
  WriteHandler write;   ///< none: the attribute cannot be written
  std::map<std::string, Node> children;
  ino_t inode{};
};

/// The files of a sysfs by path ("/bus/pci/devices"). Not locked: the kernel that owns it does that.
class NodeTree {
 public:
  NodeTree();
  const Node* find(std::string_view path) const;
  void dir(const std::string& path);
  void file(const std::string& path, std::string content, mode_t permissions = 0444, WriteHandler write = {});
  /// Replaces the text of an existing attribute; nothing happens where it has gone.
  void set(const std::string& path, std::string content);
  void link(const std::string& path, const std::string& target);
  /// A link from `path` to another path of this tree, written relative as sysfs does.
  void link_to(const std::string& path, const std::string& other);
  void erase(const std::string& path);
  bool exists(std::string_view path) const { return find(path) != nullptr; }

 private:
  Node& make(const std::string& path, mode_t mode);
  Node root_;
  ino_t next_inode_{1};
};

std::vector<std::string> components(std::string_view path);

}  // namespace fakesys
