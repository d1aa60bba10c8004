// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/libvirt_hypervisor.hpp"

#include <array>
#include <chrono>
#include <span>

#include <fmt/format.h>

#include "vm/libvirt_events.hpp"
#include "vm/libvirt_module.hpp"

namespace gpuctl {
namespace {

using libvirt::CString;
using libvirt::Domain;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

void quiet(void*, virErrorPtr) {}  // every failed call is thrown; libvirt need not print it as well

constexpr auto start_remedy =
    "start it with 'systemctl start libvirtd.socket' (or 'virtqemud.socket' where libvirt has a daemon a "
    "driver)";

bool is_connection_failure(const virError& error) {
  return error.code == VIR_ERR_NO_CONNECT || error.code == VIR_ERR_RPC ||
         error.code == VIR_ERR_INVALID_CONN || error.domain == VIR_FROM_RPC;
}

ErrorCode code_of(const virError& error) {
  if (error.code == VIR_ERR_NO_DOMAIN) return ErrorCode::vm_not_found;
  if (is_connection_failure(error)) return ErrorCode::libvirt_unavailable;
  return ErrorCode::kernel_refused;
}

std::string string_of(char* text) {
  const CString owner{text};
  return text ? std::string{text} : std::string{};
}

VmState state_of(virDomainPtr domain) {
  int state{};
  if (virDomainGetState(domain, &state, nullptr, 0) < 0) return VmState::other;
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
    case VIR_DOMAIN_PMSUSPENDED:
      return VmState::running;
    case VIR_DOMAIN_PAUSED:
      return VmState::paused;
    case VIR_DOMAIN_SHUTOFF:
      return VmState::shut_off;
    default:
      return VmState::other;
  }
}

}  // namespace

Error libvirt::last_error(const std::string& doing, const std::string& uri) {
  const auto* error = virGetLastError();
  if (!error || error->code == VIR_ERR_OK)
    return {ErrorCode::libvirt_unavailable, fmt::format("libvirt failed {} and did not say why.", doing)};
  const auto code = code_of(*error);
  if (code != ErrorCode::libvirt_unavailable)
    return {code, fmt::format("libvirt, {}: {}.", doing, error->message)};
  return {code, fmt::format("libvirt does not answer at {} ({}); {}.", uri, error->message, start_remedy)};
}

LibvirtHypervisor::LibvirtHypervisor(std::string uri) : uri_(std::move(uri)) {
  virSetErrorFunc(nullptr, quiet);
  libvirt::prepare_event_loop();
  connection_.reset(virConnectOpen(uri_.c_str()));
  if (connection_) return;
  const auto* error = virGetLastError();
  throw Error(ErrorCode::libvirt_unavailable,
              fmt::format("libvirt does not answer at {} ({}); {}.", uri_,
                          error ? error->message : "no reason given", start_remedy));
}

void LibvirtHypervisor::fail(const std::string& doing) const { throw libvirt::last_error(doing, uri_); }

Domain LibvirtHypervisor::find(const std::string& name_or_uuid) {
  if (Domain found{virDomainLookupByUUIDString(connection_.get(), name_or_uuid.c_str())}) return found;
  if (Domain found{virDomainLookupByName(connection_.get(), name_or_uuid.c_str())}) return found;
  if (libvirt::last_code() == VIR_ERR_NO_DOMAIN)
    throw Error(ErrorCode::vm_not_found,
                fmt::format("libvirt has no VM called '{}' at {}.", name_or_uuid, uri_));
  fail("looking for the VM");
}

Vm LibvirtHypervisor::describe(virDomainPtr domain) {
  Vm vm;
  std::array<char, VIR_UUID_STRING_BUFLEN> uuid{};
  const auto* name = virDomainGetName(domain);
  if (!name || virDomainGetUUIDString(domain, uuid.data()) < 0) fail("reading a VM");
  vm.name = name;
  vm.uuid = uuid.data();
  vm.state = state_of(domain);
  vm.persistent = virDomainIsPersistent(domain) == 1;
  vm.inactive_xml = string_of(virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE));
  if (vm.inactive_xml.empty()) fail("reading the VM's definition");
  if (virDomainIsActive(domain) == 1) vm.live_xml = string_of(virDomainGetXMLDesc(domain, 0));
  vm.managed_save = virDomainHasManagedSaveImage(domain, 0) == 1;
  const bool ran = vm.state == VmState::running || vm.state == VmState::paused;
  if (ran && vm.live_xml.empty() && virDomainIsActive(domain) != 0) fail("reading a running VM");
  if (ran && vm.live_xml.empty()) vm.state = VmState::shut_off;  // it has ended since it was asked
  return vm;
}

std::vector<Vm> LibvirtHypervisor::vms() {
  virDomainPtr* list{};
  const int count = virConnectListAllDomains(connection_.get(), &list, 0);
  if (count < 0) fail("listing the VMs");
  std::vector<Domain> domains;
  for (auto* domain : std::span{list, static_cast<std::size_t>(count)}) domains.emplace_back(domain);
  std::free(list);
  std::vector<Vm> found;
  for (const auto& domain : domains) {
    try {
      found.push_back(describe(domain.get()));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::vm_not_found) throw;  // it was undefined since the list was made
    }
  }
  return found;
}

Vm LibvirtHypervisor::vm(const std::string& name_or_uuid) { return describe(find(name_or_uuid).get()); }

void LibvirtHypervisor::define(const std::string& xml) {
  const Domain defined{virDomainDefineXMLFlags(connection_.get(), xml.c_str(), VIR_DOMAIN_DEFINE_VALIDATE)};
  if (!defined) fail("changing the VM's definition");
}

void LibvirtHypervisor::start(const std::string& uuid) {
  const auto domain = find(uuid);
  if (virDomainIsActive(domain.get()) == 1) return;
  if (virDomainCreate(domain.get()) == 0) return;
  const auto error = libvirt::last_error("starting the VM", uri_);  // the next call forgets it
  if (virDomainIsActive(domain.get()) != 1) throw error;
}

void LibvirtHypervisor::destroy(const std::string& uuid) {
  const auto domain = find(uuid);
  if (virDomainDestroy(domain.get()) < 0 && libvirt::last_code() != VIR_ERR_OPERATION_INVALID)
    fail("stopping the VM");
}

void LibvirtHypervisor::attach_live(const std::string& uuid, const std::string& device_xml) {
  const auto domain = find(uuid);
  if (virDomainAttachDeviceFlags(domain.get(), device_xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0)
    fail("plugging the GPU into the running VM");
}

bool LibvirtHypervisor::has_device(virDomainPtr domain, const std::string& alias) {
  if (virDomainIsActive(domain) != 1) return false;
  const auto xml = string_of(virDomainGetXMLDesc(domain, 0));
  if (xml.empty()) fail("reading the running VM");
  return xml.find(fmt::format("<alias name='{}'/>", alias)) != std::string::npos;
}

void LibvirtHypervisor::detach_live(const std::string& uuid, const std::string& device_xml,
                                    const std::string& alias, int timeout_ms) {
  const auto domain = find(uuid);
  if (!has_device(domain.get(), alias)) return;
  const libvirt::RemovalWatch watch{connection_.get(), domain.get(), alias};
  const auto deadline = steady_clock::now() + milliseconds{timeout_ms};
  if (virDomainDetachDeviceFlags(domain.get(), device_xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0 &&
      libvirt::last_code() != VIR_ERR_DEVICE_MISSING)
    fail("unplugging the GPU from the running VM");
  libvirt::EventTurns turns{milliseconds{500}};
  turns.run_until([&] { return watch.answer() != libvirt::RemovalWatch::Answer::none; }, deadline);
  // The event may have come before libvirt's reply, or never (domain stopped): the live definition decides.
  if (!has_device(domain.get(), alias)) return;
  if (watch.answer() == libvirt::RemovalWatch::Answer::refused)
    throw Error(ErrorCode::kernel_refused, fmt::format("The guest refused to give {} back.", alias));
  throw Error(ErrorCode::timed_out,
              fmt::format("The guest did not give {} back within {} s; shut it down to release the GPU.",
                          alias, timeout_ms / 1000));
}

void LibvirtHypervisor::watch(const std::function<void(const std::string&, const std::string&)>& handler,
                              const std::function<bool()>& keep_going) {
  libvirt::LifecycleWatch watch{connection_.get(), handler};
  handler("watching", "");
  libvirt::EventTurns turns{milliseconds{1000}};
  turns.run_until(
      [&] {
        watch.rethrow();
        return watch.lost() || !keep_going();
      },
      steady_clock::time_point::max());
  if (watch.lost()) handler("connection-lost", "");
}

unsigned long LibvirtHypervisor::version() {
  unsigned long version{};
  if (virConnectGetLibVersion(connection_.get(), &version) < 0) fail("asking libvirt's version");
  return version;
}

}  // namespace gpuctl

const char* gpuctl_module_version() { return GPUCTL_VERSION; }

gpuctl::Hypervisor* gpuctl_make_hypervisor(const char* uri) { return new gpuctl::LibvirtHypervisor{uri}; }
