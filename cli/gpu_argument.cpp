// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/gpu_argument.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <string_view>
#include <vector>

#include "cli/clean_text.hpp"
#include "cli/client.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

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

std::string with_domain(const std::string& text) {
  const bool short_form = std::ranges::count(text, ':') == 1;
  return short_form ? "0000:" + text : text;
}

bool has_function(const Gpu& gpu, const std::string& address) {
  return std::ranges::find(gpu.functions, address, &Function::address) != gpu.functions.end();
}

bool has_ids(const Gpu& gpu, const std::string& ids) {
  const auto* display = gpu.display();
  return display != nullptr && display->ids == ids;
}

bool named(const Gpu& gpu, const std::string& fragment) {
  return lower(gpu.vendor + " " + gpu.name).find(fragment) != std::string::npos;
}

bool blocked(const Gpu& gpu) { return std::ranges::any_of(gpu.problems, &Problem::blocks); }

/// The candidates for "no GPU named": the best non-empty of these sets.
Matches unnamed(const Objects& objects) {
  if (auto fit = select(objects, [](const Gpu& g) { return !blocked(g); }); !fit.empty()) return fit;
  if (auto second = select(objects, [](const Gpu& g) { return !g.boot_display; }); !second.empty())
    return second;
  return select(objects, [](const Gpu&) { return true; });
}

Matches matching(const Objects& objects, const std::string& argument) {
  if (argument.empty()) return unnamed(objects);
  const auto text = lower(argument), full = with_domain(text);
  if (auto m = select(objects, [&](const Gpu& g) { return has_function(g, full) || g.slot() == full; });
      !m.empty())
    return m;
  if (auto m = select(objects, [&](const Gpu& g) { return has_ids(g, text); }); !m.empty()) return m;
  return select(objects, [&](const Gpu& g) { return named(g, text); });
}

std::string candidates(const Matches& matches) {
  std::string text;
  for (const auto* gpu : matches)
    text.append(text.empty() ? "" : ", ") += gpu->address + " (" + gpu->name + ")";
  return text;
}

Failure failure(std::string_view name, const std::string& message) {
  return {std::string{names::error_prefix}.append(name), message};
}

}  // namespace

const Gpu& find_gpu(const Objects& objects, const std::string& argument) {
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
