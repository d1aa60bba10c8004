// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rebind/executor.hpp"

namespace gpuctl {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> ending_names{"succeeded", "rolled-back", "failed", "cancelled"};

Ending ending(const std::string& text) {
  for (std::size_t i = 0; i < ending_names.size(); ++i)
    if (ending_names.at(i) == text) return static_cast<Ending>(i);
  throw Error(ErrorCode::internal, fmt::format("'{}' is no way to end", text));
}

}  // namespace

std::string_view to_string(Ending value) { return ending_names.at(static_cast<std::size_t>(value)); }

std::string encode(const Outcome& o) {
  json j{{"ending", to_string(o.ending)}, {"message", o.message}, {"healed", o.healed}, {"left", o.left}};
  if (o.error) j["error"] = error_name(*o.error);
  return j.dump(-1, ' ', true, json::error_handler_t::replace);
}

Outcome decode_outcome(const std::string& text) try {
  const auto j = json::parse(text);
  Outcome o{.ending = ending(j.at("ending").get<std::string>()),
            .error = {},
            .message = j.at("message").get<std::string>(),
            .healed = j.at("healed").get<bool>(),
            .left = j.at("left").get<std::vector<std::string>>()};
  if (j.contains("error")) o.error = error_code(j.at("error").get<std::string>());
  return o;
} catch (const json::exception& e) {
  throw Error(ErrorCode::internal, fmt::format("the helper's answer is not readable: {}", e.what()));
}

std::string sentence(std::string text) {
  if (!text.empty() && !text.ends_with('.')) text += '.';
  return text;
}

Outcome failed(const Error& error) {
  return {.ending = Ending::failed,
          .error = error.code(),
          .message = sentence(error.what()),
          .healed = false,
          .left = {}};
}

bool is_dispensable(const Step& step) {
  return step.kind == StepKind::start_unit || (step.kind == StepKind::load_module && step.to.empty());
}

std::string missed_sentence(const Step& step, const std::string& why) {
  if (step.kind == StepKind::start_unit)
    return fmt::format("{0} was not started ({1}); start it with: systemctl start {0}", step.subject, why);
  if (step.kind == StepKind::load_module)
    return fmt::format("Module {0} was not loaded ({1}); load it with: modprobe {0}", step.subject, why);
  return fmt::format("{} has not come back ({})", step.subject, why);
}

std::string missed_text(const Missed& missed) {
  std::string text;
  for (const auto& [subject, what] : missed) text += (text.empty() ? "" : " ") + sentence(what);
  return text;
}

bool is_vm_step(StepKind kind) { return kind >= StepKind::vm_add_devices && kind <= StepKind::vm_stop; }

std::chrono::milliseconds step_deadline(const Step& step) {
  using namespace std::chrono_literals;
  switch (step.kind) {
    case StepKind::stop_unit:
    case StepKind::start_unit:
    case StepKind::vm_plug:
    case StepKind::vm_unplug:
    case StepKind::vm_start:
    case StepKind::vm_stop:
    case StepKind::reset:  // the kernel itself waits a minute for the function to answer (pci_dev_wait)
      return 120s;
    case StepKind::load_module:
    case StepKind::unload_module:
    case StepKind::bind:
    case StepKind::rescan:
      return 60s;  // nvidia's probe uploads firmware
    case StepKind::unbind:
    case StepKind::remove:
      return 30s;
    default:
      return 15s;
  }
}

}  // namespace gpuctl
