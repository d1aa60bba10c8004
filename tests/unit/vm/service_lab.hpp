// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <fstream>

#include "support/fake_hypervisor.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"
#include "unit/vm/error_of.hpp"
#include "vm/domain_xml.hpp"
#include "vm/vm_service.hpp"

namespace gpuctl::test {

namespace fs = std::filesystem;
using namespace std::string_literals;

inline const std::vector gpu{pci("0000:01:00.0"), pci("0000:01:00.1")};

inline Snapshot one_card() {
  Snapshot snapshot;
  for (const auto address : gpu) snapshot.functions[address].address = address;
  snapshot.gpus[gpu.front().slot()] = {gpu.front(), gpu};
  return snapshot;
}

/// A host with one card, and win11 in its libvirt.
struct ServiceLab {
  FakeMachine machine;
  RootDir root{machine.root()};
  FakeHypervisor libvirt;
  Vm& vm = libvirt.add(to_text(parse_domain(domain_file("windows11"))));
  Snapshot snapshot = one_card();
  std::optional<PciSlot> only_gpu = snapshot.gpus.begin()->first;
  std::string tmpfiles;  ///< as last installed
  bool etc_is_writable{true};
  std::vector<bool> rom_reads;  ///< was it a dry run?
  VmService service{libvirt,
                    root,
                    {.state = machine.root() / "state",
                     .locks = machine.root() / "run/vm",
                     .battery_table = "/b.aml",
                     .install_tmpfiles = [this](const std::optional<std::string>& text) { install(text); },
                     .rom_file =
                         [this](PciAddress function, bool dry_run) {
                           rom_reads.push_back(dry_run);
                           return "/rom/" + function.str();
                         }}};

  void install(const std::optional<std::string>& text) {
    if (!etc_is_writable) throw Error(ErrorCode::state_unwritable, "read-only");
    tmpfiles = text.value_or("removed");
    if (text) return has_tmpfiles(*text);
    fs::remove(machine.root() / "etc/tmpfiles.d/10-looking-glass.conf");
  }
  void has_tmpfiles(const std::string& text) { machine.file("etc/tmpfiles.d/10-looking-glass.conf", text); }
  std::string tmpfiles_now() const {
    return root.read("etc/tmpfiles.d/10-looking-glass.conf").value_or("none") + "\n";
  }

  std::string setup(const Options& options, unsigned uid = 1000) {
    auto request = parse_setup_options(options);
    request.only_gpu = only_gpu;
    return service.setup("win11", request, snapshot, uid);
  }
  bool kept() const { return fs::exists(machine.root() / "state/vm-undo" / (vm.uuid + ".xml")); }
};

using namespace std::string_literals;

}  // namespace gpuctl::test
