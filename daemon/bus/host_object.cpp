// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/host_object.hpp"

#include <fmt/format.h>

#include "bus/call_options.hpp"
#include "bus/gpu_calls.hpp"
#include "bus/query_reply.hpp"
#include "gpuctl_names.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/assignments.hpp"
#include "operations/host_changes.hpp"

namespace gpuctl {
namespace {

KernelArgumentsWish wish(const wire::Dict& options) {
  require_known(options, {"interactive", "passthrough", "drop-vfio-ids"});
  return {flag(options, "passthrough", false), flag(options, "drop-vfio-ids", false)};
}

/// What is plain without looking further is refused before anybody types a password in vain.
void require_side(const Gpu& gpu, const std::string& side, const Snapshot& snapshot) {
  wire::require_plain("the side", side);
  if (side == "clear") return;
  const auto wanted = boot_side(side);
  if (!wanted)
    throw Error(ErrorCode::invalid_argument, fmt::format("\"{}\" is not one of vm, host, last, clear", side));
  if (const auto problems = boot_policy_problems(gpu, *wanted, snapshot); is_blocked(problems))
    throw blocked_error(problems);
}

/// nullptr where none fits.
const Gpu* fitting_gpu(const Snapshot& snapshot, const std::string& argument) try {
  return &find_gpu(snapshot, argument);
} catch (const Error& e) {
  if (e.code() != ErrorCode::not_found) throw;
  return nullptr;
}

}  // namespace

HostObject::HostObject(sdbus::IConnection& connection, Gate& gate, Queries& queries, Configuring& configuring,
                       Inventory& inventory, BootApplication& boot_application, Platform platform)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{names::root_path}),
      gate_(gate),
      queries_(queries),
      configuring_(configuring),
      inventory_(inventory),
      boot_application_(boot_application),
      platform_(std::move(platform)) {
  registerAdaptor();
}

HostObject::~HostObject() { unregisterAdaptor(); }

PolkitDetails HostObject::details_of(const Gpu& gpu) const {
  return polkit_details(gpu, inventory_.snapshot(), vm_of(gpu.slot()));
}

std::string HostObject::vm_of(PciSlot gpu) const {
  StateDir dir(platform_.state_dir / "assignments");
  const auto assignment = Assignments(dir).find(gpu);
  return assignment ? assignment->vm_name : std::string{};
}

/// Nobody types a password in vain: before somebody is asked, what needs no change is answered.
void HostObject::configure(Change change, std::function<void(const Error&)> refused, Queries::Answer answer) {
  const auto caller = current_caller(getObject());
  if (!change.settled || !change.interactive) return pass_gate(caller, change, refused, answer);
  auto unasked = change;
  unasked.interactive = false;
  const auto look_first = [this, caller, change, refused, answer](const Error& error) {
    if (error.code() != ErrorCode::not_authorized) return refused(error);
    queries_.ask("configuration", caller.uid, change.settled,
                 [this, caller, change, refused, answer](std::variant<std::string, Error> found) {
                   const auto* text = std::get_if<std::string>(&found);
                   if (text == nullptr || !text->empty()) return answer(std::move(found));
                   pass_gate(caller, change, refused, answer);
                 });
  };
  pass_gate(caller, unasked, look_first, answer);
}

void HostObject::pass_gate(const BusCaller& caller, const Change& change,
                           const std::function<void(const Error&)>& refused, const Queries::Answer& answer) {
  gate_.pass(
      {caller, {names::action_configure}, change.details, change.interactive},
      [this, caller, change, refused, answer] {
        try {
          configuring_.run({change.what, caller.uid, change.body()}, answer);
        } catch (const Error& e) {
          refused(e);
        }
      },
      refused);
}

void HostObject::KernelArguments(sdbus::Result<wire::Dict>&& result) {
  const Reply<wire::Dict> reply{std::move(result)};
  answer(reply, [&] {
    queries_.ask(
        "kernel-arguments", current_caller(getObject()).uid,
        [platform = platform_] { return kernel_arguments(platform); }, dict_to(reply));
  });
}

void HostObject::PlanKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    static_cast<void>(flag(options, "interactive", true));
    queries_.ask(
        "kernel-arguments", current_caller(getObject()).uid,
        [wanted = wish(options), platform = platform_] { return plan_kernel_arguments(wanted, platform); },
        text_to(reply));
  });
}

void HostObject::EnableKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    const auto body = [wanted = wish(options), platform = platform_] {
      return enable_kernel_arguments(wanted, platform);
    };
    configure(
        {"sets kernel arguments",
         {},
         flag(options, "interactive", true),
         [wanted = wish(options), platform = platform_] { return enable_is_settled(wanted, platform); },
         [body] { return Queries::Body{body}; }},
        [reply](const Error& e) { reply.error(e); }, text_to(reply));
  });
}

void HostObject::UndoKernelArguments(sdbus::Result<std::string>&& result, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    require_known(options, {"interactive"});
    const auto body = [platform = platform_] { return undo_kernel_arguments(platform); };
    configure(
        {"takes kernel arguments back",
         {},
         flag(options, "interactive", true),
         [platform = platform_] { return undo_is_settled(platform); },
         [body] { return Queries::Body{body}; }},
        [reply](const Error& e) { reply.error(e); }, text_to(reply));
  });
}

void HostObject::BootPolicies(sdbus::Result<Dicts>&& result) {
  const Reply<Dicts> reply{std::move(result)};
  answer(reply, [&] {
    queries_.ask(
        "boot-policy", current_caller(getObject()).uid,
        [platform = platform_] { return boot_policies(platform); }, problems_to(reply));
  });
}

void HostObject::SetBootPolicy(sdbus::Result<std::string>&& result, std::string gpu, std::string side,
                               wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the GPU argument", gpu);
    require_known(options, {"interactive", "migrate"});
    const bool migrate = flag(options, "migrate", false);
    if (side == "clear" && fitting_gpu(inventory_.snapshot(), gpu) == nullptr)
      return clear_without_gpu(reply, gpu, flag(options, "interactive", true));
    const auto found = find_gpu(inventory_.snapshot(), gpu);
    require_side(found, side, inventory_.snapshot());
    const auto body = [this, address = found.address.str(), side, migrate] {
      return [gpu = find_gpu(inventory_.snapshot(), address), side, migrate, snapshot = inventory_.snapshot(),
              platform = platform_] { return set_boot_policy(gpu, side, migrate, snapshot, platform); };
    };
    const auto settled = [found, side, migrate, snapshot = inventory_.snapshot(), platform = platform_] {
      return set_is_settled(found, side, migrate, snapshot, platform);
    };
    configure(
        {"sets a boot policy", details_of(found), flag(options, "interactive", true), settled, body},
        [reply](const Error& e) { reply.error(e); }, text_to(reply));
  });
}

void HostObject::clear_without_gpu(const TextReply& reply, const std::string& argument, bool interactive) {
  const auto caller = current_caller(getObject());
  const auto clear = [this, reply, caller, interactive](const std::string& address) {
    const auto gpu = PciAddress::parse(address).value();
    const auto body = [gpu, platform = platform_] { return clear_boot_policy(gpu, platform); };
    const PolkitDetails details{{"gpu", address}, {"vm", vm_of(gpu.slot())}};
    pass_gate(
        caller, {"sets a boot policy", details, interactive, {}, [body] { return Queries::Body{body}; }},
        [reply](const Error& e) { reply.error(e); }, text_to(reply));
  };
  queries_.ask(
      "boot-policy", caller.uid,
      [argument, platform = platform_] { return gpu_with_policy(argument, platform); },
      [reply, clear](std::variant<std::string, Error> found) {
        answer(reply, [&] {
          if (const auto* error = std::get_if<Error>(&found)) throw *error;
          clear(std::get<std::string>(found));
        });
      });
}

void HostObject::ConfirmBootPolicy(sdbus::Result<std::string>&& result, std::string gpu, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the GPU argument", gpu);
    require_known(options, {"interactive"});
    const auto found = find_gpu(inventory_.snapshot(), gpu);
    const auto body = [found, platform = platform_] { return confirm_boot_policy(found, platform); };
    configure(
        {"confirms a boot policy", details_of(found), flag(options, "interactive", true),
         [found, platform = platform_] { return confirm_is_settled(found, platform); },
         [body] { return Queries::Body{body}; }},
        [reply](const Error& e) { reply.error(e); }, text_to(reply));
  });
}

/// Root alone, and nobody is asked: a boot so slow that polkit does not start in time would be without its
/// policy.
void HostObject::ApplyBootPolicy(sdbus::Result<Dicts>&& result, wire::Dict options) {
  const Reply<Dicts> reply{std::move(result)};
  answer(reply, [&] {
    const auto uid = current_caller(getObject()).uid;
    if (uid != 0)
      throw Error(ErrorCode::not_authorized, "only gpuctl-boot.service, which runs as root, may call this");
    require_known(options, {"interactive"});
    const auto body = [snapshot = inventory_.snapshot(), platform = platform_] {
      return apply_boot_policy(snapshot, platform);
    };
    const auto move = [this, reply, uid](std::variant<std::string, Error> found) {
      answer(reply, [&] {
        if (const auto* error = std::get_if<Error>(&found)) throw *error;
        boot_application_.run(boot_actions_from(std::get<std::string>(found)), uid,
                              [reply](const Problems& left) { reply.value(wire::problems(left)); });
      });
    };
    configuring_.run({"applies the boot policy", uid, body, true}, move);
  });
}

void HostObject::Report(sdbus::Result<std::string>&& result, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    require_known(options, {});
    queries_.ask(
        "report", current_caller(getObject()).uid,
        [caller = doctor_caller(getObject()), platform = platform_] { return report(caller, platform); },
        text_to(reply));
  });
}

}  // namespace gpuctl
