// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/gate.hpp"
#include "bus/reply.hpp"
#include "inventory/inventory.hpp"
#include "operations/domain_lifecycle.hpp"
#include "operations/polkit_details.hpp"
#include "operations/queries.hpp"
#include "vms_adaptor.hpp"

namespace gpuctl {

/// The virtual machines' side, and what libvirt's hook calls.
class VmsObject : public sdbus::AdaptorInterfaces<org::gpuctl1::Vms_adaptor> {
 public:
  VmsObject(sdbus::IConnection& connection, Gate& gate, Queries& queries, Inventory& inventory,
            DomainLifecycle& lifecycle, Platform platform);
  virtual ~VmsObject();
  VmsObject(const VmsObject&) = delete;
  VmsObject& operator=(const VmsObject&) = delete;

 private:
  using Dicts = std::vector<wire::Dict>;
  using TextReply = Reply<std::string>;
  void CheckVm(sdbus::Result<Dicts>&& result, std::string vm, wire::Dict options) override;
  void SetupVm(sdbus::Result<std::string>&& result, std::string vm, wire::Dict options) override;
  void UndoVm(sdbus::Result<std::string>&& result, std::string vm, wire::Dict options) override;
  void CheckLookingGlass(sdbus::Result<Dicts>&& result, std::string vm, wire::Dict options) override;
  void PrepareDomain(sdbus::Result<>&& result, std::string name, std::string xml,
                     wire::Dict options) override;
  void ReleaseDomain(sdbus::Result<>&& result, std::string name, std::string xml) override;

  /// Something that outlives a reboot: polkit org.gpuctl1.configure first.
  struct Change {
    std::string vm;         ///< name or UUID, as given
    PolkitDetails details;  ///< without the VM
    bool interactive{};
    Queries::Body body;
  };
  void configure(Change change, const TextReply& reply);
  void pass_gate(const BusCaller& caller, const Change& change, const TextReply& reply);
  /// What changes nothing.
  void run(const Queries::Body& body, const TextReply& reply);
  void require_root() const;

  Gate& gate_;
  Queries& queries_;
  Inventory& inventory_;
  DomainLifecycle& lifecycle_;
  Platform platform_;
};

}  // namespace gpuctl
