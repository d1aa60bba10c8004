// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "core/pci_address.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Changes to PCI functions, as the kernel offers them in sysfs (Documentation/ABI/testing/sysfs-bus-pci).
/// Any of them may block for ever in the kernel, so they are called in a helper process only. Each throws
/// Error(kernel_refused | device_gone) naming address, attribute and errno.
class PciControl {
 public:
  virtual ~PciControl() = default;
  /// Empty driver clears the override. Neither unbinds nor loads anything.
  virtual void set_driver_override(PciAddress, const std::string& driver) = 0;
  /// Returns when the driver's remove() has returned. Unbinding what `driver` does not have succeeds.
  virtual void unbind(PciAddress, const std::string& driver) = 0;
  /// Binds by the driver's own bind attribute, which tells the probe's errno. Already bound to it: success.
  virtual void bind(PciAddress, const std::string& driver) = 0;
  virtual void set_power_control(PciAddress, const std::string& on_or_auto) = 0;
  virtual void set_d3cold_allowed(PciAddress, bool allowed) = 0;
  virtual void reset(PciAddress) = 0;
  virtual void remove(PciAddress) = 0;
  virtual void rescan() = 0;
  /// Synthetic uevent ("add" | "remove") on a DRM card such as "card1".
  virtual void drm_event(const std::string& card, const std::string& action) = 0;
};

/// PciControl over a tree that has sys/bus/pci: the kernel's, or one that a test has made.
class SysfsPciControl : public PciControl {
 public:
  explicit SysfsPciControl(const RootDir& root) : root_(root) {}
  void set_driver_override(PciAddress, const std::string& driver) override;
  void unbind(PciAddress, const std::string& driver) override;
  void bind(PciAddress, const std::string& driver) override;
  void set_power_control(PciAddress, const std::string& on_or_auto) override;
  void set_d3cold_allowed(PciAddress, bool allowed) override;
  void reset(PciAddress) override;
  void remove(PciAddress) override;
  void rescan() override;
  void drm_event(const std::string& card, const std::string& action) override;

 private:
  void set_attribute(PciAddress, const std::string& attribute, const std::string& value);
  [[noreturn]] void refuse(PciAddress, const std::string& effect, int error) const;
  const RootDir& root_;
};

}  // namespace gpuctl
