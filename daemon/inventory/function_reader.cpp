// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/function_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace gpuctl {
namespace {

/// Leading digits of `text`, with or without 0x; 0 when there are none or too many.
template <class Number>
Number number(std::string_view text, int base) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  Number value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return result.ec == std::errc{} ? value : Number{};
}

/// All of `text`, or nothing.
std::optional<unsigned> whole_number(std::string_view text) {
  unsigned value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 10);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Both halves of "10DE:25A0".
void id_pair(std::string_view text, std::uint16_t& first, std::uint16_t& second) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return;
  first = number<std::uint16_t>(text.substr(0, colon), 16);
  second = number<std::uint16_t>(text.substr(colon + 1), 16);
}

void take_uevent_line(std::string_view key, std::string_view value, PciFunction& function) {
  if (key == "DRIVER") function.uevent_driver = value;
  if (key == "PCI_CLASS") function.id.class_code = number<std::uint32_t>(value, 16) & 0xffffff;
  if (key == "PCI_ID") id_pair(value, function.id.vendor, function.id.device);
  if (key == "PCI_SUBSYS_ID") id_pair(value, function.id.subsystem_vendor, function.id.subsystem_device);
}

/// One read instead of six: pci_uevent() in drivers/pci/pci-driver.c prints the ids and the class, the driver
/// core DRIVER=.
void take_uevent(std::string_view text, PciFunction& function) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    const auto equals = line.find('=');
    if (equals != std::string_view::npos)
      take_uevent_line(line.substr(0, equals), line.substr(equals + 1), function);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
}

std::string_view last_component(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The directory above a function's own is its upstream bridge's, or a root bus ("pci0000:00").
std::optional<PciAddress> parent_in(std::string_view device_path) {
  const auto slash = device_path.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return PciAddress::parse(last_component(device_path.substr(0, slash)));
}

std::string override_of(const RootDir& dir) {
  auto text = dir.attribute("driver_override").value_or("");
  if (const auto end = text.find('\n'); end != std::string::npos) text.resize(end);
  return text == "(null)" ? std::string{} : text;
}

/// remove() is running: its driver link went when it began, DRIVER= goes when it ends.
bool is_being_unbound(const PciFunction& function) {
  return function.driver.empty() && !function.uevent_driver.empty();
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find_first_of(" \n"));
    if (!word.empty()) list.emplace_back(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return list;
}

void read_connectors(const RootDir& dir, PciFunction& function) {
  function.connectors.clear();
  for (const auto& card : dir.list("drm")) {
    if (!card.starts_with("card")) continue;
    for (const auto& name : dir.list("drm/" + card)) {
      if (!name.starts_with(card + "-")) continue;
      const auto at = fmt::format("drm/{}/{}/", card, name);
      function.connectors.push_back({.name = name,
                                     .enabled = dir.attribute(at + "enabled") == "enabled",
                                     .connected = dir.attribute(at + "status") == "connected"});
    }
  }
}

/// Device links show as consumer:pci:ADDRESS and supplier:pci:ADDRESS
/// (Documentation/ABI/testing/sysfs-devices-consumer).
void read_directory(const RootDir& dir, PciFunction& function) {
  function.linked.clear();
  function.has_rom = false;
  bool has_drm = false;
  for (const auto& name : dir.list(".")) {
    if (name == "rom") function.has_rom = true;
    if (name == "drm") has_drm = true;
    const std::string_view text = name;
    if (!text.starts_with("consumer:pci:") && !text.starts_with("supplier:pci:")) continue;
    if (const auto other = PciAddress::parse(text.substr(13))) function.linked.push_back(*other);
  }
  function.connectors.clear();
  if (has_drm) read_connectors(dir, function);
}

void read_power(const RootDir& dir, PciFunction& function) {
  function.power_state = dir.attribute("power_state").value_or("");
  function.runtime_status = dir.attribute("power/runtime_status").value_or("");
  function.power_control = dir.attribute("power/control").value_or("");
  const auto d3cold = dir.attribute("d3cold_allowed");
  function.d3cold_allowed = d3cold ? std::optional{*d3cold == "1"} : std::nullopt;
}

/// sriov_numvfs waits for the device's lock, which a running probe or remove holds: Linux 5.6 to 6.8, commit
/// 35ff867b7657 (PCI/IOV: Serialize sysfs sriov_numvfs reads vs writes).
void read_sriov(const RootDir& dir, PciFunction& function, Reading reading) {
  if (reading == Reading::all && !function.vfio && !is_being_unbound(function))
    function.virtual_functions = number<unsigned>(dir.attribute("sriov_numvfs").value_or(""), 10);
  const auto physical = dir.link_name("physfn");
  function.physical_function = physical.empty() ? std::nullopt : PciAddress::parse(physical);
}

/// Reading config space resumes a suspended device, and waits for a reset: a guest's function is left alone.
bool may_read_config(const PciFunction& function) {
  const auto& status = function.runtime_status;
  return !function.vfio && !is_being_unbound(function) && (status == "active" || status == "unsupported") &&
         function.power_state != "D3cold";
}

/// While a guest's QEMU opens it the kernel may reset it, a minute long for a card that does not answer, and
/// has its lock; up to Linux 6.11 driver_override waits for that, and has put it there.
bool is_still_with_vfio(const PciFunction& known, const PciFunction& now) {
  return now.vfio && known.vfio && known.id == now.id && known.driver_override == now.driver;
}

/// drivers/firmware/sysfb.c makes one of these; it goes when the GPU's own driver, or vfio-pci since
/// Linux 6.0, takes the memory. boot_vga is 1 where that memory is.
bool has_firmware_framebuffer(const RootDir& root) {
  constexpr std::array kinds = {"efi", "simple", "vesa", "vga"};
  return std::ranges::any_of(kinds, [&](const char* kind) {
    return root.exists(fmt::format("sys/bus/platform/devices/{}-framebuffer.0", kind));
  });
}

bool answers(const RootDir& dir) {
  const auto config = dir.read("config", 4);
  return !config || *config != "\xff\xff\xff\xff";
}

}  // namespace

std::optional<PciFunction> read_function(const RootDir& root, PciAddress address, Reading reading,
                                         const PciFunction* known) {
  auto path = "sys/bus/pci/devices/" + address.str();
  const auto target = root.link(path).value_or("");
  const auto dir = root.directory(path);
  const auto uevent = dir ? dir->attribute("uevent") : std::nullopt;
  if (!uevent) return std::nullopt;
  PciFunction function;
  function.address = address;
  function.driver = dir->link_name("driver");
  take_uevent(*uevent, function);
  function.revision = number<std::uint8_t>(dir->attribute("revision").value_or(""), 16);
  function.vfio = function.driver == "vfio-pci" || (!function.driver.empty() && dir->exists("vfio-dev"));
  const bool as_known = known != nullptr && is_still_with_vfio(*known, function);
  if (as_known) function.driver_override = known->driver_override;
  if (reading == Reading::all && !as_known && !is_being_unbound(function))
    function.driver_override = override_of(*dir);
  function.iommu_group = whole_number(dir->link_name("iommu_group"));
  function.parent = parent_in(target);
  function.bridge = (function.id.class_code >> 16) == 0x06;
  return function;
}

void read_gpu_details(const RootDir& root, PciFunction& function, Reading reading) {
  const auto dir = root.directory("sys/bus/pci/devices/" + function.address.str());
  if (!dir) return;
  function.reset_methods = words(dir->attribute("reset_method").value_or(""));
  function.boot_vga = dir->attribute("boot_vga") == "1";
  function.firmware_framebuffer = function.boot_vga && has_firmware_framebuffer(root);
  read_power(*dir, function);
  read_directory(*dir, function);
  read_sriov(*dir, function, reading);
  if (reading == Reading::all && may_read_config(function)) function.present = answers(*dir);
}

}  // namespace gpuctl
