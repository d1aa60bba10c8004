// SPDX-License-Identifier: GPL-2.0-or-later
#include "rom/rom.hpp"

#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"
#include "cli/gpu_argument.hpp"
#include "cli/output/json.hpp"
#include "cli/output/problems.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

constexpr std::size_t largest_rom = 16 << 20;  // bytes; the largest window that the PCI specification allows

/// Where the bytes came from, and for which card they are if that is known.
struct Source {
  std::string name;
  std::optional<std::string> bytes;  ///< nothing: the card has no ROM
  std::optional<PciIdentity> card;
};

bool is_file(const std::string& argument) {
  std::error_code error;
  return argument.find('/') != std::string::npos || std::filesystem::is_regular_file(argument, error);
}

/// 0x10de and 0x25a0 of "10de:25a0".
std::optional<PciIdentity> identity(const Gpu& gpu) {
  const auto* display = gpu.display();
  if (display == nullptr) return {};
  const auto& ids = display->ids;
  PciIdentity card;
  const auto colon = ids.find(':');
  if (colon == std::string::npos) return {};
  std::from_chars(ids.data(), ids.data() + colon, card.vendor, 16);
  std::from_chars(ids.data() + colon + 1, ids.data() + ids.size(), card.device, 16);
  return card;
}

Source from_card(Context& context, const std::string& argument) {
  const auto objects = context.client().objects();
  const auto& gpu = find_gpu(objects, argument);
  Source source{gpu.address, {}, identity(gpu)};
  try {
    source.bytes = context.authorized(
        [&](Interaction interaction) { return context.client().read_rom(gpu.address, interaction); });
  } catch (const Failure& failure) {
    if (short_name(failure.name()) != "NotSupported") throw;
  }
  return source;
}

Source source_of(Context& context, const std::string& argument) {
  if (!is_file(argument)) return from_card(context, argument);
  return {argument, context.surroundings().read_file(argument, largest_rom), {}};
}

Problem problem_of(const gpuctl::Problem& p) {
  return {p.id, std::string{to_string(p.severity)}, p.subject, p.message, p.remedy};
}

std::vector<Problem> problems_of(const Source& source, const Rom& rom) {
  std::vector<Problem> problems;
  if (!source.bytes) return {problem_of(no_rom(source.name))};
  for (const auto& problem : rom_problems(rom, source.card ? &*source.card : nullptr)) {
    problems.push_back(problem_of(problem));
  }
  return problems;
}

std::string checksum_word(const RomImage& image) {
  if (!image.checksum_good) return {};
  return *image.checksum_good ? "good" : "wrong";
}

std::string kind_of(const RomImage& image) {
  auto kind = code_name(image.code_type);
  if (image.efi) kind += ", " + machine_name(image.efi->machine);
  return kind;
}

std::string images_text(const Console& console, const Rom& rom) {
  Table table{{"OFFSET", "SIZE", "KIND", "IDS", "CLASS", "CHECKSUM", "LAST"}};
  for (const auto& image : rom.images) {
    table.add({{fmt::format("0x{:x}", image.offset)},
               {std::to_string(image.size)},
               {kind_of(image)},
               {fmt::format("{:04x}:{:04x}", image.vendor, image.device)},
               {fmt::format("{:06x}", image.class_code)},
               {checksum_word(image)},
               {image.last ? "last" : ""}});
  }
  return table.text(console);
}

Json image_json(const RomImage& image) {
  return {{"offset", image.offset},
          {"size", image.size},
          {"kind", code_name(image.code_type)},
          {"machine", image.efi ? Json(machine_name(image.efi->machine)) : Json(nullptr)},
          {"vendor_id", fmt::format("{:04x}", image.vendor)},
          {"device_id", fmt::format("{:04x}", image.device)},
          {"class", fmt::format("{:06x}", image.class_code)},
          {"in_chain", image.in_chain},
          {"complete", image.complete},
          {"checksum_good", image.checksum_good ? Json(*image.checksum_good) : Json(nullptr)},
          {"last", image.last}};
}

Json document(const Source& source, const Rom& rom) {
  auto images = Json::array();
  for (const auto& image : rom.images) images.push_back(image_json(image));
  return {{"rom",
           {{"source", source.name},
            {"present", source.bytes.has_value()},
            {"bytes", rom.bytes},
            {"prefix_bytes", rom.prefix_size},
            {"size", rom.size},
            {"shows_picture_under_uefi", shows_picture_under_uefi(rom)},
            {"images", std::move(images)}}},
          {"problems", json_list(problems_of(source, rom))}};
}

void require_place(const Console& console, const std::string& output) {
  if (!output.empty() || console.format() == Format::plain) return;
  throw Failure{"org.gpuctl1.Error.InvalidArgument",
                std::string{"a ROM is no text for a terminal, and no JSON: name a file with --output"}};
}

}  // namespace

Exit rom_show(Context& context, const std::string& argument) {
  const auto source = source_of(context, argument);
  const auto rom = parse_rom(source.bytes.value_or(""));
  const auto& console = context.console;
  if (console.json())
    print_json(console, document(source, rom));
  else
    console.print(images_text(console, rom));
  // in a pipe the images are the records; what there is to say of them goes beside
  const auto aside = console.terminal() ? console : console.for_errors();
  if (!console.json()) aside.print(problems_text(aside, problems_of(source, rom)));
  const bool is_no_rom = source.bytes && rom.images.empty();
  return is_no_rom ? Exit::refused : Exit::done;
}

Exit rom_check(Context& context, const std::string& argument) {
  const auto source = source_of(context, argument);
  return show_findings(context, problems_of(source, parse_rom(source.bytes.value_or(""))), "the ROM is good");
}

Exit rom_dump(Context& context, const RomDumpArguments& arguments) {
  const auto& console = context.console;
  require_place(console, arguments.output);
  const auto source = source_of(context, arguments.source);
  if (!source.bytes) throw Failure{"org.gpuctl1.Error.NotSupported", source.name + " has no ROM of its own"};
  const auto rom = parse_rom(*source.bytes);
  if (rom.images.empty() && !arguments.raw) return show_findings(context, problems_of(source, rom), "");
  const auto bytes = arguments.raw ? std::string_view{*source.bytes} : stripped(*source.bytes, rom);
  if (arguments.output.empty()) {
    console.print(bytes);
    return Exit::done;
  }
  context.surroundings().write_file(arguments.output, bytes);
  if (console.json()) print_json(console, {{"file", arguments.output}, {"bytes", bytes.size()}});
  return Exit::done;
}

}  // namespace gpuctl::cli
