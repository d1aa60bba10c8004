// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

using Json = nlohmann::json;

bool lists(const Json& object, const char* key, std::string_view wanted) {
  const auto values = object.find(key);
  return values != object.end() && values->is_array() && std::ranges::any_of(*values, [&](const Json& v) {
           return v.is_string() && v.get<std::string>() == wanted;
         });
}

/// A firmware descriptor as libvirt reads it (QEMU docs/interop/firmware.json).
bool is_x86_uefi(const std::string& text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !lists(json, "interface-types", "uefi")) return false;
  const auto targets = json.find("targets");
  return targets != json.end() && targets->is_array() && std::ranges::any_of(*targets, [](const Json& t) {
           return t.is_object() && t.value("architecture", "") == "x86_64";
         });
}

std::string uefi_descriptor(const RootDir& root) {
  for (const std::string directory : {"etc/qemu/firmware", "usr/share/qemu/firmware"})
    for (const auto& name : root.list(directory)) {
      const auto path = fmt::format("{}/{}", directory, name);
      if (name.ends_with(".json") && is_x86_uefi(root.text(path))) return path;
    }
  return {};
}

std::string qemu_program(const HostFacts& host) {
  return host.first_program({"qemu-system-x86_64", "qemu-kvm"});
}

void qemu(const HostFacts& host, Problems& found) {
  const auto path = qemu_program(host);
  if (path.empty())
    found.push_back({"qemu-installed", Severity::blocker, "/usr/bin/qemu-system-x86_64",
                     "QEMU is not installed", host.distribution.install(missing_vm_software(host))});
  else
    found.push_back({"qemu-installed", Severity::ok, "/" + path, "QEMU is installed", ""});
}

void ovmf(const HostFacts& host, Problems& found) {
  const auto path = uefi_descriptor(host.root);
  if (path.empty())
    found.push_back({"ovmf-installed", Severity::warning, "/usr/share/qemu/firmware",
                     "no UEFI firmware for VMs is installed: graphics cards of today need it in the guest",
                     host.distribution.install(Software::ovmf)});
  else
    found.push_back({"ovmf-installed", Severity::ok, "/" + path, "UEFI firmware for VMs is installed", ""});
}

struct Helper {
  const char* id;
  const char* program;
  Software software;
  Severity missing;
  const char* there;
  const char* not_there;
};

constexpr Helper helpers[] = {
    {"swtpm-installed", "swtpm", Software::swtpm, Severity::info, "VMs can have a TPM",
     "VMs cannot have a TPM, which Windows 11 asks for"},
    {"dnsmasq-installed", "dnsmasq", Software::dnsmasq, Severity::warning,
     "libvirt's networks have DHCP and DNS", "libvirt's default network does not start without dnsmasq"},
    {"bridge-tools", "ip", Software::bridge_tools, Severity::warning, "bridges can be set up",
     "network bridges cannot be set up without ip"},
    {"virt-manager", "virt-manager", Software::virt_manager, Severity::info, "VMs have a graphical manager",
     "no graphical VM manager; virsh does as well"},
    {"virt-viewer", "virt-viewer", Software::virt_viewer, Severity::info, "VM consoles can be viewed",
     "no viewer for VM consoles beside virt-manager's"},
};

void helper(const HostFacts& host, const Helper& h, Problems& found) {
  const auto path = host.program(h.program);
  if (path.empty())
    found.push_back({h.id, h.missing, fmt::format("/usr/bin/{}", h.program), h.not_there,
                     host.distribution.install(h.software)});
  else
    found.push_back({h.id, Severity::ok, "/" + path, h.there, ""});
}

}  // namespace

std::vector<Software> missing_vm_software(const HostFacts& host) {
  std::vector<Software> missing;
  if (libvirt_daemon(host).empty()) missing.push_back(Software::libvirt);
  if (qemu_program(host).empty()) missing.push_back(Software::qemu);
  if (uefi_descriptor(host.root).empty()) missing.push_back(Software::ovmf);
  if (host.program("dnsmasq").empty()) missing.push_back(Software::dnsmasq);
  return missing;
}

void vm_software(const HostFacts& host, Problems& found) {
  qemu(host, found);
  ovmf(host, found);
  for (const auto& h : helpers) helper(host, h, found);
}

}  // namespace gpuctl::checks
