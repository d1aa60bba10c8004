// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/survey.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "operations/assignments.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "rebind/saved_bindings.hpp"
#include "support/fake_hypervisor.hpp"
#include "support/machines.hpp"
#include "support/module_index.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress display{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};
const PciAddress neighbour{0, 4, 0, 0};

/// A VM that runs, and only at its next start has the neighbour as well.
class NeighbourComesNext : public FakeHypervisor {
 public:
  NeighbourComesNext() {
    auto& vm = add(q35(""), true);
    vm.inactive_xml =
        q35("<hostdev mode='subsystem' type='pci' managed='yes'><source>"
            "<address domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></source></hostdev>");
  }
};

/// One of its VMs is starting: it tells of no list until that is over.
class SilentAboutOthers : public FakeHypervisor {
 public:
  SilentAboutOthers() { add(q35("")); }
  std::vector<Vm> vms() override { throw Error(ErrorCode::libvirt_unavailable, "it has not answered"); }
};

/// The laptop as workers see it.
struct Laptop {
  FakeMachine machine;
  RootDir root{(reference_laptop(machine), machine.root())};
  Platform platform{.root = machine.root(),
                    .modules_dir = machine.root() / "lib/modules",
                    .runtime_dir = machine.root() / "run/gpuctl",
                    .state_dir = machine.root() / "var/lib/gpuctl",
                    .config = {},
                    .pci_control = {},
                    .systemd_control = {},
                    .hypervisor = {}};

  Laptop() { machine.file("proc/sys/kernel/random/boot_id", "6f1f2d6e-0000-4000-8000-000000000001\n"); }
  /// With the modules that its aliases would name.
  Snapshot snapshot() const {
    Snapshot now;
    for (const auto address : {display, audio})
      if (auto f = read_function(root, address); f.present) now.functions[address] = std::move(f);
    Gpu gpu{display, {}};
    for (auto& [address, f] : now.functions) {
      f.modules = {address == display ? "nvidia" : "snd_hda_intel"};
      gpu.functions.push_back(address);
    }
    now.gpus[display.slot()] = gpu;
    return now;
  }
  /// With a device of the host's in the GPU's group.
  Snapshot with_neighbour() const {
    auto now = snapshot();
    auto& function = now.functions[neighbour];
    function.address = neighbour;
    function.driver = "e1000e";
    now.functions[display].iommu_group = 15;
    now.groups[15] = {.number = 15, .functions = {display, audio, neighbour}};
    return now;
  }
  Prepared look(Verb verb, Revival revival = Revival::none) const {
    Request request{.verb = verb, .gpu = display.str(), .vm = ""};
    request.revival = revival;
    return prepare(request, snapshot(), platform);
  }
  Binding home_of_attach() const { return look(Verb::attach).transaction.home; }
  void save(const Binding& home) const {
    StateDir dir(platform.runtime_dir / "bindings");
    SavedBindings(dir, boot_id(root)).save(home);
  }
};

}  // namespace

TEST_CASE(
    "a function without a driver is to have none again, and its override again, when the GPU comes back") {
  Laptop laptop;
  laptop.machine.unbind("0000:01:00.1").set("0000:01:00.1", "driver_override", "none");
  auto home = laptop.home_of_attach();
  REQUIRE(home.functions.size() == 2);
  CHECK(home.functions[0].driver == "nvidia");
  CHECK(home.functions[1].driver.empty());
  CHECK(home.functions[1].driver_override == "none");
  laptop.machine.bind("0000:01:00.1", "snd_hda_intel").unbind("0000:01:00.0");
  home = laptop.home_of_attach();
  CHECK(home.functions[0].driver.empty());
  CHECK(home.functions[1].driver == "snd_hda_intel");
  laptop.machine.unbind("0000:01:00.1");
  CHECK(laptop.home_of_attach().functions[1].driver.empty());
}

TEST_CASE("modules that went with the running kernel's package are told before anything is moved") {
  Laptop laptop;
  laptop.machine.erase("sys/bus/pci/drivers/vfio-pci").erase("sys/module/vfio_pci");
  const auto blockers = [&] {
    const auto found = laptop.look(Verb::attach).survey.problems;
    return std::ranges::count(found, "kernel-modules-gone", &Problem::id);
  };
  CHECK(blockers() == 1);
  laptop.machine.file("lib/modules/modules.alias", "");
  CHECK(blockers() == 0);
}

TEST_CASE("an attach takes no GPU that is divided into mediated devices") {
  Laptop laptop;
  CHECK(std::ranges::count(laptop.look(Verb::attach).survey.problems, "mediated-devices", &Problem::id) == 0);
  laptop.machine.file(
      laptop.machine.directory("0000:01:00.0") + "/5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab/uevent", "");
  const auto problems = laptop.look(Verb::attach).survey.problems;
  CHECK(std::ranges::count(problems, "mediated-devices", &Problem::id) == 1);
}

TEST_CASE("what only the next start of a VM takes along is in the way while it runs") {
  Laptop laptop;
  laptop.platform.hypervisor = [] { return std::make_unique<NeighbourComesNext>(); };
  for (const bool live : {false, true}) {
    const Request request{.verb = Verb::attach, .gpu = display.str(), .vm = "vm", .live = live};
    const auto found = prepare(request, laptop.with_neighbour(), laptop.platform).survey.problems;
    const auto foreign = std::ranges::find(found, "foreign-in-group", &Problem::id);
    REQUIRE(foreign != found.end());
    CHECK(foreign->severity == (live ? Severity::blocker : Severity::info));
  }
}

TEST_CASE("a VM that starts keeps no GPU from another one") {
  Laptop laptop;
  laptop.platform.hypervisor = [] { return std::make_unique<SilentAboutOthers>(); };
  const auto vm = SilentAboutOthers{}.domains.begin()->second;
  const Request request{.verb = Verb::attach, .gpu = display.str(), .vm = vm.name};
  const auto problems = [&] { return prepare(request, laptop.snapshot(), laptop.platform).survey.problems; };
  const auto told = [&](const char* id) { return std::ranges::count(problems(), id, &Problem::id); };
  CHECK(told("vms-not-told") == 1);
  CHECK(told("gpu-assigned") == 0);
  StateDir dir(laptop.platform.state_dir / "assignments");
  Assignments(dir).save({display.slot(), {display, audio}, "another", "another"});
  CHECK(told("gpu-assigned") == 1);
}

TEST_CASE("what is on vfio already belongs where the record says") {
  Laptop laptop;
  auto recorded = laptop.home_of_attach();
  recorded.functions[0].driver = "nouveau";
  laptop.save(recorded);
  CHECK(laptop.home_of_attach().functions[0].driver == "nvidia");
  laptop.machine.bind("0000:01:00.0", "vfio-pci");
  CHECK(laptop.home_of_attach().functions[0].driver == "nouveau");
}

TEST_CASE("what an operation has left without any driver belongs where the record says") {
  Laptop laptop;
  laptop.save(laptop.home_of_attach());
  laptop.machine.unbind("0000:01:00.0").unbind("0000:01:00.1");
  CHECK(laptop.home_of_attach().functions[0].driver == "nvidia");
}

TEST_CASE("a companion that has left the bus blocks no release, and a rescan looks for it") {
  Laptop laptop;
  laptop.save(laptop.home_of_attach());
  laptop.machine.bind("0000:01:00.0", "vfio-pci").unplug("0000:01:00.1");
  for (const auto how : {Revival::none, Revival::rescan}) {
    const auto prepared = laptop.look(Verb::release, how);
    const auto& problems = prepared.survey.problems;
    const auto gone = std::ranges::find(problems, "device-gone", &Problem::id);
    REQUIRE(gone != problems.end());
    CHECK(gone->severity == Severity::warning);
    CHECK(gone->subject == "0000:01:00.1");
    const auto binds = [](const Step& s) { return s.kind == StepKind::bind && s.subject == "0000:01:00.1"; };
    CHECK(std::ranges::any_of(prepared.survey.plan, binds) == (how == Revival::rescan));
  }
}

TEST_CASE("a service that had to let go of one GPU of a driver is kept from the next one too") {
  Laptop laptop;
  auto other = laptop.home_of_attach();
  other.gpu = PciAddress{0, 0x41, 0, 0};
  for (auto& function : other.functions) function.address.bus = 0x41;
  other.stopped_units = {"nvidia-dcgm.service"};
  const auto units = [&](StepKind kind) {
    Plan found;
    for (const auto& step : laptop.look(Verb::attach).survey.plan)
      if (step.kind == kind) found.push_back(step);
    return found;
  };
  SUBCASE("of the same driver") {
    laptop.save(other);
    CHECK(units(StepKind::stop_unit).empty());  // nobody has started it again
    SUBCASE("it runs for others") {
      laptop.machine.function("0000:42:00.0", {.id = laptop_gpu_id, .driver = "nvidia"});
      laptop.machine.file("sys/fs/cgroup/system.slice/nvidia-dcgm.service/cgroup.events",
                          "populated 1\nfrozen 0\n");
    }
    SUBCASE("it may be started again in this moment") {
      laptop.machine.file("run/gpuctl/journal/0000:41:00", "");
    }
    CHECK(units(StepKind::stop_unit) == Plan{{StepKind::stop_unit, "nvidia-dcgm.service", "nvidia", ""}});
    CHECK(units(StepKind::start_unit) ==
          Plan{{StepKind::start_unit, "nvidia-dcgm.service", for_others, "nvidia"}});
    CHECK(laptop.home_of_attach().stopped_units == other.stopped_units);
    laptop.platform.config.quiesce.stop_units = {"another.service"};
    CHECK(units(StepKind::stop_unit).empty());
  }
  SUBCASE("of another driver") {
    other.functions[0].driver = "amdgpu";
    laptop.machine.file("sys/fs/cgroup/system.slice/nvidia-dcgm.service/cgroup.events",
                        "populated 1\nfrozen 0\n");
    laptop.save(other);
    CHECK(units(StepKind::stop_unit).empty());
  }
}

TEST_CASE("a GPU goes home to the driver that is installed today") {
  Laptop laptop;
  laptop.machine.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci");
  write_module_aliases(laptop.platform.modules_dir, {{"pci:v000010DEd*sv*sd*bc03sc*i*", "installed_today"}});
  const auto home = laptop.look(Verb::release).transaction.home;
  CHECK(home.functions[0].driver == "installed_today");
  CHECK(home.functions[1].driver == "snd_hda_intel");
}

TEST_CASE("a GPU that was on vfio since boot goes home to no driver whose parameters forbid it") {
  Laptop laptop;
  laptop.machine.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci");
  const std::string alias = "pci:v000010DEd*sv*sd*bc03sc*i*";
  write_module_aliases(laptop.platform.modules_dir, {{alias, "i915"}, {alias, "xe"}});
  const auto driver = [&] { return laptop.look(Verb::release).transaction.home.functions[0].driver; };
  CHECK(driver() == "i915");
  laptop.machine.file("sys/module/i915/parameters/force_probe", "!25a0\n");
  CHECK(driver() == "xe");
}

TEST_CASE("a GPU that a VM takes at boot, before udev has loaded its driver, goes home to that") {
  Laptop laptop;
  laptop.machine.unbind("0000:01:00.0").erase("sys/bus/pci/drivers/nvidia");
  const auto driver = [&] { return laptop.home_of_attach().functions[0].driver; };
  CHECK(driver().empty());
  laptop.machine.file("run/udev/queue", "").file("proc/uptime", "20.5 31.0\n");
  CHECK(driver() == "nvidia");
  CHECK(laptop.home_of_attach().functions[1].driver == "snd_hda_intel");
  SUBCASE("not where modprobe.d keeps that away") {
    laptop.machine.file("etc/modprobe.d/no.conf", "blacklist nvidia\n");
  }
  SUBCASE("not where the driver is there, and has not taken it") {
    laptop.machine.file("sys/bus/pci/drivers/nvidia/bind", "");
  }
  SUBCASE("not where an override keeps it from that") {
    laptop.machine.set("0000:01:00.0", "driver_override", "none\n");
  }
  SUBCASE("not long after the boot") { laptop.machine.file("proc/uptime", "5000.5 31.0\n"); }
  CHECK(driver().empty());
}

TEST_CASE(
    "a GPU that was on vfio since boot gets the parts of its driver that udev loads for added devices only") {
  Laptop laptop;
  laptop.machine.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci");
  laptop.machine.erase("sys/module/nvidia_drm");
  const std::string alias = "pci:v000010DEd*sv*sd*bc03sc*i*";
  write_module_aliases(laptop.platform.modules_dir, {{alias, "nvidia_drm"}, {alias, "nvidia"}});
  const auto modules = [&] { return laptop.look(Verb::release).transaction.home.unloaded_modules; };
  CHECK(modules() == std::vector<std::string>{"nvidia_drm"});
  const auto plan = laptop.look(Verb::release).survey.plan;
  const auto load = std::ranges::find_if(plan, [](const Step& step) { return step.subject == "nvidia_drm"; });
  REQUIRE(load != plan.end());
  CHECK(std::find_if(load, plan.end(), [](const Step& step) { return step.kind == StepKind::bind; }) ==
        plan.end());
  SUBCASE("not where it is loaded") { laptop.machine.file("sys/module/nvidia_drm/refcnt", "0"); }
  SUBCASE("not what modprobe.d keeps away") {
    laptop.machine.file("etc/modprobe.d/no.conf", "blacklist nvidia_drm\n");
  }
  SUBCASE("not for a GPU that is at home") { laptop.machine.bind("0000:01:00.0", "nvidia"); }
  CHECK(modules().empty());
}
