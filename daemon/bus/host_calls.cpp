// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/host_calls.hpp"

#include "bus/caller.hpp"
#include "bus/query_reply.hpp"
#include "gpuctl_names.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/host_queries.hpp"
#include "operations/polkit_details.hpp"
#include "operations/vm_queries.hpp"

namespace gpuctl {
namespace {

/// Reading does not wait for a polkit that is silent.
constexpr std::chrono::milliseconds polkit_patience{1000};

}  // namespace

void HostCalls::list_users(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply,
                           std::string gpu) {
  answer(reply, [&] {
    wire::require_plain("the GPU argument", gpu);
    const auto caller = current_caller(object);
    const auto found = find_gpu(inventory_.snapshot(), gpu);
    queries_.require_room(caller.uid);
    inventory_.refresh({found.functions.begin(), found.functions.end()});
    const auto body = [functions = found.functions, uid = caller.uid, platform = platform_] {
      return users_of(functions, uid, platform);
    };
    queries_.ask("users", caller.uid, body,
                 users_to(reply, {caller,
                                  {names::action_attach},
                                  polkit_details(found, inventory_.snapshot(), ""),
                                  false,
                                  polkit_patience}));
  });
}

/// Who may take the GPU away sees all of who has it. Nobody is asked for a password for that.
Queries::Answer HostCalls::users_to(Reply<std::vector<wire::Dict>> reply, Passage passage) {
  return [this, passage = std::move(passage),
          tell = problems_to(reply)](std::variant<std::string, Error> result) {
    const auto* lists = std::get_if<std::string>(&result);
    const auto end = lists == nullptr ? std::string::npos : lists->find('\n');
    if (end == std::string::npos) return tell(std::move(result));
    gate_.pass(
        passage, [tell, all = lists->substr(end + 1)] { tell(all); },
        [tell, visible = lists->substr(0, end)](const Error&) { tell(visible); });
  };
}

void HostCalls::list_vms(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply) {
  answer(reply, [&] {
    queries_.ask(
        "libvirt", current_caller(object).uid,
        [snapshot = inventory_.snapshot(), platform = platform_] {
          return virtual_machines(snapshot, platform);
        },
        problems_to(reply));
  });
}

void HostCalls::diagnose(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply) {
  answer(reply, [&] {
    const auto caller = doctor_caller(object);
    queries_.ask(
        "doctor", caller.uid,
        [caller, snapshot = inventory_.snapshot(), platform = platform_] {
          return diagnosis(snapshot, caller, platform);
        },
        problems_to(reply));
  });
}

}  // namespace gpuctl
