// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "vm/hypervisor.hpp"

namespace gpuctl {

/// Who looks has his time for all of it; who changes something needs every answer that comes after that.
enum class Patience { in_all, for_each_answer };

/// For whoever waits for an answer of libvirt's: questions - how to reach it, which VMs there are, how they
/// are - have `time`; then one without an answer throws Error(libvirt_unavailable). What libvirt is told to
/// do may take as long as it takes. A question without an answer stays behind in a thread of its own: worker
/// processes only, which end without waiting for it.
class TimedHypervisor : public Hypervisor {
 public:
  using Connect = std::function<std::unique_ptr<Hypervisor>()>;
  TimedHypervisor(const Connect& connect, std::chrono::milliseconds time, Patience = Patience::in_all);

  std::vector<Vm> vms() override;
  Vm vm(const std::string& name_or_uuid) override;
  unsigned long version() override;

  void define(const std::string& xml) override { libvirt_->define(xml); }
  void start(const std::string& uuid) override { libvirt_->start(uuid); }
  void destroy(const std::string& uuid) override { libvirt_->destroy(uuid); }
  void attach_live(const std::string& uuid, const std::string& device_xml) override {
    libvirt_->attach_live(uuid, device_xml);
  }
  void detach_live(const std::string& uuid, const std::string& device_xml, const std::string& alias,
                   int timeout_ms) override {
    libvirt_->detach_live(uuid, device_xml, alias, timeout_ms);
  }
  void watch(const std::function<void(const std::string& event, const std::string& uuid)>& handler,
             const std::function<bool()>& keep_going) override {
    libvirt_->watch(handler, keep_going);
  }

  struct Time {
    std::chrono::milliseconds whole;
    std::optional<std::chrono::steady_clock::time_point> end;  ///< of all questions
  };

 private:
  Time time_;
  std::shared_ptr<Hypervisor> libvirt_;  ///< shared with questions that have no answer yet
};

}  // namespace gpuctl
