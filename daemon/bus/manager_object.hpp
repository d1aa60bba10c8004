// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/gpu_calls.hpp"
#include "bus/host_calls.hpp"
#include "manager_adaptor.hpp"
#include "operations/departures.hpp"

namespace gpuctl {

/// What the Manager object shows.
struct ManagerView {
  std::string iommu, virtualization;
  bool busy{};
};

class ManagerObject
    : public sdbus::AdaptorInterfaces<org::gpuctl1::Manager_adaptor, sdbus::ObjectManager_adaptor> {
 public:
  ManagerObject(sdbus::IConnection& connection, GpuCalls& gpu_calls, HostCalls& host_calls,
                Departures& departures, ManagerView view);
  virtual ~ManagerObject();
  ManagerObject(const ManagerObject&) = delete;
  ManagerObject& operator=(const ManagerObject&) = delete;
  void update(ManagerView view);

 private:
  using Dicts = std::vector<wire::Dict>;
  void Attach(sdbus::Result<sdbus::ObjectPath>&& result, std::string gpu, std::string vm,
              wire::Dict options) override;
  void Release(sdbus::Result<sdbus::ObjectPath>&& result, std::string gpu, wire::Dict options) override;
  void Check(sdbus::Result<Dicts>&& result, std::string gpu, std::string vm, wire::Dict options) override;
  void Plan(sdbus::Result<std::vector<wire::PlannedStep>>&& result, std::string verb, std::string gpu,
            std::string vm, wire::Dict options) override;
  void Diagnose(sdbus::Result<Dicts>&& result) override;
  void ListUsers(sdbus::Result<Dicts>&& result, std::string gpu) override;
  void ListVms(sdbus::Result<Dicts>&& result) override;
  void ReadRom(sdbus::Result<std::vector<std::uint8_t>>&& result, std::string gpu,
               wire::Dict options) override;
  void Inhibit(sdbus::Result<sdbus::UnixFd>&& result, std::string who, std::string why) override;
  std::string Version() override;
  std::string Iommu() override { return view_.iommu; }
  std::string Virtualization() override { return view_.virtualization; }
  bool Busy() override { return view_.busy; }

  GpuCalls& gpu_calls_;
  HostCalls& host_calls_;
  Departures& departures_;
  ManagerView view_;
};

}  // namespace gpuctl
