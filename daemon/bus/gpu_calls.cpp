// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/gpu_calls.hpp"

#include <fmt/format.h>

#include "bus/call_options.hpp"
#include "gpuctl_names.hpp"
#include "os/rom_file.hpp"

namespace gpuctl {
namespace {

/// However often others move the GPU meanwhile.
constexpr int max_looks = 3;

Verb parse_verb(const std::string& text) {
  if (text == "attach") return Verb::attach;
  if (text == "release") return Verb::release;
  wire::require_plain("the verb", text);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("unknown verb {}; known are attach and release", text));
}

std::vector<std::string_view> known_options(Verb verb) {
  if (verb == Verb::attach) return {"interactive", "force", "live", "start", "keep"};
  return {"interactive", "force", "live", "reset", "rescan"};
}

std::vector<std::string> actions(const Request& request) {
  std::vector<std::string> result{request.verb == Verb::attach ? names::action_attach
                                                               : names::action_release};
  if (request.force || request.revival != Revival::none) result.emplace_back(names::action_force);
  return result;
}

}  // namespace

void GpuCalls::attach(const sdbus::Message& call, Reply<sdbus::ObjectPath> reply, std::string gpu,
                      std::string vm, const wire::Dict& dict) {
  answer(reply, [&] {
    const auto options = wire::options(dict, known_options(Verb::attach));
    begin({caller_of(call), wire::request(Verb::attach, std::move(gpu), std::move(vm), options),
           options.interactive, reply});
  });
}

void GpuCalls::release(const sdbus::Message& call, Reply<sdbus::ObjectPath> reply, std::string gpu,
                       const wire::Dict& dict) {
  answer(reply, [&] {
    const auto options = wire::options(dict, known_options(Verb::release));
    begin({caller_of(call), wire::request(Verb::release, std::move(gpu), {}, options), options.interactive,
           reply});
  });
}

void GpuCalls::attach_one(const std::string& gpu, sdbus::MethodCall call) {
  std::string vm;
  wire::Dict options;
  call >> vm >> options;
  attach(call, Reply{sdbus::Result<sdbus::ObjectPath>{call}}, gpu, vm, options);
}

void GpuCalls::release_one(const std::string& gpu, sdbus::MethodCall call) {
  wire::Dict options;
  call >> options;
  release(call, Reply{sdbus::Result<sdbus::ObjectPath>{call}}, gpu, options);
}

void GpuCalls::begin(Call call) {
  call.request = requests_.resolve(std::move(call.request));
  returns_.pass(call.request, call.caller.uid, [this, call] { answer(call.reply, [&] { look(call); }); });
}

void GpuCalls::look(Call call) {
  requests_.require_free(call.request);
  ++call.looks;
  requests_.survey(call.request, call.caller.uid, [this, call](std::variant<Look, Error> found) mutable {
    if (const auto* error = std::get_if<Error>(&found)) return call.reply.error(*error);
    call.look = std::move(std::get<Look>(found));
    answer(call.reply, [&] { surveyed(call); });
  });
}

/// An operation has come in between: what was seen may be half of what it did.
bool GpuCalls::is_stale(const Call& call) const {
  return returns_.concern(call.request) || requests_.moves(call.request) != call.look->moves;
}

/// Refuses before anybody types a password in vain, and grants without one what already holds.
void GpuCalls::surveyed(Call call) {
  const auto& survey = call.look->prepared.survey;
  if (is_stale(call) && call.looks < max_looks) return begin(call);
  requests_.require_free(call.request);
  if (is_stale(call))
    throw Error(ErrorCode::busy, fmt::format("one operation after the other runs on {}", call.request.gpu));
  if (is_blocked(survey.problems)) throw blocked_error(survey.problems);
  call.request.vm_name = survey.vm_name;
  if (survey.plan.empty() && !requests_.changes_record(call.request, survey))
    return call.reply.value(
        sdbus::ObjectPath{wire::operation_path(requests_.already(call.request, call.caller.uid))});
  call.asker = std::make_shared<Asker>(connection_, loop_, call.caller);
  gate_.pass(
      {call.caller, actions(call.request), requests_.details(call.request), call.interactive},
      [this, call] { answer(call.reply, [&] { allowed(call); }); },
      [reply = call.reply](const Error& error) { reply.error(error); });
}

void GpuCalls::allowed(const Call& call) {
  returns_.pass(call.request, call.caller.uid, [this, call] { answer(call.reply, [&] { start(call); }); });
}

void GpuCalls::start(const Call& call) {
  if (call.asker->has_left()) throw Error(ErrorCode::cancelled, "the caller has left the bus");
  const auto started = [asker = call.asker, reply = call.reply](std::variant<unsigned, Error> begun) {
    asker->answered();
    if (const auto* error = std::get_if<Error>(&begun)) return reply.error(*error);
    reply.value(sdbus::ObjectPath{wire::operation_path(std::get<unsigned>(begun))});
  };
  const auto id = requests_.start(call.request, call.caller.uid, started, call.look);
  call.asker->on_leaving([this, id] { requests_.cancel(id); });
}

void GpuCalls::check(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply, std::string gpu,
                     std::string vm, wire::Dict dict) {
  answer(reply, [&] {
    const auto verb = parse_verb(find_option<std::string>(dict, "verb", "string").value_or("attach"));
    dict.erase("verb");
    auto known = known_options(verb);
    known.emplace_back("verb");
    look_at(object, reply, wire::request(verb, std::move(gpu), std::move(vm), wire::options(dict, known)),
            [reply](const Survey& found) { reply.value(wire::problems(found.problems)); });
  });
}

void GpuCalls::plan(const sdbus::IObject& object, Reply<std::vector<wire::PlannedStep>> reply,
                    const std::string& verb, std::string gpu, std::string vm, const wire::Dict& dict) {
  answer(reply, [&] {
    const auto parsed = parse_verb(verb);
    const auto options = wire::options(dict, known_options(parsed));
    look_at(object, reply, wire::request(parsed, std::move(gpu), std::move(vm), options),
            [reply](const Survey& found) { reply.value(wire::plan(found.plan)); });
  });
}

void GpuCalls::read_rom(const sdbus::IObject& object, Reply<std::vector<std::uint8_t>> reply, std::string gpu,
                        const wire::Dict& dict) {
  answer(reply, [&] {
    const auto options = wire::options(dict, {"interactive"});
    const auto caller = current_caller(object);
    const auto request = requests_.resolve(wire::request(Verb::attach, std::move(gpu), {}, options));
    const auto address = *PciAddress::parse(request.gpu);
    require_rom(RootDir(platform_.root), address);  // nobody types a password for what is not there
    const auto body = [address, platform = platform_] {
      const RootDir root(platform.root);
      return gpuctl::read_rom(root, *platform.pci_control(root), address);
    };
    const auto deliver = [reply](std::variant<std::string, Error> result) {
      if (const auto* error = std::get_if<Error>(&result)) return reply.error(*error);
      const auto& bytes = std::get<std::string>(result);
      reply.value({bytes.begin(), bytes.end()});
    };
    gate_.pass(
        {caller, {names::action_attach}, requests_.details(request), options.interactive},
        [this, reply, request, caller, body, deliver] {
          answer(reply, [&] {
            queries_.ask("rom", caller.uid, body, [deliver, held = requests_.hold(request)](auto result) {
              deliver(std::move(result));
            });
          });
        },
        [reply](const Error& error) { reply.error(error); });
  });
}

}  // namespace gpuctl
