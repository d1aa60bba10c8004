// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/functions.hpp"

#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

/// "Kernel driver in use: nvidia      Kernel modules: nouveau, nvidia_drm, nvidia", each half only if there
/// is one.
std::string driver_text(const Function& f) {
  std::string text;
  if (!f.driver.empty()) text = "Kernel driver in use: " + f.driver;
  if (f.modules.empty()) return text;
  return text.append(text.empty() ? "" : "      ") + "Kernel modules: " + join(f.modules, ", ");
}

std::string power_text(const Function& f) {
  std::vector<std::string> parts;
  if (!f.power_state.empty()) parts.push_back("Power: " + f.power_state);
  parts.push_back("Reset: " + (f.reset_methods.empty() ? "none" : join(f.reset_methods, ", ")));
  if (!f.driver_override.empty()) parts.push_back("Driver override: " + f.driver_override);
  return join(parts, "      ");
}

std::string named(const std::string& name, const std::string& unknown) {
  return name.empty() ? unknown : name;
}

std::string indented(const std::string& line) { return line.empty() ? "" : "      " + line + "\n"; }

/// Group 15 "isolated", or the sentences that say why not.
std::string verdict_text(const Console& console, const Group& group) {
  if (group.isolated && group.problems.empty())
    return "  Verdict: " + console.paint(Colour::green, "isolated") + "\n";
  std::string text = "  Verdict: " +
                     (group.isolated ? console.paint(Colour::yellow, "isolated, but")
                                     : console.paint(Colour::red, "not isolated")) +
                     "\n";
  for (const auto& problem : group.problems) {
    text += indented(problem.message);
    if (!problem.remedy.empty()) text += indented("  " + problem.remedy);
  }
  return text;
}

}  // namespace

std::string function_text(const Function& f, Detail detail) {
  std::string text = "  " + f.address + " " + named(f.class_name, "Class") + " [" + f.class_code +
                     "]: " + named(f.name, "Device") + " [" + f.ids + "]";
  if (!f.revision.empty() && f.revision != "00") text += " (rev " + f.revision + ")";
  text += "\n";
  const bool has_subsystem = !f.subsystem_ids.empty() && f.subsystem_ids != "0000:0000";
  if (has_subsystem)
    text += indented("Subsystem: " + named(f.subsystem_name, "Device") + " [" + f.subsystem_ids + "]");
  text += indented(driver_text(f));
  if (detail == Detail::with_power) text += indented(power_text(f));
  return text;
}

std::string group_text(const Console& console, const Group& group, Detail detail) {
  std::string text = console.paint(Colour::bold, "IOMMU Group " + std::to_string(group.number) + ":") + "\n";
  for (const auto& device : group.devices) text += function_text(device, detail);
  return text + verdict_text(console, group);
}

}  // namespace gpuctl::cli
