// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/group_kind.hpp"

#include <array>

#include "bus/wire.hpp"
#include "core/whole_number.hpp"
#include "gpuctl_names.hpp"
#include "inventory/isolation.hpp"

namespace gpuctl {
namespace {

enum Property : std::size_t { number, type, devices, isolated, problems };
constexpr std::array group_properties{ObjectProperty{"Number", "u", true}, ObjectProperty{"Type", "s"},
                                      ObjectProperty{"Devices", wire::functions_type},
                                      ObjectProperty{"Isolated", "b"},
                                      ObjectProperty{"Problems", wire::problems_type}};

}  // namespace

const char* GroupKind::prefix() const { return names::group_path_prefix; }
const char* GroupKind::interface() const { return names::group_interface; }
std::span<const ObjectProperty> GroupKind::properties() const { return group_properties; }

std::optional<ObjectKind::Id> GroupKind::id(std::string_view name) const {
  const auto parsed = whole_number(name);
  return parsed && std::to_string(*parsed) == name ? std::optional<Id>{*parsed} : std::nullopt;
}

bool GroupKind::exists(Id id) const { return snapshot_.groups.contains(static_cast<unsigned>(id)); }

void GroupKind::write(Id id, std::size_t index, ValueSink& sink) const {
  const auto& group = snapshot_.groups.at(static_cast<unsigned>(id));
  if (index == number) sink.number(group.number);
  if (index == type) sink.text(group.type);
  if (index == devices) wire::write_functions(group.functions, snapshot_, sink);
  if (index == isolated) sink.boolean(is_isolated(group, snapshot_));
  if (index == problems) wire::write(group_problems(group, snapshot_), sink);
}

}  // namespace gpuctl
