// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "vm/hypervisor.hpp"
#include "vm/libvirt_handles.hpp"

namespace gpuctl {

/// One connection of one thread.
class LibvirtHypervisor final : public Hypervisor {
 public:
  explicit LibvirtHypervisor(std::string uri);
  std::vector<Vm> vms() override;
  Vm vm(const std::string& name_or_uuid) override;
  void define(const std::string& xml) override;
  void start(const std::string& uuid) override;
  void destroy(const std::string& uuid) override;
  void attach_live(const std::string& uuid, const std::string& device_xml) override;
  void detach_live(const std::string& uuid, const std::string& device_xml, const std::string& alias,
                   int timeout_ms) override;
  void watch(const std::function<void(const std::string& event, const std::string& uuid)>& handler,
             const std::function<bool()>& keep_going) override;
  unsigned long version() override;

 private:
  libvirt::Domain find(const std::string& name_or_uuid);
  Vm describe(virDomainPtr domain);
  bool has_device(virDomainPtr domain, const std::string& alias);
  [[noreturn]] void fail(const std::string& doing) const;

  std::string uri_;
  libvirt::Connection connection_;
};

}  // namespace gpuctl
