// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <string>

#include "core/devices.hpp"

namespace gpuctl {

/// Names of vendors, devices and classes. Asks udev's hardware database first, because it is mapped and costs
/// next to nothing; only for what that does not know the whole pci.ids text (some 12 ms, 2.5 MB) is loaded.
/// All of it is released with this object.
class PciNameTable {
 public:
  /// Another pci.ids file, which then is the only source; empty = the system's.
  explicit PciNameTable(std::string id_file = "");
  ~PciNameTable();
  PciNameTable(const PciNameTable&) = delete;
  PciNameTable& operator=(const PciNameTable&) = delete;

  PciNames names(const PciIdentity&);

 private:
  class Access;
  Access& database();
  Access& table();
  template <class... Ids>
  std::string look_up(int flags, Ids... ids);
  std::string subsystem(const PciIdentity&, const std::string& device);

  std::string id_file_;
  std::unique_ptr<Access> database_, table_;
};

}  // namespace gpuctl
