// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

void not_loaded(const HostFacts& host, const std::string& module, Problems& found) {
  const auto subject = "/sys/module/" + module;
  if (host.module_state(module, "arch/x86/kvm") == ModuleState::missing) {
    found.push_back({"kvm", Severity::blocker, subject,
                     fmt::format("kernel {} has no {} module", host.kernel, module),
                     host.distribution.install(Software::kvm_kernel) + " and reboot into it"});
    return;
  }
  const auto blacklisted = modprobe_lines(host.root, "blacklist " + module);
  if (!blacklisted.empty()) {
    found.push_back({"kvm", Severity::blocker, "/" + blacklisted.front().path,
                     fmt::format("{} is not loaded: \"{}\"", module, blacklisted.front().text),
                     fmt::format("remove that line, then `sudo modprobe {}`", module)});
    return;
  }
  found.push_back(
      {"kvm", Severity::blocker, subject,
       fmt::format(
           "the CPU has virtualization, but {} is not loaded; when it refuses, firmware has most often "
           "locked virtualization off",
           module),
       fmt::format(
           "`sudo modprobe {}`; if that says \"Operation not supported\", switch virtualization on in the "
           "firmware setup and power the machine off once",
           module)});
}

/// kvm_intel has Y/N here, kvm_amd 1/0.
void nested(const HostFacts& host, const std::string& module, Problems& found) {
  const auto value = host.root.text("sys/module/" + module + "/parameters/nested");
  const bool on = value == "Y" || value == "1";
  found.push_back(
      {"kvm-nested", Severity::info, fmt::format("/sys/module/{}/parameters/nested", module),
       on ? "guests can run VMs themselves (Hyper-V, WSL2, VBS)"
          : "guests cannot run VMs themselves; Windows with VBS or WSL2 needs that",
       on ? "" : fmt::format("`options {} nested=1` in /etc/modprobe.d/kvm.conf, then reboot", module)});
}

}  // namespace

void kvm(const HostFacts& host, Problems& found) {
  if (host.snapshot.host.virtualization == "none") return;  // said once, by the CPU check
  const std::string module = host.snapshot.host.virtualization == "svm" ? "kvm_amd" : "kvm_intel";
  if (!host.root.exists("sys/module/" + module)) return not_loaded(host, module, found);
  // The node itself may be hidden from gpuctld; its class device tells the same.
  if (!host.root.exists("sys/class/misc/kvm")) {
    found.push_back(
        {"kvm", Severity::blocker, "/dev/kvm", fmt::format("{} is loaded, but there is no /dev/kvm", module),
         fmt::format(
             "read why with `journalctl -k -b -g kvm`; then `sudo modprobe -r {0} && sudo modprobe {0}`",
             module)});
    return;
  }
  found.push_back({"kvm", Severity::ok, "/dev/kvm", fmt::format("KVM is there ({})", module), ""});
  nested(host, module, found);
}

}  // namespace gpuctl::checks
