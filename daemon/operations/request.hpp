// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/pci_address.hpp"
#include "core/problem.hpp"
#include "core/step.hpp"
#include "rebind/revive.hpp"

namespace gpuctl {

enum class Verb { attach, release };

/// What somebody asked for, parsed.
struct Request {
  Verb verb{Verb::attach};
  std::string gpu;        ///< GPU argument as given; a PCI address once it is resolved
  std::string vm;         ///< domain name or UUID, "" = VFIO only
  std::string vm_name{};  ///< the domain's name, once a survey has found it
  bool force{};
  bool live{};
  bool start{};
  bool keep{};
  Revival revival{};   ///< release: what to do about a card that does not answer
  bool by_itself{};    ///< a domain starts or has ended: its definition is left alone
  bool may_go_dark{};  ///< what --force overrides about displays is settled: it was forced before, or libvirt
                       ///< would not ask either; no user is ended for it
  bool without_libvirt{};        ///< it has just given no answer: nobody waits for one again
  std::set<PciAddress> along{};  ///< what the domain that starts gets besides, see going_along()
};

/// What a request meets: everything in the way, and what would be done.
struct Survey {
  Problems problems;
  Plan plan;  ///< empty and nothing in the way: it already holds
  std::string vm_name, vm_uuid;
};

}  // namespace gpuctl
