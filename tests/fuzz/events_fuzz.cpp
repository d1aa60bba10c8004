// SPDX-License-Identifier: GPL-2.0-or-later
// Device events that say anything, while drivers come and go: "action|subsystem|name|path" a line; the line's
// first byte also chooses what really happens. Whatever was told, the inventory must then be what a fresh
// read finds.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "fuzz/fuzz.hpp"
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

/// The reference laptop, built once: what happened to it is taken back after each input.
class Laptop {
 public:
  Laptop() {
    test::reference_laptop(machine_);
    for (const auto* function : functions) directories_.push_back(machine_.directory(function));
  }
  const std::filesystem::path& root() const { return machine_.root(); }
  const std::vector<std::string>& directories() const { return directories_; }

  void happen(unsigned char what) {
    const auto which = what % 2U;
    if (what / 2U % 5U == 0) return plug(which, !present_[which]);
    if (!present_[which]) return;
    switch (what / 2U % 5U) {
      case 1:
        machine_.bind(functions[which], "vfio-pci");
        break;
      case 2:
        machine_.unbind(functions[which]);
        break;
      case 3:
        machine_.begin_unbind(functions[which]);
        break;
      default:
        machine_.set(functions[which], "driver_override", what % 3U == 0 ? "vfio-pci" : "(null)");
    }
  }

  void restore() {
    for (const auto which : {0U, 1U}) {
      plug(which, true);
      machine_.bind(functions[which], which == 0 ? "nvidia" : "snd_hda_intel");
      machine_.set(functions[which], "driver_override", "(null)");
    }
  }

 private:
  void plug(unsigned which, bool in) {
    if (std::exchange(present_[which], in) == in) return;
    for (const auto& path : {directories_[which], std::string{"sys/bus/pci/devices/"} + functions[which]}) {
      const auto here = root() / path;
      const auto away = root() / ("away-" + std::to_string(which) + here.parent_path().filename().string());
      in ? std::filesystem::rename(away, here) : std::filesystem::rename(here, away);
    }
  }

  test::FakeMachine machine_;
  std::vector<std::string> directories_;
  std::array<bool, 2> present_{true, true};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Laptop laptop;
  const RootDir root{laptop.root()};
  EventLoop loop;
  Events events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  std::istringstream lines{std::string(data, data + size)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line) && number < 32; ++number) {
    if (!line.empty()) laptop.happen(static_cast<unsigned char>(line[0]));
    events.tell(event_of(line));
    if (number % 3 == 0) loop.run_once(std::chrono::milliseconds{0});
  }
  for (const auto& directory : laptop.directories()) events.tell({"change", "pci", "", directory.substr(3)});
  loop.run_once(std::chrono::milliseconds{0});
  if (inventory.snapshot() != scan(root, Lookups{})) std::abort();
  laptop.restore();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  const std::string path = "/devices/pci0000:00/0000:00:10.0/0000:01:00.";
  return {"unbind|pci|0000:01:00.1|" + path + "1\nbind|pci|0000:01:00.1|" + path + "1\n",
          "remove|pci|0000:01:00.0|" + path + "0\nadd|drm|card1|" + path + "0/drm/card1\n",
          "overflow|||\nadd|module|vfio|/module/vfio\nadd|iommu|dmar0|/devices/virtual/iommu/dmar0\n"};
}
