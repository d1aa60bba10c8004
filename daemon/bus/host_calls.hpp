// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "bus/gate.hpp"
#include "bus/reply.hpp"
#include "bus/wire.hpp"
#include "inventory/inventory.hpp"
#include "operations/platform.hpp"
#include "operations/queries.hpp"

namespace gpuctl {

/// Read-only questions from the bus that take a worker: users of a GPU, virtual machines, diagnosis.
class HostCalls {
 public:
  HostCalls(Gate& gate, Queries& queries, Inventory& inventory, Platform platform)
      : gate_(gate), queries_(queries), inventory_(inventory), platform_(std::move(platform)) {}
  void list_users(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply, std::string gpu);
  void list_vms(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply);
  void diagnose(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply);

 private:
  Queries::Answer users_to(Reply<std::vector<wire::Dict>> reply, Passage passage);

  Gate& gate_;
  Queries& queries_;
  Inventory& inventory_;
  Platform platform_;
};

}  // namespace gpuctl
