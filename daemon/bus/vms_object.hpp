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

  /// `body` changes something that outlives a reboot: polkit org.gpuctl1.configure first, unless it only
  /// shows.
  void configure(PolkitDetails details, bool only_shows, bool interactive, Queries::Body body,
                 const TextReply& reply);
  void require_root() const;

  Gate& gate_;
  Queries& queries_;
  Inventory& inventory_;
  DomainLifecycle& lifecycle_;
  Platform platform_;
};

}  // namespace gpuctl
