// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/step.hpp"

namespace gpuctl {

/// Does one step and proves it, or throws Error. A step whose effect is there already is done.
class StepPerformer {
 public:
  virtual ~StepPerformer() = default;
  virtual void perform(const Step& step) = 0;
};

}  // namespace gpuctl
