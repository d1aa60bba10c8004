// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/auto_rom.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/replace_file.hpp"
#include "os/rom_file.hpp"
#include "rom/rom.hpp"
#include "rom/vfct.hpp"

namespace gpuctl {
namespace {

namespace fs = std::filesystem;

const PciFunction& function_at(PciAddress address, const Snapshot& snapshot) {
  const auto* function = snapshot.find(address);
  if (function == nullptr)
    throw Error(ErrorCode::device_gone, fmt::format("there is no {} any more", address.str()));
  return *function;
}

std::string firmware_table(const RootDir& root) {
  return root.read("sys/firmware/acpi/tables/VFCT", 16 << 20).value_or("");
}

[[noreturn]] void no_rom_anywhere(PciAddress address) {
  throw Error(ErrorCode::not_supported,
              fmt::format("{} has no option ROM that could be read: the card has none, which is normal for a "
                          "laptop's second GPU, and the firmware's tables hold none for it. Most guests need "
                          "none; if a driver asks for it, give a file: --rom FILE",
                          address.str()));
}

/// The card's own is preferred: the firmware's may be older.
std::string rom_bytes(const PciFunction& function, const RootDir& root, const Platform& platform) {
  const auto table = firmware_table(root);
  const auto kept = vfct_image(table, function.address, function.id);
  if (!function.has_rom && !kept) no_rom_anywhere(function.address);
  if (!function.has_rom) return std::string{*kept};
  try {
    return read_rom(root, *platform.pci_control(root), function.address);
  } catch (const Error&) {
    if (!kept) throw;
    return std::string{*kept};
  }
}

std::string proper(const std::string& bytes, const PciFunction& function) {
  const auto rom = parse_rom(bytes);
  for (const auto& problem : rom_problems(rom, &function.id))
    if (problem.severity == Severity::blocker)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the option ROM of {} cannot be used: {} {}", function.address.str(),
                              problem.message, problem.remedy));
  return std::string{stripped(bytes, rom)};
}

/// Entered and read by QEMU's user, whatever this process's umask.
void write_for_qemu(const fs::path& file, const std::string& bytes) {
  replace_file(file, bytes, 0644);
  fs::permissions(file.parent_path(), fs::perms{0755});
}

}  // namespace

fs::path auto_rom(PciAddress address, DryRun dry_run, const Snapshot& snapshot, const Platform& platform) {
  const RootDir root(platform.root);
  const auto& function = function_at(address, snapshot);
  const auto file = platform.state_dir / "rom" / fmt::format("{}.rom", address.str());
  if (dry_run == DryRun::no)
    write_for_qemu(file, proper(rom_bytes(function, root, platform), function));
  else if (!function.has_rom && !vfct_image(firmware_table(root), address, function.id))
    no_rom_anywhere(address);
  return file;
}

}  // namespace gpuctl
