// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/inventory.hpp"

#include <optional>
#include <string_view>
#include <utility>

namespace gpuctl {
namespace {

/// The innermost PCI function a device path leads through: a DRM card belongs to its GPU.
std::optional<PciAddress> function_on(std::string_view path) {
  std::optional<PciAddress> found;
  while (!path.empty()) {
    const auto end = path.find('/');
    if (const auto address = PciAddress::parse(path.substr(0, end))) found = address;
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
  return found;
}

}  // namespace

Inventory::Inventory(const RootDir& root, DeviceEvents& events, EventLoop& loop,
                     std::function<Lookups()> lookups)
    : root_(root), loop_(loop), lookups_(std::move(lookups)) {
  // listen first, so that what changes during the first read is read again
  events.on_event([this](const DeviceEvent& event) { on_event(event); });
  snapshot_ = scan(root_, lookups_());
}

void Inventory::on_event(const DeviceEvent& event) {
  if (event.action == "overflow") all_due_ = true;
  if (event.subsystem == "module" || event.subsystem == "iommu") due_.host_facts = true;
  if (const auto address = function_on(event.path)) due_.functions.insert(*address);
  // a new neighbour changes the group, which only a look at the whole machine tells
  if (event.subsystem == "pci" && (event.action == "add" || event.action == "remove")) all_due_ = true;
  read_due_later();
}

void Inventory::read_due_later() {
  if (std::exchange(read_scheduled_, true)) return;
  loop_.defer([this] { read_due(); });
}

void Inventory::read_due() {
  read_scheduled_ = false;
  const auto due = std::exchange(due_, {});
  replace(std::exchange(all_due_, false) ? rescan_all(root_, lookups_(), snapshot_, due)
                                         : rescan(root_, lookups_(), snapshot_, due));
}

void Inventory::refresh(PciAddress address) {
  ScanScope scope;
  scope.functions.insert(address);
  replace(rescan(root_, lookups_(), snapshot_, scope));
}

void Inventory::refresh_all() { replace(rescan_all(root_, lookups_(), snapshot_, {})); }

void Inventory::replace(Snapshot next) {
  if (next == snapshot_) return;
  const auto before = std::exchange(snapshot_, std::move(next));
  for (const auto& observer : observers_) observer(before, snapshot_);
}

}  // namespace gpuctl
