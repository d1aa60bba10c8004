// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/vms_object.hpp"

#include <fmt/format.h>

#include "bus/call_options.hpp"
#include "bus/gpu_calls.hpp"
#include "bus/query_reply.hpp"
#include "gpuctl_names.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/vm_queries.hpp"

namespace gpuctl {
namespace {

/// libvirt's part and gpuctl-apply's: what has been begun is not given up because the machine is busy.
constexpr std::chrono::seconds change_deadline{90};

/// As VmService takes them: booleans and strings.
Options plain_options(const wire::Dict& options) {
  Options result;
  for (const auto& [key, value] : options) {
    wire::require_plain("an option's name", key);
    if (value.containsValueOfType<bool>())
      result[key] = value.get<bool>();
    else if (value.containsValueOfType<std::string>())
      result[key] = value.get<std::string>();
    else
      throw Error(ErrorCode::invalid_argument, fmt::format("option {} takes a boolean or a string", key));
  }
  return result;
}

std::optional<Gpu> gpu_option(const wire::Dict& options, const Snapshot& snapshot) {
  const auto argument = find_option<std::string>(options, "gpu", "string");
  if (!argument || argument->empty()) return std::nullopt;
  return find_gpu(snapshot, *argument);
}

}  // namespace

VmsObject::VmsObject(sdbus::IConnection& connection, Gate& gate, Queries& queries, Inventory& inventory,
                     DomainLifecycle& lifecycle, Platform platform)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{names::root_path}),
      gate_(gate),
      queries_(queries),
      inventory_(inventory),
      lifecycle_(lifecycle),
      platform_(std::move(platform)) {
  registerAdaptor();
}

VmsObject::~VmsObject() { unregisterAdaptor(); }

void VmsObject::CheckVm(sdbus::Result<Dicts>&& result, std::string vm, wire::Dict options) {
  const Reply<Dicts> reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the VM's name", vm);
    require_known(options, {"interactive", "gpu"});
    static_cast<void>(flag(options, "interactive", true));
    const auto gpu = gpu_option(options, inventory_.snapshot());
    const auto body = [vm, gpu, snapshot = inventory_.snapshot(), platform = platform_] {
      return vm_check(vm, gpu, snapshot, platform);
    };
    queries_.ask("libvirt", current_caller(getObject()).uid, body, problems_to(reply));
  });
}

void VmsObject::CheckLookingGlass(sdbus::Result<Dicts>&& result, std::string vm, wire::Dict options) {
  const Reply<Dicts> reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the VM's name", vm);
    require_known(options, {"interactive"});
    static_cast<void>(flag(options, "interactive", true));
    queries_.ask(
        "libvirt", current_caller(getObject()).uid,
        [vm, person = person_behind(getObject()), platform = platform_] {
          return looking_glass_check(vm, person, platform);
        },
        problems_to(reply));
  });
}

void VmsObject::SetupVm(sdbus::Result<std::string>&& result, std::string vm, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the VM's name", vm);
    auto request = parse_setup_options(plain_options(options));
    PolkitDetails details;
    if (const auto gpu = gpu_option(options, inventory_.snapshot())) {
      request.gpu = gpu->slot();
      details = polkit_details(*gpu, inventory_.snapshot(), {});
    }
    const auto person = person_behind(getObject());
    const auto body = [vm, request, person, snapshot = inventory_.snapshot(), platform = platform_] {
      return vm_setup(vm, request, person, snapshot, platform);
    };
    Change change{vm, std::move(details), flag(options, "interactive", true), body};
    request.dry_run ? run(body, reply) : configure(std::move(change), reply);
  });
}

void VmsObject::UndoVm(sdbus::Result<std::string>&& result, std::string vm, wire::Dict options) {
  const TextReply reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the VM's name", vm);
    require_known(options, {"interactive", "dry-run"});
    const bool dry_run = flag(options, "dry-run", false);
    const auto body = [vm, dry_run, snapshot = inventory_.snapshot(), platform = platform_] {
      return vm_undo(vm, dry_run, snapshot, platform);
    };
    Change change{vm, {}, flag(options, "interactive", true), body};
    dry_run ? run(body, reply) : configure(std::move(change), reply);
  });
}

void VmsObject::run(const Queries::Body& body, const TextReply& reply) {
  queries_.ask("libvirt", current_caller(getObject()).uid, body, text_to(reply));
}

/// A rule is written for a VM's name: that is asked for first, whatever the caller called it.
void VmsObject::configure(Change change, const TextReply& reply) {
  const auto caller = current_caller(getObject());
  const auto name = [vm = change.vm, platform = platform_] { return vm_name(vm, platform); };
  queries_.ask("libvirt", caller.uid, name,
               [this, caller, change, reply](std::variant<std::string, Error> found) mutable {
                 if (const auto* error = std::get_if<Error>(&found)) return reply.error(*error);
                 change.details["vm"] = std::get<std::string>(found);
                 pass_gate(caller, change, reply);
               });
}

void VmsObject::pass_gate(const BusCaller& caller, const Change& change, const TextReply& reply) {
  gate_.pass(
      {caller, {names::action_configure}, change.details, change.interactive},
      [this, uid = caller.uid, body = change.body, reply] {
        answer(reply, [&] { queries_.ask("libvirt", uid, body, text_to(reply), change_deadline); });
      },
      [reply](const Error& error) { reply.error(error); });
}

/// libvirt runs its hooks as root; nobody else starts or ends a domain this way.
void VmsObject::require_root() const {
  if (current_caller(getObject()).uid != 0)
    throw Error(ErrorCode::not_authorized, "only libvirt's hook, which runs as root, may call this");
}

void VmsObject::PrepareDomain(sdbus::Result<>&& result, std::string name, std::string xml,
                              wire::Dict options) {
  const Reply<> reply{std::move(result)};
  answer(reply, [&] {
    require_root();
    wire::require_plain("the VM's name", name);
    require_known(options, {});
    lifecycle_.prepare(
        xml, [reply](const std::optional<Error>& error) { error ? reply.error(*error) : reply.value(); });
  });
}

void VmsObject::ReleaseDomain(sdbus::Result<>&& result, std::string name, std::string xml) {
  const Reply<> reply{std::move(result)};
  answer(reply, [&] {
    require_root();
    wire::require_plain("the VM's name", name);
    lifecycle_.release(xml);
    reply.value();
  });
}

}  // namespace gpuctl
