// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/module_index.hpp"

#include <cstdint>
#include <fstream>
#include <map>

namespace gpuctl::test {
namespace {

constexpr std::uint32_t has_values = 0x40000000;
constexpr std::uint32_t has_children = 0x20000000;

struct Node {
  std::map<unsigned char, Node> children;
  std::vector<std::pair<std::uint32_t, std::string>> values;  ///< priority, module
};

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xff));
}

/// Appends the node after its children; returns its offset with the flags of what it has.
std::uint32_t put_node(std::string& out, const Node& node) {
  std::map<unsigned char, std::uint32_t> offsets;
  for (const auto& [key, child] : node.children) offsets[key] = put_node(out, child);
  auto at = static_cast<std::uint32_t>(out.size());
  if (!offsets.empty()) {
    const auto first = offsets.begin()->first;
    const auto last = offsets.rbegin()->first;
    out.push_back(static_cast<char>(first));
    out.push_back(static_cast<char>(last));
    for (int key = first; key <= last; ++key) {
      const auto it = offsets.find(static_cast<unsigned char>(key));
      put32(out, it == offsets.end() ? 0 : it->second);
    }
    at |= has_children;
  }
  if (node.values.empty()) return at;
  put32(out, static_cast<std::uint32_t>(node.values.size()));
  for (const auto& [priority, value] : node.values) {
    put32(out, priority);
    out.append(value).push_back('\0');
  }
  return at | has_values;
}

std::string index_of(const std::vector<std::pair<std::string, std::string>>& aliases) {
  Node root;
  std::uint32_t priority = 0;
  for (const auto& [alias, module] : aliases) {
    auto* node = &root;
    for (const char c : alias) node = &node->children[static_cast<unsigned char>(c)];
    node->values.emplace_back(++priority, module);
  }
  std::string nodes(12, '\0');
  const auto root_offset = put_node(nodes, root);
  std::string header;
  put32(header, 0xb007f457);
  put32(header, 0x00020001);
  put32(header, root_offset);
  return header + nodes.substr(12);
}

}  // namespace

void write_module_aliases(const std::filesystem::path& directory,
                          const std::vector<std::pair<std::string, std::string>>& aliases) {
  std::filesystem::create_directories(directory);
  std::ofstream text(directory / "modules.alias");
  for (const auto& [alias, module] : aliases) text << "alias " << alias << ' ' << module << '\n';
  std::ofstream(directory / "modules.alias.bin", std::ios::binary) << index_of(aliases);
}

}  // namespace gpuctl::test
