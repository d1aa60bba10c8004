// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "host/boot_policy.hpp"
#include "operations/operation_list.hpp"
#include "operations/requests.hpp"

namespace gpuctl {

/// Brings GPUs to the sides that the boot policy wants, by operations like any others.
class BootApplication {
 public:
  using Answer = std::function<void(const Problems&)>;
  BootApplication(OperationList& operations, Requests& requests);
  /// All at once. Answers when the last operation has ended: the problems given, and what failed besides.
  void run(BootActions wanted, std::uint32_t uid, Answer answer);

 private:
  struct Round;
  void move(const BootAction& action, std::uint32_t uid, const std::shared_ptr<Round>& round);
  void follow(unsigned id, const BootAction& action, const std::shared_ptr<Round>& round);

  OperationList& operations_;
  Requests& requests_;
  std::map<unsigned, std::function<void(const Operation&)>> followed_;
};

}  // namespace gpuctl
