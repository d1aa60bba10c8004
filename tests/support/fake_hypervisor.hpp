// SPDX-License-Identifier: GPL-2.0-or-later
// Header only: needs gpuctl_vm, which the support library does not link.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"
#include "vm/hypervisor.hpp"

namespace gpuctl::test {

/// Domains with memory: a start copies the definition into the live one, devices come and go in it.
class FakeHypervisor : public Hypervisor {
 public:
  std::map<std::string, Vm> domains;  ///< by UUID
  std::string fail_start;             ///< libvirt's sentence; empty = starts
  std::set<PciAddress> refuse_plug;   ///< attach_live fails
  std::set<PciAddress> keep_plugged;  ///< the guest does not answer: detach_live times out
  bool ignore_define{};               ///< says yes and does nothing
  std::string restored;               ///< what a start brings back instead of the definition
  std::vector<std::string> calls;
  unsigned long library_version{9000000};

  Vm& add(const std::string& xml, bool running = false) {
    const auto document = parse_domain(xml);
    const auto domain = document.document_element();
    Vm vm{domain.child_value("name"), domain.child_value("uuid"), VmState::shut_off, true, xml, ""};
    auto& added = domains[vm.uuid] = vm;
    if (running) run(added);
    return added;
  }
  static void run(Vm& vm) {
    vm.state = VmState::running;
    vm.live_xml = vm.inactive_xml;
  }

  std::vector<Vm> vms() override {
    std::vector<Vm> all;
    for (const auto& [uuid, vm] : domains) all.push_back(vm);
    return all;
  }
  Vm vm(const std::string& name_or_uuid) override { return find(name_or_uuid); }
  void define(const std::string& xml) override {
    calls.emplace_back("define");
    const auto document = parse_domain(xml);
    if (!ignore_define) find(document.document_element().child_value("uuid")).inactive_xml = xml;
  }
  void start(const std::string& uuid) override {
    calls.emplace_back("start");
    auto& vm = find(uuid);
    if (!fail_start.empty()) throw Error(ErrorCode::kernel_refused, fail_start);
    if (is_active(vm)) return;
    run(vm);
    if (!restored.empty()) vm.live_xml = restored;
    vm.managed_save = false;
  }
  void destroy(const std::string& uuid) override {
    calls.emplace_back("destroy");
    auto& vm = find(uuid);
    vm.state = VmState::shut_off;
    vm.live_xml.clear();
  }
  void attach_live(const std::string& uuid, const std::string& device_xml) override {
    const auto function = function_of(device_xml);
    calls.push_back("attach " + function.str());
    if (refuse_plug.contains(function)) throw Error(ErrorCode::kernel_refused, "libvirt refused the device.");
    auto& vm = find(uuid);
    vm.live_xml.insert(vm.live_xml.rfind("</devices>"), device_xml);
  }
  void detach_live(const std::string& uuid, const std::string& device_xml, const std::string& alias,
                   int) override {
    const auto function = function_of(device_xml);
    calls.push_back("detach " + function.str());
    if (keep_plugged.contains(function)) throw Error(ErrorCode::timed_out, alias + " stays.");
    auto& vm = find(uuid);
    vm.live_xml = remove_hostdevs(vm.live_xml, {function});
  }
  void watch(const std::function<void(const std::string&, const std::string&)>& handler,
             const std::function<bool()>& keep_going) override {
    handler("watching", "");
    while (keep_going()) continue;
  }
  unsigned long version() override { return library_version; }

 private:
  Vm& find(const std::string& name_or_uuid) {
    for (auto& [uuid, vm] : domains)
      if (uuid == name_or_uuid || vm.name == name_or_uuid) return vm;
    throw Error(ErrorCode::vm_not_found, "libvirt has no VM called '" + name_or_uuid + "'.");
  }
  static PciAddress function_of(const std::string& device_xml) {
    return claimed_functions("<domain><devices>" + device_xml + "</devices></domain>").at(0);
  }
};

}  // namespace gpuctl::test
