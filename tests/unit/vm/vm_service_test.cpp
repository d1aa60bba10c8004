// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "unit/vm/service_lab.hpp"
#include "vm/load_hypervisor.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using Lab = ServiceLab;

TEST_CASE("options are refused by name") {
  CHECK_THROWS_WITH(
      parse_setup_options({{"colour", true}}),
      "unknown option colour; known here: interactive, gpu, dry-run, looking-glass, transport, rom, battery");
  CHECK_THROWS_WITH(parse_setup_options({{"battery", "yes"s}}), "The option battery is of the wrong type.");
  for (const auto& [key, value] :
       Options{{"looking-glass", "big"s}, {"transport", "pigeon"s}, {"rom", true}, {"dry-run", ""s}})
    CHECK(error_of([&, k = key, v = value] {
            parse_setup_options({{k, v}});
          }) == ErrorCode::invalid_argument);
  const auto request =
      parse_setup_options({{"interactive", true}, {"gpu", "01:00"s}, {"transport", "kvmfr"s}});
  CHECK(request.transport == PictureTransport::kvmfr);
}

TEST_CASE("VMs are listed with the GPUs in their definitions, and judged only if they have any") {
  Lab lab;
  lab.libvirt.add(domain_file("two-gpus"), true);
  Vm broken{"odd", "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b99", VmState::shut_off, true, "<domain", ""};
  lab.libvirt.domains[broken.uuid] = broken;
  const auto vms = lab.service.list(lab.snapshot);
  REQUIRE(vms.size() == 3);
  const auto by_name = [&](const char* name) { return *std::ranges::find(vms, name, &VmEntry::name); };
  CHECK(by_name("win11").problems.empty());
  CHECK(by_name("render").gpus == std::vector{gpu.front()});
  CHECK(by_name("render").state == VmState::running);
  CHECK_FALSE(by_name("render").problems.empty());
  CHECK(by_name("odd").problems.at(0).id == "vm-unreadable");
}

TEST_CASE("checking a VM names the others that want its GPU") {
  Lab lab;
  lab.libvirt.add(domain_file("two-gpus"), true);
  const auto problems = lab.service.check("win11", lab.snapshot, lab.snapshot.gpus.begin()->second, {});
  CHECK(std::ranges::count(problems, "gpu-in-running-vm", &Problem::id) == 1);
  CHECK(error_of([&] { lab.service.check("nonesuch", lab.snapshot, {}, {}); }) == ErrorCode::vm_not_found);
}

TEST_CASE("a VM without a GPU is checked for the only one, another for its own") {
  Lab lab;
  const auto only = lab.snapshot.gpus.begin()->first;
  const auto told = [&](const char* vm, std::optional<PciSlot> otherwise) {
    return std::ranges::count(lab.service.check(vm, lab.snapshot, {}, otherwise), "gpu-in-running-vm",
                              &Problem::id);
  };
  lab.libvirt.add(domain_file("two-gpus"), true);
  CHECK(told("win11", {}) == 0);
  CHECK(told("win11", only) == 1);
  CHECK(told("render", only) == 0);
}

TEST_CASE("checking a VM tells that it was saved while it ran") {
  Lab lab;
  const auto told = [&] {
    return std::ranges::count(lab.service.check("win11", lab.snapshot, {}, {}), "vm-managed-save",
                              &Problem::id);
  };
  CHECK(told() == 0);
  lab.vm.managed_save = true;
  CHECK(told() == 1);
}

TEST_CASE("Looking Glass without the name of a VM is that of the VMs that have it, each finding once") {
  Lab lab;
  const auto ids = [&](const std::string& name) {
    std::vector<std::string> found;
    for (const auto& problem : lab.service.check_looking_glass(name, 1000))
      if (problem.severity != Severity::info) found.push_back(problem.id + " " + problem.subject);
    return found;
  };
  CHECK(ids("") == std::vector{"looking-glass-none libvirt"s});
  CHECK(ids("win11") == std::vector{"looking-glass-none win11"s});
  lab.etc_is_writable = false;
  lab.setup({{"looking-glass", "1920x1080"s}});
  const auto of_win11 = ids("win11");
  CHECK(std::ranges::count(of_win11, "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
  CHECK(ids("") == of_win11);
  auto twin = lab.vm.inactive_xml;
  for (const auto& [from, to] : {std::pair{"<name>win11</name>"s, "<name>twin</name>"s},
                                 {"<uuid>" + lab.vm.uuid.substr(0, 8), "<uuid>12345678"s}})
    twin.replace(twin.find(from), from.size(), to);
  lab.libvirt.add(twin);
  CHECK(std::ranges::count(ids(""), "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
  lab.libvirt.domains["broken"] = {"broken", "broken", VmState::shut_off, true, "no definition at all", ""};
  CHECK(std::ranges::count(ids(""), "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
}

TEST_CASE("real definitions are set up and undone through libvirt itself") {
  FakeMachine machine;
  const RootDir root{machine.root()};
  const auto libvirt = load_hypervisor({.uri = "test:///default", .module = GPUCTL_LIBVIRT_MODULE_BUILT});
  VmService service{*libvirt,
                    root,
                    {.state = machine.root() / "state",
                     .locks = machine.root() / "run/vm",
                     .battery_table = "/b.aml",
                     .install_tmpfiles = [&](const std::optional<std::string>& text) {
                       machine.file("etc/tmpfiles.d/10-looking-glass.conf", text.value_or(""));
                     }}};
  const auto snapshot = one_card();
  for (const auto* name : domain_files) {
    CAPTURE(name);
    auto xml = domain_file(name);
    libvirt->define(xml.replace(xml.find("kvm"), 3, "test"));
    const auto uuid = xml.substr(xml.find("<uuid>") + 6, 36);
    const auto before = libvirt->vm(uuid).inactive_xml;
    CHECK_FALSE(
        service.setup(uuid, parse_setup_options({{"looking-glass", "2560x1440@hdr"s}}), snapshot, 1000)
            .empty());
    CHECK(domain_facts(libvirt->vm(uuid).inactive_xml).shared_memory.at(0).bytes == 128 << 20);
    CHECK(service.setup(uuid, parse_setup_options({{"looking-glass", "2560x1440@hdr"s}}), snapshot, 1000)
              .empty());
    service.undo(uuid, false, snapshot);
    if (own_functions(before).empty()) CHECK(libvirt->vm(uuid).inactive_xml == before);
  }
}
