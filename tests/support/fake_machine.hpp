// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/devices.hpp"

namespace gpuctl::test {

/// What a function of a fake machine shows in sysfs. An empty text leaves the attribute out, as the kernel
/// does.
struct FakeFunction {
  PciIdentity id{};
  std::uint8_t revision{};
  std::string driver{};           ///< empty = unbound
  std::string driver_override{};  ///< empty reads as "(null)"
  std::string reset_methods{};    ///< "flr bus"
  std::string power_state{"D0"};
  std::string runtime_status{"active"};
  std::string power_control{"on"};
  std::optional<bool> d3cold_allowed{true};
  std::optional<bool> boot_vga{};  ///< without it: 0 for class 0300, no attribute for others
  std::string rom{};               ///< bytes of the ROM file
  std::string parent{};            ///< address of the upstream bridge; without it see FakeMachine::bridge()
};

/// A machine as /sys and /proc tell it, in a temporary directory with the kernel's own layout: functions are
/// directories below sys/devices/pciDDDD:BB, everything else links to them. Wrong use (bad address, unknown
/// function) throws.
class FakeMachine {
 public:
  using Address = std::string_view;

  FakeMachine();
  ~FakeMachine();
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  const std::filesystem::path& root() const { return root_; }

  FakeMachine& function(Address, FakeFunction);
  /// A root port or bridge. Functions added later on a bus other than 00 sit behind the latest bridge of
  /// their domain.
  FakeMachine& bridge(Address, const std::string& driver = "pcieport", FakeFunction = {});
  /// Class 0300 unless told.
  FakeMachine& gpu(Address, FakeFunction);
  /// Ids and class as NVIDIA's for snd_hda_intel, xhci_hcd and nvidia-gpu (UCSI) unless told.
  FakeMachine& companion(Address, const std::string& driver, FakeFunction = {});
  FakeMachine& group(unsigned number, std::initializer_list<Address>, const std::string& type = "DMA-FQ");
  /// Lines as the kernel's: "0x00000000fee00000 0x00000000feefffff msi".
  FakeMachine& reserved_regions(unsigned group, const std::string& lines);
  FakeMachine& group_name(unsigned group, const std::string& name);
  FakeMachine& device_link(Address consumer, Address supplier);

  /// drm/cardN (and drm/renderDM, if not negative) of a function, with their class links and dev numbers.
  FakeMachine& drm(Address, int card, int render = -1);
  FakeMachine& connector(Address, int card, const std::string& name, bool connected, bool enabled);
  FakeMachine& sound(Address, int card);
  FakeMachine& i2c(Address, int bus);

  /// A registered driver; its module is the name with '_' for '-' unless told.
  FakeMachine& driver(const std::string& name, std::string module = "");
  FakeMachine& module(const std::string& name);
  /// "intel", "amd" (units dmar0, ivhd0), any other name as such; "none" removes them.
  FakeMachine& iommu(const std::string& kind);
  FakeMachine& cmdline(const std::string& text);
  FakeMachine& cpu_flags(const std::string& flags);
  /// asus-nb-wmi's gpu_mux_mode: 0 = discrete, 1 = Optimus.
  FakeMachine& gpu_mux_mode(int mode);

  // What happens to it later.
  FakeMachine& bind(Address, const std::string& driver);
  FakeMachine& unbind(Address);
  /// As while remove() hangs: no driver link, DRIVER= still in uevent.
  FakeMachine& begin_unbind(Address);
  FakeMachine& set(Address, const std::string& attribute, const std::string& text);
  FakeMachine& take_away(Address, const std::string& attribute);
  /// Config space reads all ones, attributes stay: the card fell off the bus.
  FakeMachine& fall_off_the_bus(Address);
  /// Hot-unplug of one function.
  FakeMachine& unplug(Address);

  /// Path of a function's directory below root(), e.g. "sys/devices/pci0000:00/0000:00:10.0/0000:01:00.0".
  std::string directory(Address) const;
  FakeMachine& file(const std::string& path, std::string_view contents);
  /// A relative symbolic link to another path of this machine.
  FakeMachine& link(const std::string& path, const std::string& target);
  FakeMachine& erase(const std::string& path);

 private:
  std::string parent_directory(PciAddress, const std::string& parent) const;
  void write_attributes(const std::string& dir, PciAddress, const FakeFunction&, bool bridge);
  void write_uevent(const std::string& dir, const std::string& driver);
  void add(Address, const FakeFunction&, bool bridge);
  void mkdir(const std::string& path);

  std::filesystem::path root_;
  std::map<PciAddress, std::string> directories_;
  std::map<std::uint32_t, PciAddress> latest_bridge_;  ///< by PCI domain
  int next_vfio_{};
};

}  // namespace gpuctl::test
