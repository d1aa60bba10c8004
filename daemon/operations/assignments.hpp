// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/pci_address.hpp"
#include "rebind/state_dir.hpp"

namespace gpuctl {

/// A GPU that gpuctl has put into a domain's definition, or that a running domain has. Outlives reboots, as
/// the definition does.
struct Assignment {
  PciSlot gpu;
  std::vector<PciAddress> functions;
  std::string vm_uuid, vm_name;
  std::uint32_t uid{};   ///< who asked
  std::int64_t since{};  ///< seconds since the epoch
  bool keep{};           ///< the GPU stays with VFIO when the domain stops
  bool running{};        ///< the domain was seen running: when it ends, the GPU goes home
  bool returning{};      ///< it has ended, and the GPU is not home yet
  bool lease_only{};  ///< the definition has the GPU by somebody else's hand; forgotten when the domain ends
  std::vector<Assignment> displaced{};  ///< at most one: of another domain, in force again after this lease
  bool unsettled{};                     ///< its attach has not ended; `displaced` is what was before
  bool forced{};                        ///< its attach was: the next start of the domain need not be
  std::string boot_id{};                ///< when it was saved; "" in files of an older gpuctld
  bool operator==(const Assignment&) const = default;
};

/// One file for each GPU slot in the state directory.
class Assignments {
 public:
  /// `boot_id`: of now, for who saves.
  explicit Assignments(StateDir& dir, std::string boot_id = {}) : dir_(dir), boot_id_(std::move(boot_id)) {}
  void save(const Assignment& assignment);
  void remove(PciSlot gpu);
  /// The domain has ended and the GPU need not go anywhere any more: a mere lease is forgotten, what it had
  /// displaced is in force again.
  void settle(const Assignment& assignment);
  /// Its attach has ended well: what was before is history.
  void confirm(PciSlot gpu);
  /// It does not hold: what it had displaced is in force again.
  void take_back(const Assignment& assignment);
  /// Nothing for one that is absent or cannot be read.
  std::optional<Assignment> find(PciSlot gpu) const;
  std::map<PciSlot, Assignment> all() const;
  /// What it tells of its domain's running ended with that boot.
  bool is_of_another_boot(const Assignment& assignment) const;

 private:
  StateDir& dir_;
  std::string boot_id_;
};

}  // namespace gpuctl
