// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/inventory.hpp"

#include <doctest/doctest.h>

#include <chrono>

#include <fmt/format.h>

#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

class FakeDeviceEvents : public DeviceEvents {
 public:
  void on_event(std::function<void(const DeviceEvent&)> handler) override { handler_ = std::move(handler); }
  void tell(const DeviceEvent& event) { handler_(event); }

 private:
  std::function<void(const DeviceEvent&)> handler_;
};

/// An inventory of the reference laptop, and what it told its observer.
struct Fixture {
  FakeMachine machine;
  EventLoop loop;
  FakeDeviceEvents events;
  bool ready{(reference_laptop(machine), true)};
  RootDir root{machine.root()};
  int lookups{};
  int host_reads{};
  Inventory inventory{
      root, events, loop, [this] {
        return Lookups{.names = [this](const PciIdentity&) { return ++lookups, PciNames{}; },
                       .host = [this](const RootDir&) { return ++host_reads, HostState{.iommu = "intel"}; }};
      }};
  std::vector<Snapshot> before, after;

  Fixture() {
    inventory.on_change([this](const Snapshot& old, const Snapshot& now) {
      before.push_back(old);
      after.push_back(now);
    });
  }
  void tell(const std::string& action, const std::string& address) {
    const auto path = action == "remove" ? "/devices/pci0000:00/0000:00:10.0/" + address
                                         : "/" + machine.directory(address).substr(4);
    events.tell({action, "pci", address, path});
  }
  void settle() { loop.run_once(std::chrono::milliseconds{0}); }
};

const PciAddress gpu{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a burst of events is one read and one change") {
  machine.bind("0000:01:00.1", "vfio-pci").bind("0000:01:00.0", "vfio-pci");
  for (const auto* action : {"unbind", "bind"})
    for (const auto* address : {"0000:01:00.1", "0000:01:00.0"}) tell(action, address);
  CHECK(after.empty());
  settle();
  REQUIRE(after.size() == 1);
  CHECK(before.front().find(gpu)->driver == "nvidia");
  CHECK(after.front().find(gpu)->driver == "vfio-pci");
  CHECK(after.front().find(audio)->driver == "vfio-pci");
}

TEST_CASE_FIXTURE(Fixture, "an event after which nothing is different is no change") {
  tell("change", "0000:01:00.0");
  settle();
  CHECK(after.empty());
}

TEST_CASE_FIXTURE(
    Fixture, "only what an event names is read again, and a known card's names are not looked up again") {
  const auto lookups_before = lookups;
  machine.set("0000:02:00.0", "revision", "0x99\n").set("0000:01:00.0", "power/control", "on\n");
  tell("change", "0000:01:00.1");
  settle();
  CHECK(inventory.snapshot().find(gpu)->power_control == "on");
  CHECK(inventory.snapshot().find({0, 2, 0, 0})->revision == 0x15);
  CHECK(lookups == lookups_before);
  CHECK(host_reads == 1);
}

TEST_CASE_FIXTURE(Fixture, "events on DRM cards and sound cards concern the function they belong to") {
  machine.connector("0000:01:00.0", 1, "HDMI-A-1", true, true);
  events.tell({"change", "drm", "card1", "/" + machine.directory("0000:01:00.0").substr(4) + "/drm/card1"});
  settle();
  CHECK(inventory.snapshot().find(gpu)->connectors.front().enabled);
}

TEST_CASE_FIXTURE(Fixture, "a screen that is lit only after the event of its connector is seen") {
  const auto card = "/" + machine.directory("0000:01:00.0").substr(4) + "/drm/card1";
  events.tell({"change", "drm", "card1", card});
  settle();
  CHECK(after.empty());
  machine.connector("0000:01:00.0", 1, "HDMI-A-1", true, true);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (after.empty() && std::chrono::steady_clock::now() < deadline)
    loop.run_once(std::chrono::milliseconds{100});
  CHECK(after.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a card that is unplugged leaves, one that is plugged in comes") {
  machine.unplug("0000:01:00.1").unplug("0000:01:00.0");
  tell("remove", "0000:01:00.1");
  tell("remove", "0000:01:00.0");
  settle();
  CHECK(inventory.snapshot().gpus.size() == 1);
  machine.gpu("0000:01:00.0", {.id = laptop_gpu_id, .parent = "0000:00:10.0"}).group(15, {"0000:01:00.0"});
  tell("add", "0000:01:00.0");
  settle();
  CHECK(inventory.snapshot().gpus.size() == 2);
  CHECK(inventory.snapshot() == scan(root, {.names = {}, .modules = {}, .host = [](const RootDir&) {
                                              return HostState{.iommu = "intel"};
                                            }}));
}

TEST_CASE_FIXTURE(Fixture, "after lost events everything is read again") {
  machine.bind("0000:02:00.0", "vfio-pci");
  events.tell({"overflow", "", "", ""});
  settle();
  CHECK(inventory.snapshot().find({0, 2, 0, 0})->vfio);
  CHECK(host_reads == 2);
}

TEST_CASE_FIXTURE(Fixture, "loading vfio reads the host's facts again, other modules concern nobody") {
  events.tell({"add", "module", "snd_hda_codec", "/module/snd_hda_codec"});
  settle();
  CHECK(host_reads == 1);
  events.tell({"add", "module", "vfio", "/module/vfio"});
  settle();
  CHECK(host_reads == 2);
}

TEST_CASE_FIXTURE(Fixture, "a refresh on demand is seen at once") {
  machine.bind("0000:01:00.0", "vfio-pci");
  inventory.refresh(gpu);
  CHECK(inventory.snapshot().find(gpu)->vfio);
  CHECK(after.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "how many virtual functions there are waits for a driver too") {
  machine.set("0000:01:00.0", "sriov_numvfs", "2\n");
  inventory.refresh(gpu);
  inventory.begin_transition({gpu});
  machine.set("0000:01:00.0", "sriov_numvfs", "0\n").begin_unbind("0000:01:00.0");
  inventory.refresh(gpu);
  CHECK(inventory.snapshot().find(gpu)->virtual_functions == 2);
  inventory.end_transition({gpu});  // its remove() still runs
  CHECK(inventory.snapshot().find(gpu)->virtual_functions == 2);
  machine.unbind("0000:01:00.0");
  inventory.refresh(gpu);
  CHECK(inventory.snapshot().find(gpu)->virtual_functions == 0);
}

TEST_CASE_FIXTURE(Fixture, "in transition nothing is read that waits; when it ends everything is") {
  inventory.begin_transition({gpu, audio});
  inventory.begin_transition({gpu});
  machine.set("0000:01:00.0", "driver_override", "vfio-pci\n").bind("0000:01:00.0", "vfio-pci");
  inventory.refresh(gpu);
  CHECK(inventory.snapshot().find(gpu)->vfio);
  CHECK(inventory.snapshot().find(gpu)->driver_override.empty());
  inventory.end_transition({gpu, audio});
  CHECK(inventory.snapshot().find(gpu)->driver_override.empty());
  inventory.end_transition({gpu});
  CHECK(inventory.snapshot().find(gpu)->driver_override == "vfio-pci");
}

TEST_CASE_FIXTURE(Fixture, "the events of a function in transition are gathered, those of others are not") {
  inventory.begin_transition({gpu, audio});
  machine.bind("0000:01:00.1", "vfio-pci");
  for (const auto* action : {"unbind", "bind"}) {
    tell(action, "0000:01:00.1");
    settle();
  }
  CHECK(after.empty());
  machine.bind("0000:02:00.0", "vfio-pci");
  tell("bind", "0000:02:00.0");
  settle();
  CHECK(inventory.snapshot().find({0, 2, 0, 0})->vfio);
  machine.bind("0000:01:00.0", "vfio-pci");
  tell("bind", "0000:01:00.0");
  while (!inventory.snapshot().find(gpu)->vfio) loop.run_once(std::chrono::seconds{10});
  CHECK(inventory.snapshot().find(audio)->vfio);
}

TEST_CASE_FIXTURE(Fixture, "what the end of a transition has read is not read again for earlier events") {
  inventory.begin_transition({gpu});
  machine.bind("0000:01:00.0", "vfio-pci");
  tell("bind", "0000:01:00.0");
  inventory.end_transition({gpu});
  REQUIRE(after.size() == 1);
  machine.set("0000:01:00.0", "revision", "0x99\n");  // without an event: only a second read would show it
  loop.run_once(std::chrono::milliseconds{300});
  settle();
  CHECK(after.size() == 1);
}
