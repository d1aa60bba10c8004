// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/object_family.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>

#include "bus/fingerprint.hpp"
#include "bus/message_sink.hpp"
#include "bus/sd_bus_vtable.hpp"

namespace gpuctl {
namespace {

ObjectFamily& family(void* data) { return *static_cast<ObjectFamily*>(data); }

/// Nothing may be thrown into sd-bus, which is C.
template <class Work>
int guarded(sd_bus_error* error, Work&& work) noexcept {
  try {
    return work();
  } catch (const sdbus::Error& e) {
    return sd_bus_error_set(error, dbus::error_name(e).c_str(), e.getMessage().c_str());
  } catch (const std::exception& e) {
    return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, e.what());
  }
}

int find(sd_bus*, const char* path, const char*, void* data, void** found, sd_bus_error* error) {
  return guarded(error, [&] {
    *found = data;
    return family(data).look_at(path) ? 1 : 0;
  });
}

int get(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply, void* data,
        sd_bus_error* error) {
  return guarded(error, [&] {
    MessageSink sink(reply);
    family(data).write(property, sink);
    return 1;
  });
}

int call(sd_bus_message* message, void* data, sd_bus_error* error) {
  return guarded(error, [&] {
    family(data).call(sd_bus_message_get_member(message), family(data).underneath().call(message));
    return 1;
  });
}

/// sd-bus frees the list and each of its names.
char** strings(const std::vector<std::string>& texts) {
  auto** list = static_cast<char**>(std::calloc(texts.size() + 1, sizeof(char*)));
  if (list == nullptr) throw std::bad_alloc{};
  std::ranges::transform(texts, list, [](const std::string& text) { return ::strdup(text.c_str()); });
  return list;
}

int enumerate(sd_bus*, const char*, void* data, char*** names, sd_bus_error* error) {
  return guarded(error, [&] {
    *names = strings(family(data).paths());
    return 0;
  });
}

void require(int result, const char* what) {
  if (result < 0) throw dbus::make_error("org.freedesktop.DBus.Error.Failed", what);
}

}  // namespace

void ObjectFamily::FreeSlot::operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }

ObjectFamily::ObjectFamily(sdbus::IConnection& connection, ObjectKind& kind)
    : underneath_(connection), bus_(sd_bus_message_get_bus(underneath_.message())), kind_(kind) {
  for (std::size_t i = 0; i < kind.properties().size(); ++i)
    if (!kind.properties()[i].constant) changing_.push_back(i);
  vtable_ = vtable();
  std::string above = kind.prefix();
  above.pop_back();
  sd_bus_slot* slot = nullptr;
  require(
      sd_bus_add_fallback_vtable(bus_, &slot, above.c_str(), kind.interface(), vtable_.data(), find, this),
      "objects cannot be registered");
  objects_.reset(slot);
  require(sd_bus_add_node_enumerator(bus_, &slot, above.c_str(), enumerate, this),
          "objects cannot be registered");
  names_.reset(slot);
}

ObjectFamily::~ObjectFamily() = default;

std::vector<sd_bus_vtable> ObjectFamily::vtable() const {
  std::vector<sd_bus_vtable> entries{vtable_start()};
  for (const auto& m : kind_.methods())
    entries.push_back(vtable_method(m.name, m.takes, m.gives, m.arguments, gpuctl::call));
  for (const auto& p : kind_.properties())
    entries.push_back(vtable_property(
        p.name, p.type, p.constant ? SD_BUS_VTABLE_PROPERTY_CONST : SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE,
        get));
  entries.push_back(vtable_end());
  return entries;
}

std::size_t ObjectFamily::index(std::string_view method) const {
  const auto found = std::ranges::find(kind_.methods(), method, &ObjectMethod::name);
  return static_cast<std::size_t>(found - kind_.methods().begin());
}

bool ObjectFamily::has(Id id) const { return std::ranges::binary_search(ids_, id); }

bool ObjectFamily::look_at(std::string_view path) {
  if (!path.starts_with(kind_.prefix())) return false;
  const auto id = kind_.id(path.substr(std::strlen(kind_.prefix())));
  if (!id || !has(*id) || !(kind_.exists(*id) || leaving_ == id)) return false;
  current_ = *id;
  return true;
}

void ObjectFamily::write(std::string_view property, ValueSink& sink) const {
  const auto found = std::ranges::find(kind_.properties(), property, &ObjectProperty::name);
  kind_.write(current_, static_cast<std::size_t>(found - kind_.properties().begin()), sink);
}

std::vector<std::string> ObjectFamily::paths() const {
  std::vector<std::string> all;
  all.reserve(ids_.size());
  for (const auto id : ids_)
    if (kind_.exists(id)) all.push_back(path(id));
  return all;
}

std::uint64_t ObjectFamily::fingerprint(Id id, std::size_t property) const {
  Fingerprint sink;
  kind_.write(id, property, sink);
  return sink.value();
}

void ObjectFamily::update(const std::vector<Id>& ids, Listeners listeners) {
  remove_all_but(ids);
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (i < ids_.size() && ids_[i] == ids[i])
      tell_changes(i);
    else
      add(ids[i], listeners);
}

/// The objects are still found while their end is told.
void ObjectFamily::remove_all_but(const std::vector<Id>& ids) {
  for (std::size_t i = ids_.size(); i-- > 0;) {
    if (std::ranges::binary_search(ids, ids_[i])) continue;
    leaving_ = ids_[i];
    sd_bus_emit_object_removed(bus_, path(ids_[i]).c_str());
    leaving_.reset();
    const auto first = fingerprints_.begin() + static_cast<std::ptrdiff_t>(i * changing_.size());
    fingerprints_.erase(first, first + static_cast<std::ptrdiff_t>(changing_.size()));
    ids_.erase(ids_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void ObjectFamily::add(Id id, Listeners listeners) {
  const auto position = std::ranges::lower_bound(ids_, id) - ids_.begin();
  ids_.insert(ids_.begin() + position, id);
  const auto first = position * static_cast<std::ptrdiff_t>(changing_.size());
  auto inserted = fingerprints_.insert(fingerprints_.begin() + first, changing_.size(), 0);
  for (const auto property : changing_) *inserted++ = fingerprint(id, property);
  if (listeners == Listeners::some) sd_bus_emit_object_added(bus_, path(id).c_str());
}

void ObjectFamily::tell_changes(std::size_t position) {
  std::vector<char*> changed;
  for (std::size_t i = 0; i < changing_.size(); ++i) {
    const auto now = fingerprint(ids_[position], changing_[i]);
    if (now == std::exchange(fingerprints(position)[i], now)) continue;
    changed.push_back(const_cast<char*>(kind_.properties()[changing_[i]].name));
  }
  if (changed.empty()) return;
  changed.push_back(nullptr);
  sd_bus_emit_properties_changed_strv(bus_, path(ids_[position]).c_str(), kind_.interface(), changed.data());
}

}  // namespace gpuctl
