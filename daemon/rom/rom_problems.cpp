// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <fmt/format.h>

#include "rom/rom.hpp"

namespace gpuctl {
namespace {

constexpr std::uint32_t efi_signature = 0x0ef1;

std::string place(const RomImage& image) {
  return fmt::format("the {} image at 0x{:x}", code_name(image.code_type), image.offset);
}

bool is_driver(const EfiImage& efi) {
  return efi.signature == efi_signature && (efi.subsystem == 0x0b || efi.subsystem == 0x0c) &&
         efi.compression <= 1;
}

/// What OVMF loads: an x86-64 driver, or byte code for any processor.
bool is_loadable(const RomImage& image) {
  return image.in_chain && image.complete && image.efi && is_driver(*image.efi) &&
         (image.efi->machine == 0x8664 || image.efi->machine == 0x0ebc);
}

std::string why_not_loadable(const RomImage& image) {
  const auto& efi = *image.efi;
  if (!image.complete) return "is not all there";
  if (efi.signature != efi_signature)
    return fmt::format("has signature 0x{:x} instead of 0xef1", efi.signature);
  if (efi.compression > 1) return fmt::format("is compressed in an unknown way ({})", efi.compression);
  if (!is_driver(efi)) return fmt::format("is no driver (subsystem {})", efi.subsystem);
  return fmt::format("is made for {}", machine_name(efi.machine));
}

void add_prefix(const Rom& rom, Problems& found) {
  if (rom.prefix == RomPrefix::none) return;
  const auto* what = rom.prefix == RomPrefix::nvgi ? "NVIDIA's flash header" : "something else";
  found.push_back({"rom-prefix", Severity::warning, "rom",
                   fmt::format("{} is in front of the ROM, {} bytes: a VM's firmware does not look past it.",
                               what, rom.prefix_size),
                   "Give the VM the file that `gpuctl rom dump` writes: it has no prefix."});
}

void add_image(const RomImage& image, Problems& found) {
  if (!image.complete)
    found.push_back({"rom-truncated", image.in_chain ? Severity::blocker : Severity::warning, "rom",
                     image.size == 0
                         ? fmt::format("The length of {} is 0.", place(image))
                         : fmt::format("The ROM ends within {} ({} bytes).", place(image), image.size),
                     "Read it again, all of it; a file from elsewhere is damaged."});
  if (image.checksum_good == false)
    found.push_back(
        {"rom-checksum", Severity::warning, "rom", fmt::format("The checksum of {} is wrong.", place(image)),
         "A ROM that was read while the GPU was in use, or as a shadow copy, is changed: read it while the "
         "GPU is on vfio-pci."});
  if (image.in_chain && image.class_code >> 16 != 3)
    found.push_back({"rom-class", Severity::warning, "rom",
                     fmt::format("{} is for a device of class {:06x}, which is no display.", place(image),
                                 image.class_code),
                     "Take the ROM of the graphics card itself."});
}

void add_card(const RomImage& image, const PciIdentity& card, Problems& found) {
  if (image.vendor == card.vendor && image.device == card.device) return;
  const bool other_vendor = image.vendor != card.vendor;
  found.push_back(
      {"rom-other-card", Severity::warning, "rom",
       fmt::format("The ROM is for {:04x}:{:04x}, the card is {}.{}", image.vendor, image.device, card.ids(),
                   other_vendor ? "" : " Vendors use one id for a family, so it may be right."),
       other_vendor ? "Take the ROM of this card."
                    : "If it was not read from this card, take one that was."});
}

Problem picture(const Rom& rom) {
  if (shows_picture_under_uefi(rom))
    return {"rom-uefi", Severity::ok, "rom",
            "The card can show a picture under UEFI, from the VM's firmware on.", ""};
  const auto efi = std::ranges::find_if(rom.images, [](const auto& i) { return i.efi && i.in_chain; });
  const auto why = efi == rom.images.end() ? std::string{"it has no EFI image"}
                                           : fmt::format("{} {}", place(*efi), why_not_loadable(*efi));
  return {"rom-no-uefi", Severity::warning, "rom",
          fmt::format("The card shows no picture under UEFI before the guest's driver is loaded: {}.", why),
          "It still works once the guest has its driver. Until then use the VM's virtual display."};
}

Problem nothing_found(const Rom& rom) {
  if (rom.bytes == 0) return no_rom("rom");
  if (rom.all_ones)
    return {"rom-asleep", Severity::blocker, "rom",
            "All bytes are 0xff: the GPU was asleep or gone when it was read.",
            "Wake it (power/control = on) and read again."};
  return {"rom-invalid", Severity::blocker, "rom",
          fmt::format("There is no PCI option ROM in these {} bytes.", rom.bytes),
          "Read it from the card with `gpuctl rom dump`, or take another file."};
}

}  // namespace

bool shows_picture_under_uefi(const Rom& rom) { return std::ranges::any_of(rom.images, is_loadable); }

Problem no_rom(const std::string& subject) {
  return {"rom-none", Severity::info, subject,
          "The card has no ROM of its own: normal for a laptop's second GPU, whose image is part of the "
          "machine's firmware.",
          "Nothing to do for drivers of the guest; if they ask for it, give the VM a ROM file of this very "
          "machine."};
}

Problems rom_problems(const Rom& rom, const PciIdentity* card) {
  if (rom.images.empty()) return {nothing_found(rom)};
  Problems found;
  add_prefix(rom, found);
  for (const auto& image : rom.images) add_image(image, found);
  if (!rom.chain_ends)
    found.push_back({"rom-unfinished", Severity::warning, "rom", "No image is marked as the last one.",
                     "The ROM may have been cut off: read it again."});
  if (card != nullptr) add_card(rom.images.front(), *card, found);
  found.push_back(picture(rom));
  return found;
}

}  // namespace gpuctl
