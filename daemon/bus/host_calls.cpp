// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/host_calls.hpp"

#include "bus/caller.hpp"
#include "bus/query_reply.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/host_queries.hpp"
#include "operations/vm_queries.hpp"

namespace gpuctl {
void HostCalls::list_users(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply,
                           std::string gpu) {
  answer(reply, [&] {
    wire::require_plain("the GPU argument", gpu);
    const auto uid = current_caller(object).uid;
    const auto functions = find_gpu(inventory_.snapshot(), gpu).functions;
    inventory_.refresh({functions.begin(), functions.end()});
    queries_.ask(
        "users", uid, [functions, uid, platform = platform_] { return users_of(functions, uid, platform); },
        problems_to(reply));
  });
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
