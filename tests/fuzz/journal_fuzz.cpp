// SPDX-License-Identifier: GPL-2.0-or-later
// Every line gets its right checksum, so that what is behind it is reached too.
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "fuzz/fuzz.hpp"
#include "rebind/binding.hpp"
#include "rebind/journal.hpp"

using namespace gpuctl;

namespace {

/// A journal that is believed names only steps of its own plan.
void check(const JournalContents& journal) {
  const auto outside = [&](std::size_t step) { return step >= journal.header.plan.size(); };
  if (std::ranges::any_of(journal.begun, outside) || std::ranges::any_of(journal.done, outside)) std::abort();
  if (journal.begun_steps().size() > journal.lines) std::abort();
}

void check_binding(const nlohmann::json& json) {
  try {
    const auto binding = binding_from_json(json);
    if (binding_from_json(binding_to_json(binding)) != binding) std::abort();
  } catch (const std::exception&) {  // refused, as corrupt ones are
  }
}

Binding laptop() {
  Binding binding;
  binding.gpu = {0, 1, 0, 0};
  binding.boot_id = "b";
  binding.vm = "gaming";
  for (const std::uint8_t number : {0, 1}) {
    FunctionBinding function;
    function.address = {0, 1, 0, number};
    function.id = {0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000};
    function.driver = function.module = "nvidia";
    function.power_control = "auto";
    function.d3cold_allowed = true;
    binding.functions.push_back(function);
  }
  return binding;
}

JournalHeader header() {
  return {.operation = "attach",
          .plan = {{StepKind::set_override, "0000:01:00.0", "", "vfio-pci"},
                   {StepKind::unbind, "0000:01:00.0", "nvidia", ""},
                   {StepKind::bind, "0000:01:00.0", "", "vfio-pci"}},
          .before = laptop(),
          .home = laptop(),
          .boot_id = "b",
          .helper = {7, 8},
          .vm = "gaming",
          .started_by = 1000};
}

/// As the store writes it, without the checksums.
std::string journal() {
  std::string name = std::filesystem::temp_directory_path() / "journal-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  StateDir dir{name};
  auto journal = JournalStore{dir}.create(header());
  for (const std::size_t step : {0, 1}) journal.begin(step), journal.done(step);
  journal.rolling_back();
  std::istringstream lines{dir.read(dir.list().front()).value()};
  std::string bare;
  for (std::string line; std::getline(lines, line);) bare += *checked_text(line + "\n") + "\n";
  std::filesystem::remove_all(name);
  return bare;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream lines{std::string(data, data + size)};
  std::string checked;
  for (std::string line; std::getline(lines, line);) checked += checked_line(line);
  if (const auto parsed = parse_journal(checked)) check(*parsed);
  const auto json = nlohmann::json::parse(data, data + size, nullptr, false);
  if (!json.is_discarded()) check_binding(json);
  return 0;
}

std::vector<std::string> fuzz::seeds() { return {journal(), binding_to_json(laptop()).dump()}; }
