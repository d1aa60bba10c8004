// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/apply.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

enum class Varies { nothing, kernel_argument, kernel_image };

struct Tool {
  const char* name;
  const char* program;
  const char* fixed;  ///< arguments before those that vary, separated by one blank each
  Varies varies;
  std::string_view prefix;  ///< put before each argument that varies
};

constexpr std::array tools{
    Tool{"update-grub", "update-grub", "", Varies::nothing, ""},
    Tool{"grub-mkconfig", "grub-mkconfig", "-o /boot/grub/grub.cfg", Varies::nothing, ""},
    Tool{"grub2-mkconfig", "grub2-mkconfig", "-o /boot/grub2/grub.cfg", Varies::nothing, ""},
    Tool{"grubby-add", "grubby", "--update-kernel=ALL", Varies::kernel_argument, "--args="},
    Tool{"grubby-remove", "grubby", "--update-kernel=ALL", Varies::kernel_argument, "--remove-args="},
    Tool{"kernelstub-add", "kernelstub", "-a", Varies::kernel_argument, ""},
    Tool{"kernelstub-remove", "kernelstub", "-d", Varies::kernel_argument, ""},
    Tool{"rpm-ostree-add", "rpm-ostree", "kargs", Varies::kernel_argument, "--append-if-missing="},
    Tool{"rpm-ostree-remove", "rpm-ostree", "kargs", Varies::kernel_argument, "--delete-if-present="},
    Tool{"kernel-install", "kernel-install", "add", Varies::kernel_image, ""},
    Tool{"sdbootutil", "sdbootutil", "update-all-entries", Varies::nothing, ""},
    Tool{"sdbootutil-mkinitrd", "sdbootutil", "mkinitrd", Varies::nothing, ""},
    Tool{"update-initramfs", "update-initramfs", "-u -k all", Varies::nothing, ""},
    Tool{"dracut", "dracut", "--force --regenerate-all", Varies::nothing, ""},
    Tool{"mkinitcpio", "mkinitcpio", "-P", Varies::nothing, ""},
    Tool{"udevadm-reload", "udevadm", "control --reload", Varies::nothing, ""},
    Tool{"tmpfiles-looking-glass", "systemd-tmpfiles", "--create /etc/tmpfiles.d/10-looking-glass.conf",
         Varies::nothing, ""},
};

const Tool& tool_named(const std::string& name) {
  const auto it = std::ranges::find_if(tools, [&](const Tool& t) { return t.name == name; });
  if (it == tools.end())
    throw Error(ErrorCode::not_supported, fmt::format("\"{}\" is no tool that gpuctl runs", name));
  return *it;
}

/// Letters, digits and the punctuation of kernel arguments and paths; a leading - would be an option of the
/// tool.
bool is_plain(std::string_view text) {
  constexpr std::string_view punctuation = "_.,:=+@/-";
  return !text.empty() && text.size() < 256 && text.front() != '-' && std::ranges::all_of(text, [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || punctuation.find(c) != std::string_view::npos;
  });
}

/// VERSION IMAGE [INITRD], both below /boot or /usr/lib/modules.
bool is_kernel_image(const std::vector<std::string>& arguments) {
  const auto below = [](const std::string& p) {
    return (p.starts_with("/boot/") || p.starts_with("/usr/lib/modules/")) &&
           p.find("/..") == std::string::npos;
  };
  return (arguments.size() == 2 || arguments.size() == 3) && arguments[0].find('/') == std::string::npos &&
         std::all_of(arguments.begin() + 1, arguments.end(), below);
}

void validate(const Tool& tool, const std::vector<std::string>& arguments) {
  const bool good = tool.varies == Varies::nothing        ? arguments.empty()
                    : tool.varies == Varies::kernel_image ? is_kernel_image(arguments)
                                                          : !arguments.empty();
  if (!good || !std::ranges::all_of(arguments, is_plain))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("not an argument for {}: {}", tool.name, fmt::join(arguments, " ")));
}

std::vector<std::string> fixed_arguments(const Tool& tool) {
  std::vector<std::string> all;
  std::string_view rest = tool.fixed;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(' '), rest.size());
    all.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return all;
}

/// grubby and kernelstub take one list, the others one argument each.
std::vector<std::string> varying_arguments(const Tool& tool, const std::vector<std::string>& arguments) {
  const std::string_view program = tool.program;
  if (program == "grubby" || program == "kernelstub")
    return {fmt::format("{}{}", tool.prefix, fmt::join(arguments, " "))};
  std::vector<std::string> all;
  for (const auto& argument : arguments) all.push_back(fmt::format("{}{}", tool.prefix, argument));
  return all;
}

std::vector<std::string> arguments_of(const ToolRun& run) {
  const auto& tool = tool_named(run.tool);
  validate(tool, run.arguments);
  auto all = fixed_arguments(tool);
  std::ranges::copy(varying_arguments(tool, run.arguments), std::back_inserter(all));
  return all;
}

std::string quoted(const std::string& word) {
  return word.find(' ') == std::string::npos ? word : fmt::format("\"{}\"", word);
}

Json text_of(const std::string& path, const std::string& text) try {
  return Json::parse(Json(text).dump());
} catch (const Json::type_error&) {
  throw Error(ErrorCode::not_supported,
              fmt::format("/{} has bytes that are no UTF-8 text, so gpuctl leaves it alone; find them with "
                          "`iconv -f utf-8 /{} > /dev/null`, or make the change by hand",
                          path, path));
}

Json text_of(const std::string& path, const std::optional<std::string>& text) {
  return text ? text_of(path, *text) : Json(nullptr);
}

std::optional<std::string> text_or_null(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional{json.get<std::string>()};
}

/// Everything that gpuctl writes outside of its own directories; * is one component. Whoever gets hold of
/// gpuctld gets no further than this.
constexpr const char* configuration_files[] = {
    "etc/default/grub",
    "etc/default/grub.d/*.cfg",
    "boot/grub/grub.cfg",
    "boot/grub2/grub.cfg",
    "boot/grub2/grubenv",
    "etc/kernel/cmdline",
    "boot/loader/entries/*.conf",
    "efi/loader/entries/*.conf",
    "boot/efi/loader/entries/*.conf",
    "etc/kernelstub/configuration",
    "etc/modprobe.d/*.conf",
    "etc/udev/rules.d/61-gpuctl-*.rules",
    "etc/initramfs-tools/hooks/gpuctl",
    "etc/dracut.conf.d/90-gpuctl.conf",
    "etc/mkinitcpio.conf.d/90-gpuctl.conf",
    "etc/tmpfiles.d/10-looking-glass.conf",
};

std::string checked_path(const std::string& path) {
  const bool known = std::ranges::any_of(configuration_files, [&](const char* pattern) {
    return ::fnmatch(pattern, path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
  });
  if (!known)
    throw Error(ErrorCode::invalid_argument, fmt::format("not a file that gpuctl writes: {}", path));
  return path;
}

}  // namespace

std::string to_json(const ApplyRequest& request) {
  Json edits = Json::array();
  for (const auto& e : request.edits)
    edits.push_back({{"path", e.path},
                     {"before", text_of(e.path, e.before)},
                     {"after", text_of(e.path, e.after)},
                     {"executable", e.executable}});
  Json runs = Json::array();
  for (const auto& t : request.tools) runs.push_back({{"tool", t.tool}, {"arguments", t.arguments}});
  return Json{{"edits", edits}, {"tools", runs}}.dump(1);
}

ApplyRequest apply_request(std::string_view text) try {
  const auto json = Json::parse(text);
  ApplyRequest request;
  for (const auto& e : json.at("edits"))
    request.edits.push_back({checked_path(e.at("path")), text_or_null(e.at("before")),
                             text_or_null(e.at("after")), e.at("executable")});
  for (const auto& t : json.at("tools"))
    request.tools.push_back({t.at("tool"), t.at("arguments").get<std::vector<std::string>>()});
  for (const auto& t : request.tools) validate(tool_named(t.tool), t.arguments);
  return request;
} catch (const Json::exception& e) {
  throw Error(ErrorCode::invalid_argument, fmt::format("not a request to apply: {}", e.what()));
}

std::vector<std::string> command_of(const ToolRun& run, const RootDir& root) {
  const auto& tool = tool_named(run.tool);
  auto arguments = arguments_of(run);
  for (const auto* directory : {"usr/sbin/", "usr/bin/", "sbin/", "bin/"})
    if (const auto path = std::string(directory) + tool.program; root.exists(path)) {
      arguments.insert(arguments.begin(), "/" + path);
      return arguments;
    }
  throw Error(ErrorCode::not_supported, fmt::format("{} is not installed", tool.program));
}

std::string command_text(const ToolRun& run) {
  auto text = std::string(tool_named(run.tool).program);
  for (const auto& argument : arguments_of(run)) text += " " + quoted(argument);
  return text;
}

void apply(const RootDir& root, const ApplyRequest& request, const ToolRunner& run) {
  std::vector<std::vector<std::string>> commands;
  for (const auto& tool : request.tools) commands.push_back(command_of(tool, root));
  write_edits(root.path(), request.edits);
  for (const auto& command : commands) {
    const int status = run(command);
    if (status == 0) continue;
    write_edits(root.path(), reversed(request.edits));
    throw Error(ErrorCode::state_unwritable,
                fmt::format("{} failed with status {}{}", fmt::join(command, " "), status,
                            request.edits.empty() ? "" : "; what gpuctl itself had written is as it was"));
  }
}

}  // namespace gpuctl
