// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <string>

#include "operations/operation_list.hpp"
#include "os/log.hpp"

namespace gpuctl {

/// Tells the journal of every operation: begun, ended how, stuck, healed. Refusals are answers, not events:
/// they are not logged.
class OperationLog {
 public:
  using Sink = std::function<void(const LogEvent&, const std::string& message, const LogFields&)>;
  explicit OperationLog(OperationList& operations, Sink sink = log);

 private:
  void added(const Operation& operation);
  void changed(const Operation& operation);
  void finished(const Operation& operation);
  void tell(const LogEvent& event, const Operation& operation, const std::string& message) const;

  struct Told {
    bool stuck{};
    std::string message;  ///< of the time when it was stuck
  };
  Sink sink_;
  std::map<unsigned, Told> begun_;
};

}  // namespace gpuctl
