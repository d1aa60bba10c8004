// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/find_gpu.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/quoted.hpp"

namespace gpuctl {
namespace {

using Candidates = std::vector<const Gpu*>;

constexpr std::size_t longest_argument = 256;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

void refuse_unreadable(std::string_view argument) {
  if (argument.size() > longest_argument)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The GPU argument has {} bytes; at most {} are allowed.", argument.size(),
                            longest_argument));
  if (std::ranges::any_of(argument, is_control))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The GPU argument {} has control characters.", quoted(argument)));
}

/// Consists of what addresses consist of, so it cannot be meant as a name.
bool looks_like_address(std::string_view text) {
  const auto fits = [](char c) { return is_hex(c) || c == ':' || c == '.'; };
  return text.find(':') != std::string_view::npos && std::ranges::all_of(text, fits);
}

bool looks_like_ids(std::string_view text) {
  return text.size() == 9 && text[4] == ':' && std::ranges::all_of(text.substr(0, 4), is_hex) &&
         std::ranges::all_of(text.substr(5), is_hex);
}

/// lspci leaves the domain out where there is only one.
std::optional<PciAddress> typed_address(std::string_view text) {
  const bool without_domain = text.size() == std::string_view{"01:00.0"}.size();
  return PciAddress::parse(without_domain ? fmt::format("0000:{}", text) : std::string{text});
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

template <class Fits>
Candidates gpus_where(const Snapshot& snapshot, Fits fits) {
  Candidates found;
  for (const auto& [slot, gpu] : snapshot.gpus)
    if (fits(gpu)) found.push_back(&gpu);
  return found;
}

bool has_group(const Gpu& gpu, const Snapshot& snapshot) {
  return std::ranges::all_of(gpu.functions, [&](PciAddress address) {
    const auto* function = snapshot.find(address);
    return function != nullptr && function->iommu_group;
  });
}

/// Without an IOMMU no GPU has a group: then the argument still finds one, and the problems tell about the
/// IOMMU.
bool is_attachable(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  return display != nullptr && !display->boot_vga &&
         (snapshot.host.iommu == "none" || has_group(gpu, snapshot));
}

/// A GPU without any driver may simply have none installed; one that a VM can have counts more.
Candidates away(const Snapshot& snapshot) {
  const auto state = [&](const Gpu& gpu) { return bound_state(gpu, snapshot); };
  auto all = gpus_where(snapshot, [&](const Gpu& gpu) { return state(gpu) != GpuState::host; });
  const auto vfio = gpus_where(snapshot, [&](const Gpu& gpu) { return !is_at_home(gpu, snapshot); });
  return vfio.empty() ? all : vfio;
}

/// An integrated GPU is meant only if there is none besides: where the graphics card shows the host's
/// picture, whoever says nothing hardly means the other one.
Candidates attachable(const Snapshot& snapshot) {
  const auto all = gpus_where(snapshot, [&](const Gpu& gpu) { return is_attachable(gpu, snapshot); });
  auto cards = gpus_where(snapshot, [&](const Gpu& gpu) {
    return !is_integrated(gpu, snapshot) && !is_management_display(gpu, snapshot);
  });
  if (all.empty() || cards.empty()) return all;
  std::erase_if(cards, [&](const Gpu* gpu) { return !is_attachable(*gpu, snapshot); });
  return cards.empty() ? gpus_where(snapshot, [](const Gpu&) { return true; }) : cards;
}

Candidates fitting_empty(const Snapshot& snapshot, GpuChoice choice) {
  return choice == GpuChoice::away ? away(snapshot) : attachable(snapshot);
}

Candidates fitting_ids(const Snapshot& snapshot, const std::string& ids) {
  return gpus_where(snapshot, [&](const Gpu& gpu) {
    return std::ranges::any_of(gpu.functions, [&](PciAddress address) {
      const auto* function = snapshot.find(address);
      return function != nullptr && function->id.ids() == ids;
    });
  });
}

Candidates fitting_name(const Snapshot& snapshot, const std::string& fragment) {
  return gpus_where(snapshot, [&](const Gpu& gpu) {
    const auto* display = snapshot.find(gpu.address);
    if (display == nullptr) return false;
    const auto name = lower(fmt::format("{} {}", display->names.vendor, device_name(*display)));
    return name.find(fragment) != std::string::npos;
  });
}

Candidates fitting(const Snapshot& snapshot, std::string_view argument, GpuChoice choice) {
  if (argument.empty()) return fitting_empty(snapshot, choice);
  if (const auto address = typed_address(argument))
    return gpus_where(snapshot, [&](const Gpu& gpu) {
      return std::ranges::find(gpu.functions, *address) != gpu.functions.end();
    });
  if (const auto slot = PciSlot::parse(argument))
    return gpus_where(snapshot, [&](const Gpu& gpu) { return gpu.slot() == *slot; });
  if (looks_like_ids(argument)) return fitting_ids(snapshot, lower(argument));
  if (looks_like_address(argument))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is no PCI address (0000:01:00.0), slot (01:00) or id (10de:25a0).",
                            quoted(argument)));
  return fitting_name(snapshot, lower(argument));
}

std::string listed(const Candidates& gpus, const Snapshot& snapshot) {
  std::string text;
  for (const auto* gpu : gpus) text += (text.empty() ? "" : "; ") + gpu_title(*gpu, snapshot);
  return text;
}

std::string none_fits(std::string_view argument, GpuChoice choice) {
  if (!argument.empty()) return fmt::format("No GPU fits {}.", quoted(argument));
  if (choice == GpuChoice::away) return "No GPU is away: all are on their host drivers.";
  return "No GPU can be given away: there is none besides the boot display that is in an IOMMU group.";
}

}  // namespace

const Gpu& find_gpu(const Snapshot& snapshot, std::string_view argument, GpuChoice when_empty) {
  refuse_unreadable(argument);
  const auto found = fitting(snapshot, argument, when_empty);
  if (found.empty()) throw Error(ErrorCode::not_found, none_fits(argument, when_empty));
  if (found.size() > 1)
    throw Error(
        ErrorCode::ambiguous_gpu,
        fmt::format("Several GPUs {}, say which one: {}.",
                    argument.empty() ? "are there" : "fit " + quoted(argument), listed(found, snapshot)));
  return *found.front();
}

std::string gpu_title(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  if (display == nullptr) return gpu.address.str();
  const auto& names = display->names;
  if (names.device.empty())
    return fmt::format("{} {} {}", gpu.address.str(), names.vendor, display->id.ids());
  return fmt::format("{} {} {}", gpu.address.str(), names.vendor, names.device);
}

}  // namespace gpuctl
