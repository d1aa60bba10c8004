// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <vector>

#include "bus/gpu_calls.hpp"
#include "bus/wire.hpp"
#include "core/devices.hpp"
#include "gpu_adaptor.hpp"

namespace gpuctl {

/// What a Gpu object shows.
struct GpuView {
  PciSlot slot;
  PciAddress address;
  std::string name, vendor;
  GpuState state{};
  std::string vm;
  std::optional<unsigned> group;
  bool boot_display{};
  std::vector<PciFunction> functions;
  Problems problems;
};

class GpuObject : public sdbus::AdaptorInterfaces<org::gpuctl1::Gpu_adaptor> {
 public:
  GpuObject(sdbus::IConnection& connection, GpuCalls& calls, GpuView view);
  virtual ~GpuObject();
  GpuObject(const GpuObject&) = delete;
  GpuObject& operator=(const GpuObject&) = delete;
  /// Shows `view` from now on and tells what has changed, in one signal.
  void update(GpuView view);

 private:
  void Attach(sdbus::Result<sdbus::ObjectPath>&& result, std::string vm, wire::Dict options) override;
  void Release(sdbus::Result<sdbus::ObjectPath>&& result, wire::Dict options) override;
  std::string Address() override { return view_.address.str(); }
  std::string Name() override { return wire::utf8(view_.name); }
  std::string Vendor() override { return wire::utf8(view_.vendor); }
  std::string State() override { return std::string{to_string(view_.state)}; }
  std::string Vm() override { return wire::utf8(view_.vm); }
  sdbus::ObjectPath IommuGroup() override;
  bool BootDisplay() override { return view_.boot_display; }
  std::vector<wire::FunctionTuple> Functions() override;
  std::vector<wire::Dict> Problems() override { return wire::problems(view_.problems); }

  GpuCalls& calls_;
  GpuView view_;
};

}  // namespace gpuctl
