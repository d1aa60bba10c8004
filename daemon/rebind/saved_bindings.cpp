// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/saved_bindings.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace gpuctl {
namespace {

using nlohmann::json;

std::optional<Binding> parse(const std::string& contents) try {
  const auto text = checked_text(contents);
  return text ? std::optional(binding_from_json(json::parse(*text))) : std::nullopt;
} catch (const json::exception&) {
  return std::nullopt;
} catch (const Error&) {
  return std::nullopt;
}

Problem corrupt(const std::filesystem::path& dir, const std::string& name, const std::string& aside) {
  return {"record-corrupt", Severity::warning, (dir / aside).string(),
          fmt::format("The record of where GPU {} belongs is damaged and was moved aside.", name),
          fmt::format("'gpuctl release {}' returns it to its native drivers.", name)};
}

}  // namespace

void SavedBindings::save(Binding binding) {
  binding.boot_id = boot_id_;
  const auto text = binding_to_json(binding).dump(-1, ' ', true, json::error_handler_t::replace);
  dir_.replace(binding.slot().str(), checked_line(text));
}

std::optional<Binding> SavedBindings::find(PciSlot slot) const {
  auto binding = parse(dir_.read(slot.str()).value_or(""));
  if (!binding || binding->boot_id != boot_id_ || binding->slot() != slot) return std::nullopt;
  return binding;
}

std::vector<Binding> SavedBindings::all() const {
  std::vector<Binding> found;
  for (const auto& name : dir_.list())
    if (const auto slot = PciSlot::parse(name))
      if (auto binding = find(*slot)) found.push_back(std::move(*binding));
  return found;
}

void SavedBindings::remove(PciSlot slot) { dir_.remove(slot.str()); }

SavedBindings::Loaded SavedBindings::load() {
  Loaded loaded;
  dir_.remove_unfinished();
  for (const auto& name : dir_.list()) {
    auto binding = parse(dir_.read(name).value_or(""));
    if (!binding || binding->slot().str() != name)
      loaded.problems.push_back(corrupt(dir_.path(), name, dir_.move_aside(name)));
    else if (binding->boot_id != boot_id_)
      dir_.remove(name);
    else
      loaded.bindings.push_back(std::move(*binding));
  }
  return loaded;
}

bool is_where_it_belongs(const Gpu& gpu, const Snapshot& snapshot, const SavedBindings& records) {
  const bool has_driver = bound_state(gpu, snapshot) != GpuState::unbound;
  return is_at_home(gpu, snapshot) && (has_driver || !records.find(gpu.slot()));
}

}  // namespace gpuctl
