// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "bus/asker.hpp"
#include "bus/caller.hpp"
#include "bus/gate.hpp"
#include "bus/reply.hpp"
#include "bus/wire.hpp"
#include "operations/requests.hpp"
#include "operations/return_waits.hpp"

namespace gpuctl {

/// Attach and Release from the bus: parse, look at what stands in the way, ask polkit, look again, start.
/// A GPU that an operation has is Busy at every one of these moments; only a release waits for a GPU that
/// comes home by itself. What its caller has left before the answer is cancelled.
class GpuCalls {
 public:
  GpuCalls(sdbus::IConnection& connection, EventLoop& loop, Gate& gate, Requests& requests,
           ReturnWaits& returns, Queries& queries, Platform platform)
      : connection_(connection),
        loop_(loop),
        gate_(gate),
        requests_(requests),
        returns_(returns),
        queries_(queries),
        platform_(std::move(platform)) {}
  void attach(const sdbus::Message& call, Reply<sdbus::ObjectPath> reply, std::string gpu, std::string vm,
              const wire::Dict& options);
  void release(const sdbus::Message& call, Reply<sdbus::ObjectPath> reply, std::string gpu,
               const wire::Dict& options);
  /// Calls of a GPU's own object; their arguments are as its interface says, for sd-bus has seen to it.
  void attach_one(const std::string& gpu, sdbus::MethodCall call);
  void release_one(const std::string& gpu, sdbus::MethodCall call);
  void check(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply, std::string gpu,
             std::string vm, wire::Dict options);
  void plan(const sdbus::IObject& object, Reply<std::vector<wire::PlannedStep>> reply,
            const std::string& verb, std::string gpu, std::string vm, const wire::Dict& options);
  void read_rom(const sdbus::IObject& object, Reply<std::vector<std::uint8_t>> reply, std::string gpu,
                const wire::Dict& options);

 private:
  struct Call {
    BusCaller caller;
    Request request;
    bool interactive{};
    Reply<sdbus::ObjectPath> reply;
    std::optional<Look> look{};  ///< the last one
    int looks{};
    std::shared_ptr<Asker> asker{};  ///< from the question to polkit on
  };
  /// Surveys the request for `tell`, changing nothing.
  template <class ReplyType, class Tell>
  void look_at(const sdbus::IObject& object, const ReplyType& reply, Request request, Tell tell) {
    request = requests_.resolve(std::move(request));
    requests_.survey(request, current_caller(object).uid, [reply, tell](std::variant<Look, Error> found) {
      if (const auto* error = std::get_if<Error>(&found)) return reply.error(*error);
      tell(std::get<Look>(found).prepared.survey);
    });
  }
  void begin(Call call);
  void look(Call call);
  void surveyed(Call call);
  bool is_stale(const Call& call) const;
  void allowed(const Call& call);
  void start(const Call& call);

  sdbus::IConnection& connection_;
  EventLoop& loop_;
  Gate& gate_;
  Requests& requests_;
  ReturnWaits& returns_;
  Queries& queries_;
  Platform platform_;
};

}  // namespace gpuctl
