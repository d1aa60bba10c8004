// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/kernel_args.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "os/replace_file.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

constexpr auto instance = "kernel-arguments";

std::optional<std::string> whole(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

bool fulfils(const std::vector<std::string>& arguments, const ArgumentChange& change) {
  return std::ranges::all_of(change.add, [&](const auto& a) { return has(arguments, a); }) &&
         std::ranges::none_of(change.remove, [&](const auto& r) { return has(arguments, r); });
}

ArgumentChange still_missing(const std::vector<std::string>& configured, ArgumentChange change) {
  std::erase_if(change.add, [&](const auto& a) { return has(configured, a); });
  std::erase_if(change.remove, [&](const auto& r) { return !has(configured, r); });
  return change;
}

ArgumentChange inverse(const ArgumentChange& change) { return {change.remove, change.add}; }

std::string in_words(const ArgumentChange& change) {
  std::vector<std::string> parts;
  if (!change.add.empty()) parts.push_back(fmt::format("added {}", joined(change.add)));
  if (!change.remove.empty()) parts.push_back(fmt::format("removed {}", joined(change.remove)));
  return parts.size() == 2 ? parts[0] + " and " + parts[1] : parts.empty() ? "nothing" : parts[0];
}

std::string advice(const IommuSupport& support, bool configured) {
  switch (support.stage) {
    case IommuStage::active:
      return "the IOMMU is on; no kernel argument is needed";
    case IommuStage::not_in_firmware:
      return fmt::format(
          "{} is off in the firmware setup (no {}): switch it on there, a kernel argument does not help",
          support.intel ? "VT-d" : "AMD-Vi", support.table);
    case IommuStage::failed:
      return "the kernel should use the IOMMU and does not; its log says why (`gpuctl doctor`)";
    default:
      break;
  }
  return configured ? "the arguments are set: reboot to make them count"
                    : "the IOMMU is off; `gpuctl kernel-args enable` sets it on";
}

/// A tool's file that is not there yet, that is a link, or that is no UTF-8 text (titles of other systems in
/// a boot menu) is not put back but made again by the tool.
bool can_be_put_back(const RootDir& root, const std::string& path) {
  std::error_code none;
  if (std::filesystem::is_symlink(root.path() / path, none)) return false;
  const auto text = read_exactly(root, path);
  const auto json = Json(text.value_or("")).dump(-1, ' ', false, Json::error_handler_t::ignore);
  return text && Json::parse(json) == Json(*text);
}

ConfigChange without_obstacle(ConfigChange planned) {
  if (!planned.obstacle.empty()) throw Error(ErrorCode::not_supported, planned.obstacle);
  return planned;
}

bool untouched(const RootDir& root, const FileEdits& edits) {
  return std::ranges::all_of(edits, [&](const auto& f) { return read_exactly(root, f.path) == f.after; });
}

/// A job that was merged with an earlier one of the same unit ends well without having seen this request.
void require_written(const RootDir& root, const ApplyRequest& request, const std::string& name) {
  for (const auto& edit : request.edits)
    if (read_exactly(root, edit.path) != edit.after)
      throw Error(
          ErrorCode::state_unwritable,
          fmt::format("gpuctl-apply@{} ended without an error, but /{} is not as it should be; try again",
                      name, edit.path));
}

}  // namespace

/// One enable(), with all that its undo needs.
struct KernelArguments::Record {
  std::string mechanism;
  ArgumentChange change;
  FileEdits edits;    ///< gpuctl's own
  FileEdits watched;  ///< the tool's; `after` is known once it has run

  static Json json(const FileEdits& edits) {
    return Json::parse(to_json(ApplyRequest{edits, {}})).at("edits");
  }
  static FileEdits from(const Json& json) {
    return apply_request(Json{{"edits", json}, {"tools", Json::array()}}.dump()).edits;
  }
};

std::string KernelArgumentsPlan::text() const {
  if (empty()) return {};
  auto text = unified_diff(config.request.edits) + config.tool_diff;
  for (const auto& tool : config.request.tools) text += fmt::format("# run: {}\n", command_text(tool));
  return text;
}

KernelArguments::KernelArguments(const RootDir& root, SystemdControl& systemd, HostPaths paths)
    : root_(root), systemd_(systemd), paths_(std::move(paths)) {}

KernelArgumentsState KernelArguments::state() const {
  const KernelCommandLine running{root_.text("proc/cmdline")};
  const auto& loader = find_boot_loader(root_);
  const auto support = read_iommu_support(root_, running);
  KernelArgumentsState state;
  state.mechanism = loader.id();
  state.description = loader.description();
  state.current = running.arguments();
  state.configured = loader.configured(root_);
  const auto need = needed_iommu_arguments(support);
  state.needed = still_missing(state.configured, need);
  state.advice = advice(support, !need.empty() && state.needed.empty());
  const auto done = records();
  state.changed_by_gpuctl = !done.empty();
  state.reboot_needed =
      std::ranges::any_of(done, [&](const auto& r) { return !fulfils(state.current, r.change); });
  return state;
}

KernelArgumentsPlan KernelArguments::plan(const KernelArgumentsWish& wish) const {
  const KernelCommandLine running{root_.text("proc/cmdline")};
  KernelArgumentsPlan planned;
  planned.loader = &find_boot_loader(root_);
  const auto configured = planned.loader->configured(root_);
  auto change = needed_iommu_arguments(read_iommu_support(root_, running));
  if (wish.passthrough) change.add.emplace_back("iommu=pt");
  if (wish.drop_vfio_ids)
    for (const auto& argument : configured)
      if (argument.starts_with("vfio-pci.ids=") || argument.starts_with("vfio_pci.ids="))
        change.remove.push_back(argument);
  planned.change = still_missing(configured, change);
  if (!planned.change.empty()) planned.config = without_obstacle(planned.loader->plan(root_, planned.change));
  return planned;
}

std::vector<KernelArguments::Record> KernelArguments::records() const {
  const auto text = whole(paths_.state / "kernel-args.json");
  if (!text) return {};
  try {
    const auto json = Json::parse(*text);
    std::vector<Record> all;
    for (const auto& r : json.at("changes"))
      all.push_back({r.at("mechanism"),
                     {r.at("add"), r.at("remove")},
                     Record::from(r.at("edits")),
                     Record::from(r.at("watched"))});
    return all;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::internal,
                fmt::format("{}: {}", (paths_.state / "kernel-args.json").string(), e.what()));
  }
}

void KernelArguments::keep(const std::vector<Record>& all) const {
  const auto path = paths_.state / "kernel-args.json";
  if (all.empty()) return remove_file(path);
  Json changes = Json::array();
  for (const auto& r : all)
    changes.push_back({{"mechanism", r.mechanism},
                       {"add", r.change.add},
                       {"remove", r.change.remove},
                       {"edits", Record::json(r.edits)},
                       {"watched", Record::json(r.watched)}});
  replace_file(path, Json{{"format", 1}, {"changes", changes}}.dump(1) + "\n", 0600);
}

void apply_by_systemd(const RootDir& root, SystemdControl& systemd, const HostPaths& paths,
                      const std::string& name, const ApplyRequest& request) {
  const auto file = paths.runtime / "apply" / (name + ".json");
  replace_file(file, to_json(request), 0600);
  try {
    systemd.start_unit("gpuctl-apply@" + name + ".service");
  } catch (const Error& e) {
    remove_file(file);
    throw Error(e.code(), fmt::format("{}; `journalctl -b -u gpuctl-apply@{}` has the tool's own words",
                                      e.what(), name));
  }
  remove_file(file);
  require_written(root, request, name);
}

void KernelArguments::carry_out(const ApplyRequest& request) {
  apply_by_systemd(root_, systemd_, paths_, instance, request);
}

/// A tool that reports success and leaves the argument out would be found by nobody before the next boot.
void KernelArguments::verify(const BootLoader& loader, const ArgumentChange& change) const {
  const auto effective = loader.effective(root_);
  const bool good = fulfils(loader.configured(root_), change) || loader.id() == rpm_ostree().id();
  const bool everywhere = std::ranges::all_of(
      effective, [&](const auto& line) { return fulfils(split_arguments(line), change); });
  if (good && everywhere) return;
  throw Error(
      ErrorCode::internal,
      fmt::format("{} ran without an error, but the boot loader's entries do not have the change ({})",
                  loader.description(), in_words(change)));
}

std::string KernelArguments::nothing_to_enable(const KernelArgumentsWish& wish) const {
  return plan(wish).empty() ? "nothing to change: " + state().advice : "";
}

std::string KernelArguments::nothing_to_undo() const {
  return records().empty() ? "nothing to undo: gpuctl has changed no kernel arguments" : "";
}

std::string KernelArguments::enable(const KernelArgumentsWish& wish) {
  if (auto why = nothing_to_enable(wish); !why.empty()) return why;
  const auto planned = plan(wish);
  const auto before = records();
  auto all = before;
  Record record{std::string(planned.loader->id()), planned.change, planned.config.request.edits, {}};
  for (const auto& path : planned.config.watched)
    if (can_be_put_back(root_, path)) record.watched.push_back({path, read_exactly(root_, path), {}});
  all.push_back(record);
  keep(all);
  try {
    carry_out(planned.config.request);
  } catch (const Error&) {
    keep(before);
    throw;
  }
  for (auto& file : all.back().watched) file.after = read_exactly(root_, file.path);
  keep(all);
  verify(*planned.loader, planned.change);
  return fmt::format("{}; reboot to make it count", in_words(planned.change));
}

ApplyRequest KernelArguments::undo_request(const Record& record) const {
  const auto* loader = boot_loader(record.mechanism);
  if (loader == nullptr)
    throw Error(ErrorCode::not_supported,
                fmt::format("the record names an unknown mechanism \"{}\"", record.mechanism));
  const auto back = loader->plan(root_, inverse(record.change)).request;
  if (!untouched(root_, record.edits)) return back;
  ApplyRequest request{reversed(record.edits), {}};
  // What a tool generated is put back as it was; where others have changed it since, the tool does its work
  // again.
  if (record.watched.empty() || !untouched(root_, record.watched)) {
    request.tools = back.tools;
    return request;
  }
  for (const auto& file : reversed(record.watched))
    if (file.before != file.after) request.edits.push_back(file);
  return request;
}

std::string KernelArguments::undo() {
  auto all = records();
  if (all.empty()) return nothing_to_undo();
  ArgumentChange undone;
  while (!all.empty()) {
    const auto record = all.back();
    carry_out(undo_request(record));
    std::ranges::copy(record.change.add, std::back_inserter(undone.remove));
    std::ranges::copy(record.change.remove, std::back_inserter(undone.add));
    all.pop_back();
    keep(all);
  }
  return fmt::format("{}; reboot to make it count", in_words(undone));
}

}  // namespace gpuctl
