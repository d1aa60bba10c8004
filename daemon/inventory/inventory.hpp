// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "core/devices.hpp"
#include "inventory/scan.hpp"
#include "os/device_events.hpp"
#include "os/event_loop.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// The machine's devices as they are now: read whole once, then only what events name. A burst of events is
/// one read and one change; what is on its way between drivers is read at most ten times a second.
class Inventory {
 public:
  using Observer = std::function<void(const Snapshot& before, const Snapshot& after)>;
  /// `lookups` is called for each read, so that its tables live no longer than that. `in_transition`: from
  /// the first read on, as if by begin_transition().
  Inventory(const RootDir& root, DeviceEvents& events, EventLoop& loop, std::function<Lookups()> lookups,
            const std::vector<PciAddress>& in_transition = {});

  const Snapshot& snapshot() const { return snapshot_; }
  /// Reads these functions (and the GPUs and groups they are part of) again, now.
  void refresh(const std::set<PciAddress>& functions);
  void refresh(PciAddress function) { refresh(std::set{function}); }
  void refresh_all();
  /// Called after each change, in the order of registration; not when a read found nothing new.
  void on_change(Observer observer) { observers_.push_back(std::move(observer)); }

  /// From now on these functions may be in a probe, remove or reset that lasts: what would wait for it is not
  /// read, so that a hanging driver cannot hang this process. Counted: each begin needs its end.
  void begin_transition(const std::vector<PciAddress>& functions);
  /// And reads them again, whole.
  void end_transition(const std::vector<PciAddress>& functions);

 private:
  void on_event(const DeviceEvent& event);
  void look_again_later(PciAddress address);
  void read_due();
  void read_due_later();
  void replace(Snapshot next);
  ScanScope scope(std::set<PciAddress> functions) const;

  const RootDir& root_;
  EventLoop& loop_;
  std::function<Lookups()> lookups_;
  Snapshot snapshot_;
  std::vector<Observer> observers_;
  std::multiset<PciAddress> in_transition_;
  std::set<PciAddress> functions_due_;
  bool host_due_{};
  bool all_due_{};
  bool read_scheduled_{};
  EventLoop::Source pause_;
  std::set<PciAddress> lit_later_;
  EventLoop::Source second_look_;
};

}  // namespace gpuctl
