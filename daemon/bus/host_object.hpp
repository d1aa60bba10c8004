// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/gate.hpp"
#include "bus/reply.hpp"
#include "host_adaptor.hpp"
#include "inventory/inventory.hpp"
#include "operations/boot_application.hpp"
#include "operations/configuring.hpp"
#include "operations/polkit_details.hpp"
#include "operations/queries.hpp"

namespace gpuctl {

/// The host's own configuration: kernel arguments, boot policy, and a report of it all.
class HostObject : public sdbus::AdaptorInterfaces<org::gpuctl1::Host_adaptor> {
 public:
  HostObject(sdbus::IConnection& connection, Gate& gate, Queries& queries, Configuring& configuring,
             Inventory& inventory, BootApplication& boot_application, Platform platform);
  virtual ~HostObject();
  HostObject(const HostObject&) = delete;
  HostObject& operator=(const HostObject&) = delete;

 private:
  using Dicts = std::vector<wire::Dict>;
  using TextReply = Reply<std::string>;
  void KernelArguments(sdbus::Result<wire::Dict>&& result) override;
  void PlanKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) override;
  void EnableKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) override;
  void UndoKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) override;
  void BootPolicies(sdbus::Result<Dicts>&& result) override;
  void SetBootPolicy(sdbus::Result<std::string>&& result, std::string gpu, std::string side,
                     wire::Dict options) override;
  void ConfirmBootPolicy(sdbus::Result<std::string>&& result, std::string gpu, wire::Dict options) override;
  void ApplyBootPolicy(sdbus::Result<Dicts>&& result, wire::Dict options) override;
  void Report(sdbus::Result<std::string>&& result, wire::Dict options) override;

  /// A member that changes what outlives a reboot, as the gate and Configuring need to know it.
  struct Change {
    std::string what;  ///< "gpuctld WHAT at the moment"
    PolkitDetails details;
    bool interactive{true};
    /// What can be answered without a change and so without asking anybody, or "".
    Queries::Body settled;
    /// Makes the body when polkit has said yes, from the state of that moment.
    std::function<Queries::Body()> body;
  };
  void configure(Change change, std::function<void(const Error&)> refused, Queries::Answer answer);
  void pass_gate(const BusCaller& caller, const Change& change,
                 const std::function<void(const Error&)>& refused, const Queries::Answer& answer);
  PolkitDetails details_of(const Gpu& gpu) const;
  std::string vm_of(PciSlot gpu) const;
  /// The policy of a card that has been taken out: nobody but the store knows it.
  void clear_without_gpu(const TextReply& reply, const std::string& argument, bool interactive);

  Gate& gate_;
  Queries& queries_;
  Configuring& configuring_;
  Inventory& inventory_;
  BootApplication& boot_application_;
  Platform platform_;
};

}  // namespace gpuctl
