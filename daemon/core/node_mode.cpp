// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/node_mode.hpp"

#include <optional>
#include <sstream>

#include <fmt/format.h>

namespace gpuctl {
namespace {

constexpr unsigned all_bits = 07777;

/// A path of the kernel's making has no blank in it.
std::optional<NodeMode> node_mode(const std::string& text) {
  std::istringstream words{text};
  NodeMode node;
  char colon{};
  std::string more;
  const bool whole =
      static_cast<bool>(words >> node.path >> node.major >> colon >> node.minor >> std::oct >> node.mode);
  if (!whole || words >> more || colon != ':' || node.mode > all_bits) return std::nullopt;
  return node;
}

}  // namespace

std::string to_string(const NodeModes& nodes) {
  std::string text;
  for (const auto& n : nodes)
    text += fmt::format("{}{} {}:{} {:04o}", text.empty() ? "" : ", ", n.path, n.major, n.minor, n.mode);
  return text;
}

NodeModes node_modes(std::string_view text) {
  NodeModes nodes;
  std::istringstream items{std::string{text}};
  for (std::string item; std::getline(items, item, ',');)
    if (auto node = node_mode(item)) nodes.push_back(std::move(*node));
  return nodes;
}

}  // namespace gpuctl
