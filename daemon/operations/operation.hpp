// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "core/step.hpp"

namespace gpuctl {

enum class OperationState { running, succeeded, rolled_back, failed, cancelled };
std::string_view to_string(OperationState state);
OperationState operation_state(std::string_view text);  ///< failed for unknown text

struct OperationStep {
  Step step;
  StepState state{StepState::pending};
};

/// One long piece of work, as it is shown on the bus.
struct Operation {
  unsigned id{};
  std::string kind;  ///< attach | release | recover
  PciSlot gpu;
  std::string vm;  ///< name of the domain that gets or had the GPU, "" = none
  OperationState state{OperationState::running};
  std::vector<OperationStep> steps;
  unsigned current{};  ///< index of the current step, steps.size() when all are done
  std::uint32_t started_by{};
  std::string error;  ///< name without prefix, "" while it runs and after success
  std::string message;
  bool forced{};
  bool by_itself{};  ///< nobody called for it: a domain starts or has ended, a policy is applied
  bool stuck{};      ///< a step did not come back from the kernel in time
  bool running() const { return state == OperationState::running; }
};

}  // namespace gpuctl
