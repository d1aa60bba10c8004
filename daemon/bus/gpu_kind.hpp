// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>

#include "bus/object_kind.hpp"
#include "core/devices.hpp"

namespace gpuctl {

/// org.gpuctl1.Gpu, at /org/gpuctl1/gpus/0000_01_00.
class GpuKind : public ObjectKind {
 public:
  using Call = std::function<void(const std::string& gpu, sdbus::MethodCall call)>;
  /// What the devices do not tell.
  struct Answers {
    std::function<GpuState(const Gpu&)> state;
    std::function<std::string(const Gpu&)> vm;  ///< the domain that has it by gpuctl, "" for none
    Call attach, release;
  };
  /// `snapshot` is the one of the moment whenever it is looked at.
  GpuKind(const Snapshot& snapshot, Answers answers) : snapshot_(snapshot), answers_(std::move(answers)) {}
  static Id id_of(PciSlot slot);
  const char* prefix() const override;
  const char* interface() const override;
  std::span<const ObjectProperty> properties() const override;
  std::span<const ObjectMethod> methods() const override;
  std::string name(Id id) const override;
  std::optional<Id> id(std::string_view name) const override;
  bool exists(Id id) const override;
  void write(Id id, std::size_t index, ValueSink& sink) const override;
  void call(Id id, std::size_t index, sdbus::MethodCall call) override;

 private:
  const Snapshot& snapshot_;
  Answers answers_;
};

}  // namespace gpuctl
