// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <vector>

#include "bus/object_kind.hpp"

struct sd_bus;
struct sd_bus_slot;
struct sd_bus_vtable;

namespace gpuctl {

/// All objects of one kind, by one registration with sd-bus: an object costs its id and what tells whether it
/// has changed, and a property is written straight into the reply. Machines have thousands of IOMMU groups.
class ObjectFamily {
 public:
  using Id = ObjectKind::Id;
  /// `kind` outlives it.
  ObjectFamily(sdbus::IConnection& connection, ObjectKind& kind);
  ~ObjectFamily();
  ObjectFamily(const ObjectFamily&) = delete;
  ObjectFamily& operator=(const ObjectFamily&) = delete;

  enum class Listeners { some, none };
  /// From now on the objects are these, ascending. Tells who went, who came, and of the others what changed,
  /// in one signal each; nobody when there are no listeners yet.
  void update(const std::vector<Id>& ids, Listeners listeners);

  /// For sd-bus's callbacks.
  bool look_at(std::string_view path);
  void write(std::string_view property, ValueSink& sink) const;
  void call(std::string_view method, sdbus::MethodCall call) { kind_.call(current_, index(method), call); }
  std::vector<std::string> paths() const;
  const dbus::Underneath& underneath() const { return underneath_; }

 private:
  struct FreeSlot {
    void operator()(sd_bus_slot* slot) const noexcept;
  };
  using Slot = std::unique_ptr<sd_bus_slot, FreeSlot>;
  std::vector<sd_bus_vtable> vtable() const;
  std::size_t index(std::string_view method) const;
  std::string path(Id id) const { return kind_.prefix() + kind_.name(id); }
  bool has(Id id) const;
  void remove_all_but(const std::vector<Id>& ids);
  void add(Id id, Listeners listeners);
  void tell_changes(std::size_t position);
  std::uint64_t fingerprint(Id id, std::size_t property) const;
  std::uint64_t* fingerprints(std::size_t position) { return &fingerprints_[position * changing_.size()]; }

  dbus::Underneath underneath_;
  sd_bus* bus_;
  ObjectKind& kind_;
  std::vector<std::size_t> changing_;        ///< indices of the properties that may change
  std::vector<Id> ids_;                      ///< ascending
  std::vector<std::uint64_t> fingerprints_;  ///< of what was told last: changing_.size() for each object
  std::optional<Id> leaving_;
  Id current_{};  ///< whom sd-bus talks about, since it asked look_at
  std::vector<sd_bus_vtable> vtable_;
  Slot objects_, names_;
};

}  // namespace gpuctl
