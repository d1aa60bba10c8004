// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/inventory.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace gpuctl {
namespace {

/// A function on its way between drivers makes dozens of events, and who has moved it reads it at the end.
constexpr std::chrono::milliseconds transition_pause{100};

/// A connector's event comes before the compositor lights the screen, and lighting it has none.
constexpr std::chrono::seconds until_lit{2};

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
                     std::function<Lookups()> lookups, const std::vector<PciAddress>& in_transition)
    : root_(root),
      loop_(loop),
      lookups_(std::move(lookups)),
      in_transition_(in_transition.begin(), in_transition.end()) {
  // listen first, so that what changes during the first read is read again
  events.on_event([this](const DeviceEvent& event) { on_event(event); });
  snapshot_ = rescan_all(root_, lookups_(), {}, scope({}));
}

/// Module parameters of vfio are host facts; other modules change what is bound, which has events of its own.
void Inventory::on_event(const DeviceEvent& event) {
  if (event.action == "overflow") all_due_ = true;
  if (event.subsystem == "iommu" || (event.subsystem == "module" && event.name == "vfio")) host_due_ = true;
  const auto address = function_on(event.path);
  if (address) functions_due_.insert(*address);
  if (address && event.subsystem == "drm" && event.action == "change") look_again_later(*address);
  const bool can_wait = !address || in_transition_.contains(*address);
  if (all_due_ || host_due_ || !can_wait) return read_due_later();
  if (address && !read_scheduled_ && !pause_)
    pause_ = loop_.after(transition_pause, [this] { read_due_later(); });
}

void Inventory::look_again_later(PciAddress address) {
  lit_later_.insert(address);
  second_look_ = loop_.after(until_lit, [this] {
    functions_due_.merge(lit_later_);
    lit_later_.clear();
    read_due_later();
  });
}

void Inventory::read_due_later() {
  if (std::exchange(read_scheduled_, true)) return;
  loop_.defer([this] { read_due(); });
}

void Inventory::read_due() {
  read_scheduled_ = false;
  pause_.reset();
  auto due = scope(std::exchange(functions_due_, {}));
  due.host_facts = std::exchange(host_due_, false);
  replace(std::exchange(all_due_, false) ? rescan_all(root_, lookups_(), snapshot_, due)
                                         : rescan(root_, lookups_(), snapshot_, due));
}

ScanScope Inventory::scope(std::set<PciAddress> functions) const {
  return {.functions = std::move(functions), .in_transition = {in_transition_.begin(), in_transition_.end()}};
}

void Inventory::refresh(const std::set<PciAddress>& functions) {
  for (const auto address : functions) functions_due_.erase(address);
  replace(rescan(root_, lookups_(), snapshot_, scope(functions)));
}

void Inventory::refresh_all() { replace(rescan_all(root_, lookups_(), snapshot_, scope({}))); }

void Inventory::begin_transition(const std::vector<PciAddress>& functions) {
  in_transition_.insert(functions.begin(), functions.end());
}

void Inventory::end_transition(const std::vector<PciAddress>& functions) {
  if (functions.empty()) return;
  for (const auto address : functions)
    if (const auto one = in_transition_.find(address); one != in_transition_.end()) in_transition_.erase(one);
  refresh({functions.begin(), functions.end()});
}

void Inventory::replace(Snapshot next) {
  if (next == snapshot_) return;
  const auto before = std::exchange(snapshot_, std::move(next));
  for (const auto& observer : observers_) observer(before, snapshot_);
}

}  // namespace gpuctl
