// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/gate.hpp"
#include "bus/reply.hpp"
#include "operation_adaptor.hpp"
#include "operations/requests.hpp"
#include "os/event_loop.hpp"

namespace gpuctl {

class OperationObject : public sdbus::AdaptorInterfaces<org::gpuctl1::Operation_adaptor> {
 public:
  OperationObject(sdbus::IConnection& connection, EventLoop& loop, Gate& gate, Requests& requests,
                  const Operation& operation);
  virtual ~OperationObject();
  OperationObject(const OperationObject&) = delete;
  OperationObject& operator=(const OperationObject&) = delete;
  /// Reads as `operation` from now on. Steps, of which many take less than a millisecond and all of which are
  /// in each signal, are told together a moment later; a new state with finished(). Returns whether the GPU's
  /// state may be another one now.
  bool update(const Operation& operation);
  /// Tells its end.
  void finished();
  bool end_is_told() const { return !told_.running(); }
  /// Tells that it is listed no more. A daemon that ends does not: nobody is to look for what is left then.
  void removed() noexcept;

 private:
  void tell();
  void Cancel(sdbus::Result<>&& result) override;
  std::string Kind() override { return shown_.kind; }
  sdbus::ObjectPath Gpu() override { return sdbus::ObjectPath{wire::gpu_path(shown_.gpu)}; }
  std::string Vm() override { return wire::utf8(shown_.vm); }
  std::string State() override { return std::string{to_string(shown_.state)}; }
  std::uint32_t Step() override { return shown_.current; }
  std::vector<wire::ShownStep> Steps() override { return wire::steps(shown_); }
  std::uint32_t StartedBy() override { return shown_.started_by; }
  std::string Error() override;
  std::string Message() override { return wire::utf8(shown_.message); }

  EventLoop& loop_;
  Gate& gate_;
  Requests& requests_;
  Operation shown_, told_;
  EventLoop::Source soon_;
};

}  // namespace gpuctl
