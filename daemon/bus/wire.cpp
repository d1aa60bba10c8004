// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/wire.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/hex.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::wire {
namespace {

/// Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte (Unicode, table 3-7).
bool second_byte_fits(unsigned char lead, unsigned char second) {
  const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

/// libsystemd refuses these too (systemd src/basic/utf8.c: unichar_is_valid). `sequence` is well-formed.
bool is_noncharacter(std::string_view sequence) {
  std::uint32_t code = static_cast<unsigned char>(sequence[0]) & (0xffU >> (sequence.size() + 1));
  for (const char c : sequence.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffeU) == 0xfffe;
}

/// Length of the UTF-8 sequence that starts the text, 0 if it starts none that the bus takes.
std::size_t sequence_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  if (length > 1 && !second_byte_fits(lead, static_cast<unsigned char>(text[1]))) return 0;
  const auto is_tail = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80; };
  const auto sequence = text.substr(0, length);
  if (!std::ranges::all_of(sequence.substr(1), is_tail)) return 0;
  return length > 1 && is_noncharacter(sequence) ? 0 : length;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool flag(const std::string& key, const sdbus::Variant& value) {
  if (!value.containsValueOfType<bool>())
    throw Error(ErrorCode::invalid_argument, fmt::format("option {} takes a boolean", key));
  return value.get<bool>();
}

void set(Options& options, const std::string& key, bool value) {
  if (key == "interactive") options.interactive = value;
  if (key == "force") options.force = value;
  if (key == "live") options.live = value;
  if (key == "start") options.start = value;
  if (key == "keep") options.keep = value;
  if (key == "reset") options.reset = value;
  if (key == "rescan") options.rescan = value;
}

std::string slot_member(PciSlot slot) {
  auto text = slot.str();
  std::ranges::replace(text, ':', '_');
  return text;
}

std::string subsystem_name(const PciFunction& f) {
  if (f.id.subsystem_vendor == 0 && f.id.subsystem_device == 0) return {};
  const auto device = f.names.subsystem_device.empty() ? "Device" : f.names.subsystem_device;
  return f.names.subsystem_vendor.empty() ? device : f.names.subsystem_vendor + " " + device;
}

constexpr auto function_members = "sssssasssasssss";

void write_texts(const std::vector<std::string>& texts, ValueSink& sink) {
  sink.open('a', "s");
  for (const auto& text : texts) sink.text(text);
  sink.close();
}

void write_function(const PciFunction& f, ValueSink& sink) {
  sink.open('r', function_members);
  sink.text(f.address.str());
  sink.text(hex(pci_class(f.id), 4));
  sink.text(f.id.ids());
  sink.text(hex(f.id.subsystem_vendor, 4) + ':' + hex(f.id.subsystem_device, 4));
  sink.text(f.driver);
  write_texts(f.modules, sink);
  sink.text(f.driver_override);
  sink.text(f.power_state);
  write_texts(f.reset_methods, sink);
  sink.text(function_name(f));
  sink.text(hex(f.revision, 2));
  sink.text(f.names.class_name);
  sink.text(subsystem_name(f));
  sink.close();
}

void write_problem(const Problem& p, ValueSink& sink) {
  sink.open('a', "{sv}");
  sink.entry("id", p.id);
  sink.entry("severity", to_string(p.severity));
  sink.entry("subject", p.subject);
  sink.entry("message", p.message);
  sink.entry("remedy", p.remedy);
  sink.close();
}

}  // namespace

std::string utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    result += length == 0 ? std::string_view{"?"} : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

void require_plain(std::string_view what, std::string_view text) {
  if (text.size() > 256)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} has {} bytes; at most 256 are allowed", what, text.size()));
  if (std::ranges::any_of(text, is_control))
    throw Error(ErrorCode::invalid_argument, fmt::format("{} contains control characters", what));
}

Options options(const Dict& dict, const std::vector<std::string_view>& known) {
  Options result;
  for (const auto& [key, value] : dict) {
    if (std::ranges::find(known, key) == known.end()) {
      require_plain("an option's name", key);
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("unknown option {}; known here: {}", key, fmt::join(known, ", ")));
    }
    set(result, key, flag(key, value));
  }
  return result;
}

Request request(Verb verb, std::string gpu, std::string vm, const Options& o) {
  require_plain("the GPU argument", gpu);
  require_plain("the VM's name", vm);
  if (o.reset && o.rescan)
    throw Error(ErrorCode::invalid_argument, "reset and rescan are two attempts; ask for one of them");
  if (verb == Verb::release && !vm.empty())
    throw Error(ErrorCode::invalid_argument,
                "a release takes no VM: the GPU comes back from the one that has it");
  if (verb == Verb::attach && vm.empty() && (o.live || o.start))
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} is about a VM; name the one that is to get the GPU", o.start ? "start" : "live"));
  const auto revival = o.rescan ? Revival::rescan : o.reset ? Revival::reset : Revival::none;
  return {verb, std::move(gpu), std::move(vm), {}, o.force, o.live, o.start, o.keep, revival};
}

Dict problem(const Problem& p) {
  return {{"id", sdbus::Variant{utf8(p.id)}},
          {"severity", sdbus::Variant{std::string{to_string(p.severity)}}},
          {"subject", sdbus::Variant{utf8(p.subject)}},
          {"message", sdbus::Variant{utf8(p.message)}},
          {"remedy", sdbus::Variant{utf8(p.remedy)}}};
}

std::vector<Dict> problems(const Problems& list) {
  std::vector<Dict> result;
  result.reserve(list.size());
  for (const auto& p : list) result.push_back(problem(p));
  return result;
}

void write_functions(const std::vector<PciAddress>& functions, const Snapshot& snapshot, ValueSink& sink) {
  sink.open('a', functions_type + 1);
  for (const auto address : functions)
    if (const auto* function = snapshot.find(address)) write_function(*function, sink);
  sink.close();
}

void write(const Problems& problems, ValueSink& sink) {
  sink.open('a', "a{sv}");
  for (const auto& problem : problems) write_problem(problem, sink);
  sink.close();
}

std::vector<PlannedStep> plan(const Plan& steps) {
  std::vector<PlannedStep> result;
  for (const auto& s : steps)
    result.emplace_back(std::string{to_string(s.kind)}, utf8(s.subject), utf8(s.detail()));
  return result;
}

std::vector<ShownStep> steps(const Operation& operation) {
  std::vector<ShownStep> result;
  for (const auto& [step, state] : operation.steps)
    result.emplace_back(std::string{to_string(step.kind)}, utf8(step.subject), utf8(step.detail()),
                        std::string{to_string(state)});
  return result;
}

sdbus::Error error(const Error& e) {
  return dbus::make_error(names::error_prefix + std::string{error_name(e.code())}, utf8(e.what()));
}

std::string gpu_path(PciSlot slot) { return names::gpu_path_prefix + slot_member(slot); }
std::string group_path(unsigned number) { return fmt::format("{}{}", names::group_path_prefix, number); }
std::string operation_path(unsigned id) { return fmt::format("{}{}", names::operation_path_prefix, id); }

}  // namespace gpuctl::wire
