// SPDX-License-Identifier: GPL-2.0-or-later
// A whole machine whose /sys and /proc say anything: one change a line, of the display function, its audio
// function, their group, their neighbours and the host in turn. Its first byte chooses what changes; then '-'
// takes it away, '>' makes it a link, else it is contents.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "fuzz/fuzz.hpp"
#include "fuzz/memory_tree.hpp"
#include "host/host_state.hpp"
#include "inventory/isolation.hpp"
#include "inventory/scan.hpp"
#include "support/machines.hpp"

using namespace gpuctl;

namespace {

constexpr std::array of_function{"vendor",
                                 "device",
                                 "class",
                                 "subsystem_vendor",
                                 "subsystem_device",
                                 "revision",
                                 "config",
                                 "driver_override",
                                 "reset_method",
                                 "power_state",
                                 "uevent",
                                 "boot_vga",
                                 "d3cold_allowed",
                                 "power/control",
                                 "power/runtime_status",
                                 "sriov_numvfs",
                                 "modalias",
                                 "resource",
                                 "driver",
                                 "iommu_group",
                                 "physfn",
                                 "vfio-dev",
                                 "rom",
                                 "consumer:pci:0000:02:00.0",
                                 "supplier:pci:0000:ff:1f.7"};

constexpr std::array elsewhere{"sys/kernel/iommu_groups/15/type",
                               "sys/kernel/iommu_groups/15/name",
                               "sys/kernel/iommu_groups/15/reserved_regions",
                               "sys/kernel/iommu_groups/15",
                               "sys/bus/pci/devices/0000:00:10.0/uevent",
                               "sys/bus/pci/devices/0000:02:00.0/uevent",
                               "sys/bus/pci/devices/0000:02:00.0/iommu_group",
                               "sys/bus/pci/devices/0000:03:00.0",
                               "sys/bus/pci/devices/0000:01:00.7",
                               "sys/bus/pci/devices/0001:01:00.0",
                               "sys/bus/pci/devices/0000:01:00.0/drm/card1/card1-HDMI-A-1/status",
                               "sys/bus/pci/devices/0000:01:00.0/drm/card1/card1-HDMI-A-1/enabled",
                               "sys/class/iommu/dmar0",
                               "sys/class/iommu/ivhd0",
                               "proc/cpuinfo",
                               "proc/cmdline"};

std::string unescaped(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i)
    bytes += text[i] == '\\' && i + 1 < text.size() ? (++i, text[i] == 'n' ? '\n' : text[i]) : text[i];
  return bytes;
}

class Laptop {
 public:
  Laptop() : directories_(built(machine_)), tree_(machine_.root()) {}
  RootDir root() const { return RootDir{machine_.root()}; }
  void reset() { tree_.reset(); }

  void change(std::size_t number, const std::string& line) {
    if (line.empty()) return;
    const auto choice = static_cast<unsigned char>(line[0]);
    const auto path = number % 3 < 2
                          ? directories_[number % 3] + "/" + of_function[choice % of_function.size()]
                          : std::string{elsewhere[choice % elsewhere.size()]};
    const auto contents = unescaped(line.substr(1));
    tree_.set(path, contents == "-" ? std::nullopt : std::optional{contents});
  }

 private:
  static std::array<std::string, 2> built(test::FakeMachine& machine) {
    test::reference_laptop(machine);
    return {machine.directory("0000:01:00.0"), machine.directory("0000:01:00.1")};
  }
  test::FakeMachine machine_;
  std::array<std::string, 2> directories_;
  fuzz::MemoryTree tree_;
};

void check(const Snapshot& snapshot) {
  for (const auto& [slot, gpu] : snapshot.gpus) {
    if (gpu.functions.empty() || snapshot.find(gpu.address) == nullptr) std::abort();
    (void)attach_problems(gpu, snapshot);
  }
  for (const auto& [number, group] : snapshot.groups) (void)group_problems(group, snapshot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Laptop laptop;
  std::istringstream lines{std::string(data, data + size)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line) && number < 64; ++number) laptop.change(number, line);
  check(scan(laptop.root(), {.host = [](const RootDir& root) { return read_host_state(root); }}));
  laptop.reset();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  const auto line = [](const char* place, const auto& places, const std::string& text) {
    const auto at = std::ranges::find(places, std::string_view{place}) - places.begin();
    return std::string(1,
                       static_cast<char>(at + (at < 10 ? static_cast<std::ptrdiff_t>(places.size()) : 0))) +
           text + "\n";
  };
  std::vector<std::string> found{
      line("uevent", of_function,
           "DRIVER=nvidia\\nPCI_CLASS=30000\\nPCI_ID=10DE:25A0\\nPCI_SUBSYS_ID=1043:1CCC\\n") +
          line("driver_override", of_function, "vfio-pci\\n"),
      "\n\n" + line("sys/kernel/iommu_groups/15/reserved_regions", elsewhere,
                    "0x00000000fee00000 0x00000000feefffff msi\\n")};
  for (const auto* place : of_function)
    for (const auto* text : {"-", "1\\n", "(null)\\n", ">../0000:00:10.0", "flr bus\\n", "suspended\\n"})
      found.push_back(line(place, of_function, text));
  for (const auto* place : elsewhere)
    for (const auto* text :
         {"-", "1\\n", ">../../../kernel/iommu_groups/15", "connected\\n", "flags: svm\\n"})
      found.push_back("\n\n" + line(place, elsewhere, text));
  return found;
}
