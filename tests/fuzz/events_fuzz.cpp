// SPDX-License-Identifier: GPL-2.0-or-later
// Device events that say anything, while drivers come and go: "action|subsystem|name|path" a line; the line's
// first byte also chooses what really happens. Whatever was told, the inventory must then be what a fresh
// read finds.
#include <array>
#include <cstdlib>
#include <sstream>

#include "fuzz/fuzz.hpp"
#include "fuzz/memory_tree.hpp"
#include "inventory/inventory.hpp"
#include "support/machines.hpp"

using namespace gpuctl;

namespace {

constexpr std::array functions{"0000:01:00.0", "0000:01:00.1"};

class Events : public DeviceEvents {
 public:
  void on_event(std::function<void(const DeviceEvent&)> handler) override { handler_ = std::move(handler); }
  void tell(const DeviceEvent& event) const { handler_(event); }

 private:
  std::function<void(const DeviceEvent&)> handler_;
};

DeviceEvent event_of(const std::string& line) {
  std::istringstream parts{line};
  DeviceEvent event;
  for (auto* part : {&event.action, &event.subsystem, &event.name, &event.path})
    std::getline(parts, *part, '|');
  return event;
}

/// The reference laptop's GPU and nothing else, so that much happens in a second. Built once: what happened
/// to it is taken back after each input.
class Laptop {
 public:
  Laptop() : directories_(built(machine_)), tree_(machine_.root()) {
    for (const auto& directory : directories_) uevents_.push_back(tree_.contents(directory + "/uevent"));
  }
  RootDir root() const { return RootDir{machine_.root()}; }
  const std::vector<std::string>& directories() const { return directories_; }
  void restore() { tree_.reset(); }

  void happen(unsigned char what) {
    const auto which = what % 2U;
    const auto& directory = directories_[which];
    switch (what / 2U % 5U) {
      case 0:
        return plug(which);
      case 1:
        return bind(which, "vfio-pci");
      case 2:
        tree_.set(directory + "/driver", std::nullopt);
        return tree_.set(directory + "/uevent", ids(which));
      case 3:  // as while remove() hangs: DRIVER= is still there
        return tree_.set(directory + "/driver", std::nullopt);
      default:
        tree_.set(directory + "/driver_override", what % 3U == 0 ? "vfio-pci\n" : "(null)\n");
    }
  }

 private:
  static std::vector<std::string> built(test::FakeMachine& machine) {
    machine.bridge("0000:00:10.0")
        .gpu(functions[0], {.id = test::laptop_gpu_id, .driver = "nvidia"})
        .companion(functions[1], "snd_hda_intel", {.id = test::laptop_audio_id})
        .group(14, {"0000:00:10.0"})
        .group(15, {functions[0], functions[1]})
        .drm(functions[0], 1, 129);
    return {machine.directory(functions[0]), machine.directory(functions[1])};
  }

  std::string ids(unsigned which) const {
    const auto& uevent = uevents_[which];
    return uevent.starts_with("DRIVER=") ? uevent.substr(uevent.find('\n') + 1) : uevent;
  }

  void bind(unsigned which, const std::string& driver) {
    tree_.set(directories_[which] + "/driver", ">../../../../bus/pci/drivers/" + driver);
    tree_.set(directories_[which] + "/uevent", "DRIVER=" + driver + "\n" + ids(which));
  }

  void plug(unsigned which) {
    for (const auto& path : {directories_[which], std::string{"sys/bus/pci/devices/"} + functions[which]})
      tree_.toggle(path);
  }

  test::FakeMachine machine_;
  std::vector<std::string> directories_, uevents_;
  fuzz::MemoryTree tree_;
};

/// What is read now. The override of a function whose driver hangs in remove() cannot be, and that of one
/// that stays with VFIO is not: they are as they were known.
Snapshot fresh(const RootDir& root, const Snapshot& known) {
  auto now = scan(root, Lookups{});
  for (auto& [address, function] : now.functions) {
    const bool hangs = function.driver.empty() && !function.uevent_driver.empty();
    const auto* before = known.find(address);
    if (before == nullptr) continue;
    const bool stays = function.vfio && before->vfio && before->driver_override == function.driver;
    if (hangs || stays) function.driver_override = before->driver_override;
  }
  return now;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Laptop laptop;
  static EventLoop loop;
  const auto root = laptop.root();
  Events events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  std::istringstream lines{std::string(data, data + size)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line) && number < 12; ++number) {
    if (!line.empty()) laptop.happen(static_cast<unsigned char>(line[0]));
    events.tell(event_of(line));
    if (number % 3 == 0) loop.run_once(std::chrono::milliseconds{0});
  }
  for (const auto& directory : laptop.directories()) events.tell({"change", "pci", "", directory.substr(3)});
  loop.run_once(std::chrono::milliseconds{0});  // nothing is left for the next input
  if (inventory.snapshot() != fresh(root, inventory.snapshot())) std::abort();
  laptop.restore();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  const std::string path = "/devices/pci0000:00/0000:00:10.0/0000:01:00.";
  return {"unbind|pci|0000:01:00.1|" + path + "1\nbind|pci|0000:01:00.1|" + path + "1\n",
          "remove|pci|0000:01:00.0|" + path + "0\nadd|drm|card1|" + path + "0/drm/card1\n",
          "overflow|||\nadd|module|vfio|/module/vfio\nadd|iommu|dmar0|/devices/virtual/iommu/dmar0\n"};
}
