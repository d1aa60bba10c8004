// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/object_kind.hpp"
#include "core/devices.hpp"

namespace gpuctl {

/// org.gpuctl1.IommuGroup, at /org/gpuctl1/groups/15.
class GroupKind : public ObjectKind {
 public:
  /// `snapshot` is the one of the moment whenever it is looked at.
  explicit GroupKind(const Snapshot& snapshot) : snapshot_(snapshot) {}
  const char* prefix() const override;
  const char* interface() const override;
  std::span<const ObjectProperty> properties() const override;
  std::span<const ObjectMethod> methods() const override { return {}; }
  std::string name(Id id) const override { return std::to_string(id); }
  std::optional<Id> id(std::string_view name) const override;
  bool exists(Id id) const override;
  void write(Id id, std::size_t index, ValueSink& sink) const override;
  void call(Id, std::size_t, sdbus::MethodCall) override {}

 private:
  const Snapshot& snapshot_;
};

}  // namespace gpuctl
