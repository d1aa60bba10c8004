// SPDX-License-Identifier: GPL-2.0-or-later
// A whole machine whose sysfs says anything: one "attribute=contents" a line, for each function in turn.
#include <cstdlib>
#include <sstream>

#include "fuzz/fuzz.hpp"
#include "host/host_state.hpp"
#include "inventory/isolation.hpp"
#include "inventory/scan.hpp"
#include "support/machines.hpp"

using namespace gpuctl;

namespace {

/// Attributes of the display function and where else the kernel speaks; the input chooses by number.
constexpr const char* places[] = {
    "vendor",       "device",   "class",           "subsystem_vendor", "subsystem_device",
    "revision",     "config",   "driver_override", "reset_method",     "power_state",
    "uevent",       "boot_vga", "d3cold_allowed",  "power/control",    "power/runtime_status",
    "sriov_numvfs", "modalias", "resource"};

std::string unescaped(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i)
    bytes += text[i] == '\\' && i + 1 < text.size() ? (++i, text[i] == 'n' ? '\n' : text[i]) : text[i];
  return bytes;
}

void check(const Snapshot& snapshot) {
  for (const auto& [slot, gpu] : snapshot.gpus) {
    if (gpu.functions.empty() || snapshot.find(gpu.address) == nullptr) std::abort();
    (void)attach_problems(gpu, snapshot);
  }
  for (const auto& [number, group] : snapshot.groups) (void)group_problems(group, snapshot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::FakeMachine machine;
  static const auto directories = [] {
    test::reference_laptop(machine);
    return std::vector<std::string>{machine.directory("0000:01:00.0"), machine.directory("0000:01:00.1")};
  }();
  std::istringstream lines{std::string(data, data + size)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line) && number < 64; ++number) {
    const auto* place = places[line.empty() ? 0 : static_cast<unsigned char>(line[0]) % std::size(places)];
    machine.file(directories[number % 2] + "/" + place, unescaped(line.substr(line.empty() ? 0 : 1)));
  }
  check(scan(RootDir{machine.root()}, {.host = [](const RootDir& root) { return read_host_state(root); }}));
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {"a0x10de\\n\nb0x25a0\\n\nc0x030000\\n\n", "kDRIVER=nvidia\\nPCI_CLASS=30000\\n\nlvfio-pci\\n\n",
          "i(null)\\n\njflr bus\\n\n"};
}
