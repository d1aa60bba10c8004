// SPDX-License-Identifier: GPL-2.0-or-later
// What changes something of KernelArguments.
#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "host/attempts.hpp"
#include "host/boot_files.hpp"
#include "host/kernel_args.hpp"
#include "host/kernel_args_record.hpp"
#include "host/kernel_command_line.hpp"
#include "os/replace_file.hpp"

namespace gpuctl {
namespace {

using Record = KernelArgumentsRecord;

constexpr auto instance = "kernel-arguments";
constexpr auto by_undo = "`gpuctl kernel-args undo` takes it out";

std::string in_words(const ArgumentChange& change) {
  std::vector<std::string> parts;
  if (!change.add.empty()) parts.push_back(fmt::format("added {}", joined(change.add)));
  if (!change.remove.empty()) parts.push_back(fmt::format("removed {}", joined(change.remove)));
  return parts.size() == 2 ? parts[0] + " and " + parts[1] : parts.empty() ? "nothing" : parts[0];
}

/// A tool's file that is not there yet, or that is no UTF-8 text (titles of other systems in a boot menu) is
/// not put back but made again by the tool.
bool can_be_put_back(const std::optional<std::string>& text) {
  using Json = nlohmann::json;
  const auto json = Json(text.value_or("")).dump(-1, ' ', false, Json::error_handler_t::ignore);
  return text && Json::parse(json) == Json(*text);
}

FileContents contents_of(const RootDir& root, const std::vector<std::string>& paths) {
  FileContents all;
  for (const auto& path : paths) all[path] = read_exactly(root, path);
  return all;
}

Record new_record(const KernelArgumentsPlan& planned, const FileContents& before) {
  Record record{std::string(planned.loader->id()), planned.change, planned.config.request.edits, {}};
  for (const auto& [path, text] : before)
    if (can_be_put_back(text)) record.watched.push_back({path, text, {}});
  return record;
}

bool untouched(const RootDir& root, const FileEdits& edits) {
  return std::ranges::all_of(edits, [&](const auto& f) { return read_exactly(root, f.path) == f.after; });
}

/// Entries of a kernel that came later are not in the record.
bool has_all_of(const Record& record, const std::vector<std::string>& watched) {
  std::set<std::string> known;
  for (const auto& file : record.watched) known.insert(file.path);
  return known == std::set<std::string>(watched.begin(), watched.end());
}

const BootLoader& mechanism_of(const Record& record) {
  if (const auto* loader = boot_loader(record.mechanism)) return *loader;
  throw Error(ErrorCode::not_supported,
              fmt::format("the record names an unknown mechanism \"{}\"", record.mechanism));
}

ApplyRequest possible(const ConfigChange& planned) {
  if (!planned.obstacle.empty()) throw Error(ErrorCode::not_supported, planned.obstacle);
  return planned.request;
}

/// Without /etc/kernel/cmdline kernel-install takes the running kernel's arguments, gpuctl's among them once
/// the machine was rebooted.
bool would_inherit(const RootDir& root, const Record& record) {
  return std::ranges::any_of(record.edits,
                             [](const auto& e) { return !e.before && e.path == "etc/kernel/cmdline"; }) &&
         !fulfils(split_arguments(root.text("proc/cmdline")), inverse(record.change));
}

/// From whatever a failed change has left to what was there before it.
FileEdits back_to_before(const RootDir& root, const Record& record) {
  FileEdits all = record.edits;
  std::ranges::copy(record.watched, std::back_inserter(all));
  for (auto& edit : all) edit.after = read_exactly(root, edit.path);
  std::erase_if(all, [](const auto& e) { return e.before == e.after; });
  return reversed(all);
}

ApplyRequest undo_request(const RootDir& root, const Record& record) {
  const auto planned = mechanism_of(record).plan(root, inverse(record.change));
  if (!untouched(root, record.edits)) return possible(planned);
  ApplyRequest request{reversed(record.edits), {}};
  // What a tool generated is put back as it was; where others have changed it since, the tool does its work
  // again.
  if (record.watched.empty() || !has_all_of(record, planned.watched) || !untouched(root, record.watched)) {
    if (would_inherit(root, record)) return possible(planned);
    request.tools = planned.request.tools;
    return request;
  }
  for (const auto& file : reversed(record.watched))
    if (file.before != file.after) request.edits.push_back(file);
  return request;
}

bool all_fulfil(const std::vector<std::string>& lines, const ArgumentChange& change) {
  return std::ranges::all_of(lines, [&](const auto& line) { return fulfils(split_arguments(line), change); });
}

/// A tool that reports success and leaves the argument out would be found by nobody before the next boot.
bool arrived(const RootDir& root, const BootLoader& loader, const ArgumentChange& change) {
  return (fulfils(loader.configured(root), change) || loader.id() == rpm_ostree().id()) &&
         all_fulfil(loader.effective(root), change);
}

/// After a tool has made the entries anew. What somebody else has configured as well may be there.
bool went(const RootDir& root, const BootLoader& loader, const Record& record) {
  auto expected = inverse(record.change);
  const auto configured = loader.configured(root);
  const auto is_configured = [&](const auto& a) {
    return std::ranges::find(configured, a) != configured.end();
  };
  if (!record.edits.empty()) {
    std::erase_if(expected.remove, is_configured);
    std::erase_if(expected.add, std::not_fn(is_configured));
  }
  return all_fulfil(loader.effective(root), expected);
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
  if (request != ApplyRequest{}) apply_by_systemd(root_, systemd_, paths_, instance, request);
}

void KernelArguments::carry_out_for_good(const ApplyRequest& request) {
  carry_out({request.edits, {}});
  carry_out({{}, request.tools});
}

/// Throws `failure` again, and says where something of the change may have stayed.
void KernelArguments::give_up(const KernelArgumentsPlan& planned, const Record& record,
                              const FileContents& before, const Error& failure) {
  const auto kept = fmt::format("{}; a part of the change may be in place: {}", failure.what(), by_undo);
  try {
    carry_out({back_to_before(root_, record), {}});
  } catch (const Error&) {
    throw Error(failure.code(), kept);
  }
  const auto watched = planned.loader->plan(root_, planned.change).watched;
  if (planned.config.unseen || contents_of(root_, watched) != before) throw Error(failure.code(), kept);
  auto all = read_records(record_file(paths_.state));
  all.pop_back();
  keep_records(record_file(paths_.state), all);
  throw failure;
}

std::string KernelArguments::enable(const KernelArgumentsWish& wish) {
  if (auto why = nothing_to_enable(wish); !why.empty()) return why;
  const auto planned = plan(wish);
  const auto before = contents_of(root_, planned.config.watched);
  auto all = read_records(record_file(paths_.state));
  auto& record = all.emplace_back(new_record(planned, before));
  keep_records(record_file(paths_.state), all);
  try {
    carry_out(planned.config.request);
  } catch (const Error& e) {
    give_up(planned, record, before, e);
  }
  for (auto& file : record.watched) file.after = read_exactly(root_, file.path);
  keep_records(record_file(paths_.state), all);
  if (!arrived(root_, *planned.loader, planned.change)) take_back(planned);
  return fmt::format("{}; reboot to make it count", in_words(planned.change));
}

void KernelArguments::take_back(const KernelArgumentsPlan& planned) {
  const auto what =
      fmt::format("{} ran without an error, but the boot loader's entries do not have the change ({})",
                  planned.loader->description(), in_words(planned.change));
  try {
    undo_last();
  } catch (const Error& e) {
    throw Error(ErrorCode::internal,
                fmt::format("{}; it was kept, for taking it back failed: {}", what, e.what()));
  }
  throw Error(ErrorCode::internal, what + "; it was taken back");
}

/// The record stays where that fails, for another try.
ArgumentChange KernelArguments::undo_last(void (KernelArguments::*how)(const ApplyRequest&)) {
  auto all = read_records(record_file(paths_.state));
  const auto record = all.back();
  const auto request = undo_request(root_, record);
  (this->*how)(request);
  if (!request.tools.empty() && !went(root_, mechanism_of(record), record))
    throw Error(ErrorCode::internal,
                fmt::format("{} ran without an error, but the boot loader's entries are not as before ({}); "
                            "try again, or take it out of them by hand",
                            mechanism_of(record).description(), in_words(record.change)));
  all.pop_back();
  keep_records(record_file(paths_.state), all);
  return inverse(record.change);
}

void KernelArguments::forget() {
  const auto file = record_file(paths_.state);
  Attempts attempt;
  for (auto all = read_records(file); !all.empty(); all.pop_back())
    attempt([&] {
      keep_records(file, all);
      undo_last(&KernelArguments::carry_out_for_good);
    });
  keep_records(file, {});
  attempt.tell();
}

std::string KernelArguments::undo() {
  if (auto why = nothing_to_undo(); !why.empty()) return why;
  ArgumentChange undone;
  while (nothing_to_undo().empty()) {
    const auto change = undo_last();
    std::ranges::copy(change.add, std::back_inserter(undone.add));
    std::ranges::copy(change.remove, std::back_inserter(undone.remove));
  }
  return fmt::format("{}; reboot to make it count", in_words(undone));
}

}  // namespace gpuctl
