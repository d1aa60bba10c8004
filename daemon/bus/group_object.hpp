// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <vector>

#include "bus/wire.hpp"
#include "core/devices.hpp"
#include "iommugroup_adaptor.hpp"

namespace gpuctl {

/// What an IommuGroup object shows.
struct GroupView {
  unsigned number{};
  std::string type;
  std::vector<PciFunction> functions;
  bool isolated{};
  Problems problems;
};
GroupView group_view(const IommuGroup& group, const Snapshot& snapshot);

class GroupObject : public sdbus::AdaptorInterfaces<org::gpuctl1::IommuGroup_adaptor> {
 public:
  GroupObject(sdbus::IConnection& connection, GroupView view);
  virtual ~GroupObject();
  GroupObject(const GroupObject&) = delete;
  GroupObject& operator=(const GroupObject&) = delete;
  /// Shows `view` from now on and tells what has changed, in one signal.
  void update(GroupView view);

 private:
  std::uint32_t Number() override { return view_.number; }
  std::string Type() override { return view_.type; }
  std::vector<wire::FunctionTuple> Devices() override;
  bool Isolated() override { return view_.isolated; }
  std::vector<wire::Dict> Problems() override { return wire::problems(view_.problems); }
  GroupView view_;
};

}  // namespace gpuctl
