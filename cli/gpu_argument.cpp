// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/gpu_argument.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/clean_text.hpp"
#include "cli/client.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

constexpr std::size_t longest_argument = 256;

Failure failure(std::string_view name, const std::string& message) {
  return {std::string{names::error_prefix}.append(name), message};
}

using Matches = std::vector<const Gpu*>;

Matches select(const Objects& objects, const std::function<bool(const Gpu&)>& fits) {
  Matches matches;
  for (const auto& gpu : objects.gpus) {
    if (fits(gpu)) matches.push_back(&gpu);
  }
  return matches;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

void refuse_unreadable(const std::string& argument) {
  if (argument.size() > longest_argument)
    throw failure("InvalidArgument", "the name of a GPU has at most 256 bytes");
  if (std::ranges::any_of(argument, is_control))
    throw failure("InvalidArgument", "'" + clean(argument) + "' has control characters");
}

/// Consists of what addresses consist of, so it cannot be meant as a name.
bool looks_like_address(const std::string& text) {
  const auto fits = [](char c) { return is_hex(c) || c == ':' || c == '.'; };
  return text.find(':') != std::string::npos && std::ranges::all_of(text, fits);
}

bool looks_like_ids(const std::string& text) {
  return text.size() == 9 && text.find(':') == 4 && text.rfind(':') == 4;
}

bool all_hex(std::string_view text) { return std::ranges::all_of(text, is_hex); }

/// "01:00", the end of every slot.
bool is_bus_and_device(std::string_view text) {
  return text.size() == 5 && text[2] == ':' && (text[3] == '0' || text[3] == '1') &&
         all_hex(text.substr(0, 2)) && is_hex(text[4]);
}

/// "" or ".0" to ".7".
bool is_function(std::string_view text) {
  return text.empty() || (text.size() == 2 && text[1] >= '0' && text[1] <= '7');
}

/// "0000:01:00" or "0000:01:00.0" of a slot or an address with or without domain; nothing for what is
/// neither.
std::optional<std::string> full_address(const std::string& text) {
  const auto slot = text.substr(0, text.find('.')), function = text.substr(slot.size());
  const auto colon = slot.size() - std::min<std::size_t>(slot.size(), 6);  // the one before the bus
  const bool has_domain = slot.size() > 5 && slot[colon] == ':';
  auto domain = has_domain ? slot.substr(0, colon) : "0000";
  const auto rest = has_domain ? slot.substr(colon + 1) : slot;
  const bool is_domain = domain.size() >= 4 && domain.size() <= 8 && all_hex(domain);
  if (!is_domain || !is_bus_and_device(rest) || !is_function(function)) return std::nullopt;
  while (domain.size() > 4 && domain.front() == '0') domain.erase(0, 1);
  return domain + ":" + rest + function;
}

bool has_function(const Gpu& gpu, const std::string& address) {
  return std::ranges::find(gpu.functions, address, &Function::address) != gpu.functions.end();
}

bool has_ids(const Gpu& gpu, const std::string& ids) {
  return std::ranges::find(gpu.functions, ids, &Function::ids) != gpu.functions.end();
}

bool named(const Gpu& gpu, const std::string& fragment) {
  return lower(gpu.vendor + " " + gpu.name).find(fragment) != std::string::npos;
}

/// The candidates for "no GPU named": the best non-empty of these sets. The first is the daemon's, but that
/// one passes over integrated GPUs; the others are there to look at only.
Matches unnamed(const Objects& objects) {
  const auto attachable = [&](const Gpu& g) { return !g.boot_display && !objects.groups_of(g).empty(); };
  if (auto fit = select(objects, attachable); !fit.empty()) return fit;
  if (auto second = select(objects, [](const Gpu& g) { return !g.boot_display; }); !second.empty())
    return second;
  return select(objects, [](const Gpu&) { return true; });
}

Matches matching(const Objects& objects, const std::string& argument) {
  if (argument.empty()) return unnamed(objects);
  const auto text = lower(argument);
  if (const auto full = full_address(text))
    return select(objects, [&](const Gpu& g) { return has_function(g, *full) || g.slot() == *full; });
  const bool address_like = looks_like_address(text);
  if (address_like && looks_like_ids(text))
    return select(objects, [&](const Gpu& g) { return has_ids(g, text); });
  if (address_like)
    throw failure("InvalidArgument",
                  "'" + argument + "' is no PCI address (0000:01:00.0), slot (01:00) or id (10de:25a0)");
  return select(objects, [&](const Gpu& g) { return named(g, text); });
}

std::string candidates(const Matches& matches) {
  std::string text;
  for (const auto* gpu : matches)
    text.append(text.empty() ? "" : ", ") += gpu->address + " (" + gpu->name + ")";
  return text;
}

}  // namespace

const Gpu& find_gpu(const Objects& objects, const std::string& argument) {
  refuse_unreadable(argument);
  const auto matches = matching(objects, argument);
  if (matches.empty() && argument.empty()) throw failure("NotFound", "this machine has no GPU");
  if (matches.empty()) throw failure("NotFound", "no GPU matches '" + clean(argument) + "'");
  if (matches.size() > 1) throw failure("AmbiguousGpu", "several GPUs fit: " + candidates(matches));
  return *matches.front();
}

std::string slot_of_path(const std::string& path) {
  auto slot = path.substr(path.rfind('/') + 1);
  std::ranges::replace(slot, '_', ':');
  return slot;
}

}  // namespace gpuctl::cli
