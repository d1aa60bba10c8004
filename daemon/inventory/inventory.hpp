// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <set>
#include <vector>

#include "core/devices.hpp"
#include "inventory/scan.hpp"
#include "os/device_events.hpp"
#include "os/event_loop.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// The machine's devices as they are now: read whole once, then only what events name. A burst of events is
/// one read and one change.
class Inventory {
 public:
  using Observer = std::function<void(const Snapshot& before, const Snapshot& after)>;
  /// `lookups` is called for each read, so that its tables live no longer than that.
  Inventory(const RootDir& root, DeviceEvents& events, EventLoop& loop, std::function<Lookups()> lookups);

  const Snapshot& snapshot() const { return snapshot_; }
  /// Reads one function (and its GPU and group) again, now.
  void refresh(PciAddress address);
  void refresh_all();
  void on_change(Observer observer) { observers_.push_back(std::move(observer)); }

 private:
  void on_event(const DeviceEvent& event);
  void read_due();
  void read_due_later();
  void replace(Snapshot next);

  const RootDir& root_;
  EventLoop& loop_;
  std::function<Lookups()> lookups_;
  Snapshot snapshot_;
  std::vector<Observer> observers_;
  ScanScope due_;
  bool all_due_{};
  bool read_scheduled_{};
};

}  // namespace gpuctl
