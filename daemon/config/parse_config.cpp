// SPDX-License-Identifier: GPL-2.0-or-later
// One table of all settings: to add one, add its member to config.hpp, its row here, and both to gpuctl.toml
// and to gpuctl.toml(5); a test compares the three.
#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "config/config.hpp"

namespace gpuctl {
namespace {

/// What is wrong with a value; nothing if it has been taken.
using Complaint = std::optional<std::string>;
using Take = Complaint (*)(const toml::node&, Config&);

std::string_view kind_of(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

Complaint wrong_type(std::string_view wanted, const toml::node& value) {
  return fmt::format("must be {}, not {}", wanted, kind_of(value));
}

Complaint take(const toml::node& value, bool& to) {
  const auto* flag = value.as_boolean();
  if (flag == nullptr) return wrong_type("true or false", value);
  to = flag->get();
  return std::nullopt;
}

Complaint take(const toml::node& value, std::string& to) {
  const auto* text = value.as_string();
  if (text == nullptr) return wrong_type("text", value);
  if (text->get().empty()) return "must not be empty";
  to = text->get();
  return std::nullopt;
}

Complaint take_seconds(const toml::node& value, std::chrono::seconds& to, std::int64_t least) {
  constexpr std::int64_t most = 3600;
  const auto* seconds = value.as_integer();
  if (seconds == nullptr) return wrong_type("a whole number of seconds", value);
  if (seconds->get() < least || seconds->get() > most)
    return fmt::format("must be from {} to {} seconds, not {}", least, most, seconds->get());
  to = std::chrono::seconds{seconds->get()};
  return std::nullopt;
}

bool is_unit_pattern(std::string_view name) {
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@*?[]";
  return name.size() > 8 && name.size() < 256 && name.ends_with(".service") &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

Complaint take_units(const toml::node& value, std::vector<std::string>& to) {
  const auto* list = value.as_array();
  if (list == nullptr) return wrong_type("a list of unit names", value);
  std::vector<std::string> units;
  for (const auto& element : *list) {
    const auto* name = element.as_string();
    if (name == nullptr) return wrong_type("a list of unit names", element);
    if (!is_unit_pattern(name->get()))
      return fmt::format("lists \"{}\", which is no name of a service", name->get());
    units.push_back(name->get());
  }
  to = std::move(units);
  return std::nullopt;
}

template <class Enum, std::size_t Size>
Complaint take_choice(const toml::node& value, Enum& to,
                      const std::array<std::pair<std::string_view, Enum>, Size>& all) {
  std::string names;
  const auto* text = value.as_string();
  for (const auto& [name, choice] : all) {
    if (text != nullptr && text->get() == name) return to = choice, std::nullopt;
    names += fmt::format("{}\"{}\"", names.empty() ? "" : " or ", name);
  }
  return text == nullptr ? wrong_type(names, value)
                         : fmt::format("must be {}, not \"{}\"", names, text->get());
}

constexpr std::array sleep_policies{std::pair{std::string_view{"block"}, SleepPolicy::block},
                                    std::pair{std::string_view{"allow"}, SleepPolicy::allow}};
constexpr std::array log_levels{std::pair{std::string_view{"error"}, LogLevel::error},
                                std::pair{std::string_view{"warning"}, LogLevel::warning},
                                std::pair{std::string_view{"info"}, LogLevel::info},
                                std::pair{std::string_view{"debug"}, LogLevel::debug}};

struct Setting {
  std::string_view table, key;
  Take take;
};

using Node = toml::node;
constexpr std::array settings{
    Setting{"quiesce", "stop-units",
            [](const Node& v, Config& c) { return take_units(v, c.quiesce.stop_units); }},
    Setting{"quiesce", "drm-remove", [](const Node& v, Config& c) { return take(v, c.quiesce.drm_remove); }},
    Setting{"quiesce", "unload-modules",
            [](const Node& v, Config& c) { return take(v, c.quiesce.unload_modules); }},
    Setting{"quiesce", "settle",
            [](const Node& v, Config& c) { return take_seconds(v, c.quiesce.settle, 0); }},
    Setting{"timeouts", "unit", [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.unit, 1); }},
    Setting{"timeouts", "module",
            [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.module, 1); }},
    Setting{"timeouts", "bind", [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.bind, 1); }},
    Setting{"timeouts", "unbind",
            [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.unbind, 1); }},
    Setting{"timeouts", "vm", [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.vm, 1); }},
    Setting{"timeouts", "other",
            [](const Node& v, Config& c) { return take_seconds(v, c.timeouts.other, 1); }},
    Setting{"vm", "keep", [](const Node& v, Config& c) { return take(v, c.vm.keep); }},
    Setting{"vm", "libvirt-uri", [](const Node& v, Config& c) { return take(v, c.vm.libvirt_uri); }},
    Setting{
        "sleep", "while-vm-has-gpu",
        [](const Node& v, Config& c) { return take_choice(v, c.sleep.while_vm_has_gpu, sleep_policies); }},
    Setting{"operations", "retention",
            [](const Node& v, Config& c) { return take_seconds(v, c.operations.retention, 1); }},
    Setting{"polkit", "interactive", [](const Node& v, Config& c) { return take(v, c.polkit.interactive); }},
    Setting{"log", "level", [](const Node& v, Config& c) { return take_choice(v, c.log.level, log_levels); }},
};

bool is_table(std::string_view name) {
  return std::ranges::find(settings, name, &Setting::table) != settings.end();
}

const Setting* find(std::string_view table, std::string_view key) {
  const auto row =
      std::ranges::find_if(settings, [&](const auto& s) { return s.table == table && s.key == key; });
  return row == settings.end() ? nullptr : &*row;
}

/// "quiesce.settle", for a key that belongs into another table or is spelled with '_'.
std::string suggestion(std::string_view key) {
  std::string spelled{key};
  std::ranges::replace(spelled, '_', '-');
  for (const auto& s : settings)
    if (s.key == spelled) return fmt::format("; \"{}\" belongs into [{}]", s.key, s.table);
  return {};
}

class Reader {
 public:
  Reader(const std::string& file, Config base) : file_(file), loaded_{std::move(base), {}} {}

  LoadedConfig read(std::string_view text) {
    try {
      read_tables(toml::parse(text));
    } catch (const toml::parse_error& e) {
      report(Severity::blocker, e.source().begin, std::string{e.description()});
    }
    return std::move(loaded_);
  }

 private:
  void read_tables(const toml::table& document) {
    for (const auto& [name, value] : document) {
      if (!is_table(name.str()))
        unknown(name, fmt::format("unknown {} \"{}\"", value.is_table() ? "table" : "key", name.str()));
      else if (const auto* table = value.as_table())
        read_keys(name.str(), *table);
      else
        report(Severity::blocker, name.source().begin,
               fmt::format("\"{}\" must be a table: [{}]", name.str(), name.str()));
    }
  }

  void read_keys(std::string_view table, const toml::table& keys) {
    for (const auto& [name, value] : keys) {
      const auto* setting = find(table, name.str());
      if (setting == nullptr)
        unknown(name, fmt::format("unknown key \"{}\" in [{}]", name.str(), table));
      else if (const auto complaint = setting->take(value, loaded_.config))
        report(Severity::blocker, value.source().begin,
               fmt::format("{}.{} {}", table, name.str(), *complaint));
    }
  }

  void unknown(const toml::key& name, const std::string& message) {
    report(Severity::warning, name.source().begin, message + suggestion(name.str()));
  }

  void report(Severity severity, const toml::source_position& at, std::string message) {
    loaded_.problems.push_back({severity, file_, at.line, at.column, std::move(message)});
  }

  const std::string& file_;
  LoadedConfig loaded_;
};

}  // namespace

LoadedConfig parse_config(std::string_view text, const std::string& file, Config base) {
  auto loaded = Reader{file, std::move(base)}.read(text);
  std::ranges::stable_sort(loaded.problems, {}, [](const auto& p) { return std::pair{p.line, p.column}; });
  return loaded;
}

}  // namespace gpuctl
