// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/distribution.hpp"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/text.hpp"

namespace gpuctl {
namespace {

struct PackageNames {
  Software software;
  std::string_view plain;  ///< what to look for where the distribution is not known
  std::string_view apt, dnf, pacman, zypper;
};

constexpr std::array package_names{
    PackageNames{Software::qemu, "QEMU for x86 with KVM", "qemu-system-x86", "qemu-kvm", "qemu-desktop",
                 "qemu-x86"},
    PackageNames{Software::libvirt, "libvirt with its QEMU driver", "libvirt-daemon-system", "libvirt",
                 "libvirt", "libvirt-daemon-qemu libvirt-client"},
    PackageNames{Software::ovmf, "OVMF (UEFI firmware for VMs)", "ovmf", "edk2-ovmf", "edk2-ovmf",
                 "qemu-ovmf-x86_64"},
    PackageNames{Software::swtpm, "swtpm", "swtpm swtpm-tools", "swtpm swtpm-tools", "swtpm", "swtpm"},
    PackageNames{Software::virt_manager, "virt-manager", "virt-manager", "virt-manager", "virt-manager",
                 "virt-manager"},
    PackageNames{Software::virt_viewer, "virt-viewer", "virt-viewer", "virt-viewer", "virt-viewer",
                 "virt-viewer"},
    PackageNames{Software::dnsmasq, "dnsmasq", "dnsmasq-base", "dnsmasq", "dnsmasq", "dnsmasq"},
    PackageNames{Software::bridge_tools, "iproute2", "iproute2", "iproute", "iproute2", "iproute2"},
    PackageNames{Software::kvm_kernel, "a kernel with KVM and VFIO", "linux-image-amd64", "kernel", "linux",
                 "kernel-default"},
};

const PackageNames& names_of(Software software) {
  for (const auto& names : package_names)
    if (names.software == software) return names;
  return package_names.front();
}

PackageTool tool_for(const std::string& ids) {
  for (const auto& id : words(ids)) {
    if (id == "debian" || id == "ubuntu" || id == "pop") return PackageTool::apt;
    if (id == "fedora" || id == "rhel" || id == "centos") return PackageTool::dnf;
    if (id == "arch" || id == "archlinux") return PackageTool::pacman;
    if (id == "suse" || id == "opensuse" || id.starts_with("opensuse-")) return PackageTool::zypper;
    if (id == "nixos") return PackageTool::nix;
  }
  return PackageTool::other;
}

std::string unquoted(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  return std::string(value);
}

}  // namespace

std::string shell_value(std::string_view text, std::string_view key) {
  std::string found;
  for (const auto& line : lines(text)) {
    const auto assignment = trimmed(line);
    if (assignment.starts_with(key) && assignment.substr(key.size()).starts_with('='))
      found = unquoted(trimmed(assignment.substr(key.size() + 1)));
  }
  return found;
}

Distribution read_distribution(const RootDir& root) {
  auto text = root.text("etc/os-release");
  if (text.empty()) text = root.text("usr/lib/os-release");
  Distribution found{shell_value(text, "ID"), shell_value(text, "PRETTY_NAME"), PackageTool::other};
  if (found.id.empty()) found.id = "linux";
  if (found.name.empty()) found.name = found.id;
  found.packages = tool_for(found.id + " " + shell_value(text, "ID_LIKE"));
  if (root.exists("run/ostree-booted")) found.packages = PackageTool::rpm_ostree;
  return found;
}

std::string Distribution::package_of(Software software) const {
  const auto& names = names_of(software);
  switch (packages) {
    case PackageTool::apt:
      if (software != Software::kvm_kernel) return std::string(names.apt);
      return id == "ubuntu" ? "linux-generic" : id == "pop" ? "linux-system76" : std::string(names.apt);
    case PackageTool::dnf:
    case PackageTool::rpm_ostree:
      return std::string(names.dnf);
    case PackageTool::pacman:
      return std::string(names.pacman);
    case PackageTool::zypper:
      return std::string(names.zypper);
    default:
      return std::string(names.plain);
  }
}

std::string Distribution::install(const std::vector<Software>& wanted) const {
  std::vector<std::string> names;
  for (const auto software : wanted) names.push_back(package_of(software));
  const auto all = fmt::format("{}", fmt::join(names, " "));
  switch (packages) {
    case PackageTool::apt:
      return "sudo apt install " + all;
    case PackageTool::dnf:
      return "sudo dnf install " + all;
    case PackageTool::rpm_ostree:
      // the kernel is the image's, never layered
      return wanted.front() == Software::kvm_kernel ? "rpm-ostree upgrade"
                                                    : fmt::format("rpm-ostree install {}, then reboot", all);
    case PackageTool::pacman:
      return "sudo pacman -S " + all;
    case PackageTool::zypper:
      return "sudo zypper install " + all;
    case PackageTool::nix:
      return fmt::format("add {} to the system configuration and rebuild it", fmt::join(names, ", "));
    case PackageTool::other:
      break;
  }
  return fmt::format("install {} with the package manager of this system", fmt::join(names, ", "));
}

}  // namespace gpuctl
