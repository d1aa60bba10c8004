// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/messages.hpp"

namespace gpuctl::messages {
namespace {

template <class List>
Json array_of(const List& list, Json (*convert)(const typename List::value_type&)) {
  auto array = Json::array();
  for (const auto& item : list) array.push_back(convert(item));
  return array;
}

/// Text from the kernel or libvirt need not be UTF-8; what is not becomes U+FFFD.
std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Severity severity(const std::string& name) {
  for (const auto s : {Severity::blocker, Severity::warning, Severity::info, Severity::ok})
    if (to_string(s) == name) return s;
  return Severity::blocker;
}

}  // namespace

namespace {

/// Its plan is the survey's.
Json transaction(const Transaction& t) {
  return {{"operation", t.operation},
          {"before", binding_to_json(t.before)},
          {"home", binding_to_json(t.home)},
          {"vm", t.vm},
          {"started_by", t.started_by}};
}

Transaction transaction(const Json& json) {
  return {json.at("operation"),
          {},
          binding_from_json(json.at("before")),
          binding_from_json(json.at("home")),
          json.at("vm"),
          json.at("started_by")};
}

Json quiesce(const QuiescePlan& q) {
  return {{"units", q.units}, {"drm_cards", q.drm_cards}, {"modules", q.modules}, {"leaving", q.leaving}};
}

QuiescePlan quiesce(const Json& json) {
  return {json.at("units"), json.at("drm_cards"), json.at("modules"), json.at("leaving")};
}

}  // namespace

Json step(const Step& s) {
  return {{"kind", to_string(s.kind)}, {"subject", s.subject}, {"from", s.from}, {"to", s.to}};
}

Step step(const Json& json) {
  const auto kind = step_kind(json.at("kind").get<std::string>());
  if (!kind) throw Error(ErrorCode::internal, "unknown kind of step in a worker's message");
  return {*kind, json.at("subject"), json.at("from"), json.at("to")};
}

Json problem(const Problem& p) {
  return {{"id", p.id},
          {"severity", to_string(p.severity)},
          {"subject", p.subject},
          {"message", p.message},
          {"remedy", p.remedy}};
}

Problem problem(const Json& json) {
  return {json.at("id"), severity(json.at("severity")), json.at("subject"), json.at("message"),
          json.at("remedy")};
}

std::string prepared(const Prepared& p) {
  return text({{"type", "prepared"},
               {"problems", array_of(p.survey.problems, problem)},
               {"plan", array_of(p.survey.plan, step)},
               {"vm_name", p.survey.vm_name},
               {"vm_uuid", p.survey.vm_uuid},
               {"transaction", transaction(p.transaction)},
               {"quiesce", quiesce(p.quiesce)}});
}

std::string looked() { return text({{"type", "looked"}}); }

std::string plan(const Plan& p) { return text({{"type", "plan"}, {"plan", array_of(p, step)}}); }

std::string undo(const Step& s, StepState state) {
  return text({{"type", "undo"}, {"step", step(s)}, {"state", static_cast<int>(state)}});
}

std::string progress(std::size_t index, StepState state) {
  return text({{"type", "progress"}, {"index", index}, {"state", static_cast<int>(state)}});
}

std::string end(OperationState state, const std::string& error, const std::string& message) {
  return text({{"type", "end"}, {"state", to_string(state)}, {"error", error}, {"message", message}});
}

std::string error(const Error& e) {
  return text({{"type", "error"}, {"error", error_name(e.code())}, {"message", e.what()}});
}

Plan plan(const Json& json) {
  Plan result;
  for (const auto& s : json.at("plan")) result.push_back(step(s));
  return result;
}

Prepared prepared(const Json& json) {
  Prepared result{{{}, plan(json), json.at("vm_name"), json.at("vm_uuid")},
                  transaction(json.at("transaction")),
                  quiesce(json.at("quiesce"))};
  for (const auto& p : json.at("problems")) result.survey.problems.push_back(problem(p));
  result.transaction.plan = result.survey.plan;
  return result;
}

Error error(const Json& json) {
  return {error_code(json.at("error").get<std::string>()), json.at("message").get<std::string>()};
}

}  // namespace gpuctl::messages
