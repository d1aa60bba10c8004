// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/journal.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_number.hpp"

namespace gpuctl {
namespace {

using nlohmann::json;

constexpr int format_version = 1;

json to_json(const Plan& plan) {
  auto steps = json::array();
  for (const auto& s : plan) steps.push_back({to_string(s.kind), s.subject, s.from, s.to});
  return steps;
}

Step step(const json& j) {
  const auto kind = step_kind(j.at(0).get<std::string>());
  if (!kind) throw Error(ErrorCode::internal, "a journalled step is of no known kind");
  return {*kind, j.at(1).get<std::string>(), j.at(2).get<std::string>(), j.at(3).get<std::string>()};
}

json to_json(const ProcessId& process) { return {process.pid, process.start_time}; }

ProcessId process(const json& j) {
  return {json_number<int>(j.at(0)), json_number<unsigned long long>(j.at(1))};
}

json to_json(const JournalHeader& h) {
  return {{"version", format_version},       {"operation", h.operation},
          {"plan", to_json(h.plan)},         {"before", binding_to_json(h.before)},
          {"home", binding_to_json(h.home)}, {"boot_id", h.boot_id},
          {"helper", to_json(h.helper)},     {"vm", h.vm},
          {"started_by", h.started_by}};
}

JournalHeader header(const json& j) {
  if (json_number<int>(j.at("version")) != format_version)
    throw Error(ErrorCode::internal, "a journal of another version");
  JournalHeader h{.operation = j.at("operation").get<std::string>(),
                  .plan = {},
                  .before = binding_from_json(j.at("before")),
                  .home = binding_from_json(j.at("home")),
                  .boot_id = j.at("boot_id").get<std::string>(),
                  .helper = process(j.at("helper")),
                  .vm = j.at("vm").get<std::string>(),
                  .started_by = json_number<unsigned>(j.at("started_by"))};
  for (const auto& s : j.at("plan")) h.plan.push_back(step(s));
  return h;
}

std::string line(const json& record) {
  return checked_line(record.dump(-1, ' ', true, json::error_handler_t::replace));
}

std::size_t step_index(const json& j, const JournalContents& contents) {
  const auto index = json_number<std::size_t>(j);
  if (index >= contents.header.plan.size())
    throw Error(ErrorCode::internal, "a journalled step is not in its plan");
  return index;
}

void apply(JournalContents& contents, const json& record) {
  if (record.contains("begin")) contents.begun.push_back(step_index(record.at("begin"), contents));
  if (record.contains("done")) contents.done.push_back(step_index(record.at("done"), contents));
  if (record.contains("rolling_back")) contents.rolling_back = true;
  if (record.contains("helper")) contents.header.helper = process(record.at("helper"));
}

/// Lines with their newline; a last one without it is there too, and will not check.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1);
    lines.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

/// Throws what json and the readers above throw.
std::optional<JournalContents> read_records(const std::vector<std::string_view>& lines) {
  JournalContents contents;
  for (const auto each : lines) {
    const auto text = checked_text(each);
    if (!text) return std::nullopt;
    const auto record = json::parse(*text);
    if (json_number<std::size_t>(record.at("n")) != contents.lines) return std::nullopt;
    if (contents.lines++ == 0)
      contents.header = header(record.at("header"));
    else
      apply(contents, record);
  }
  return contents;
}

/// What a damaged journal's first line says, if that is whole and of this boot.
std::optional<JournalHeader> legible_header(const std::string& text, const std::string& boot_id) {
  auto first = parse_journal(text.substr(0, text.find('\n') + 1));
  if (!first || first->header.boot_id != boot_id) return std::nullopt;
  return std::move(first->header);
}

Problem corrupt(const std::filesystem::path& dir, const std::string& name, const std::string& aside) {
  return {
      "journal-corrupt", Severity::warning, (dir / aside).string(),
      fmt::format(
          "The journal of an operation on GPU {} is damaged; it was moved aside and nothing was done.", name),
      fmt::format("Look at the GPU with 'gpuctl show {0}'; 'gpuctl release {0}' puts it back.", name)};
}

}  // namespace

Plan JournalContents::begun_steps() const {
  Plan steps;
  for (const auto index : begun) steps.push_back(header.plan.at(index));
  return steps;
}

std::optional<JournalContents> parse_journal(const std::string& text) try {
  const auto lines = lines_of(text);
  return lines.empty() ? std::nullopt : read_records(lines);
} catch (const json::exception&) {
  return std::nullopt;
} catch (const Error&) {
  return std::nullopt;
}

Journal::Journal(StateDir& dir, std::string name, std::size_t lines)
    : dir_(&dir), name_(std::move(name)), lines_(lines) {}

void Journal::add(json record) {
  record["n"] = lines_;
  dir_->append(name_, line(record));
  ++lines_;
}

void Journal::begin(std::size_t index) { add({{"begin", index}}); }
void Journal::done(std::size_t index) { add({{"done", index}}); }
void Journal::rolling_back() { add({{"rolling_back", true}}); }
void Journal::helper(const ProcessId& process) { add({{"helper", to_json(process)}}); }
void Journal::close() { dir_->remove(name_); }

Journal JournalStore::create(const JournalHeader& header) {
  const auto name = header.home.slot().str();
  if (has(header.home.slot()))
    throw Error(ErrorCode::busy,
                fmt::format("an earlier operation on GPU {} has not been recovered yet", name));
  constexpr std::size_t line_room = 128;  // of a begin or done record, with room to spare
  const auto first = line({{"n", 0}, {"header", to_json(header)}});
  dir_.replace(name, first, first.size() + line_room * (2 * header.plan.size() + 4));
  return {dir_, name, 1};
}

Journal JournalStore::reopen(const JournalContents& contents) {
  return {dir_, contents.slot().str(), contents.lines};
}

JournalStore::Loaded JournalStore::load(const std::string& boot_id) {
  Loaded loaded;
  dir_.remove_unfinished();
  for (const auto& name : dir_.list()) {
    const auto text = dir_.read(name).value_or("");
    auto contents = parse_journal(text);
    if (!contents || contents->slot().str() != name) {
      loaded.problems.push_back(corrupt(dir_.path(), name, dir_.move_aside(name)));
      if (auto header = legible_header(text, boot_id)) loaded.headers.push_back(std::move(*header));
    } else if (contents->header.boot_id != boot_id) {
      dir_.remove(name);
    } else {
      loaded.unfinished.push_back(std::move(*contents));
    }
  }
  return loaded;
}

std::optional<JournalContents> JournalStore::find(PciSlot slot, const std::string& boot_id) const {
  auto contents = parse_journal(dir_.read(slot.str()).value_or(""));
  if (!contents || contents->slot() != slot || contents->header.boot_id != boot_id) return std::nullopt;
  return contents;
}

bool JournalStore::has(PciSlot slot) const { return dir_.read(slot.str()).has_value(); }

}  // namespace gpuctl
