// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "bus/authorizer.hpp"
#include "os/event_loop.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// polkit, asked asynchronously about the subject "system-bus-name" of the message's sender: polkitd itself
/// asks the bus who that is, so there is no pid to race with (CVE-2013-4288). A caller that vanishes ends its
/// check as a deny (CVE-2021-3560). Few checks a uid in flight, so that nobody can starve others of polkitd
/// or of the bus's pending replies (dbus-daemon gives a connection 128). A polkit that owes answers to checks
/// that were given up is asked no more until it gives some.
class PolkitAuthorizer : public Authorizer {
 public:
  static constexpr std::size_t max_per_uid = 8;
  static constexpr std::size_t max_in_all = 64;
  static constexpr std::size_t max_owed = 32;

  struct Timeouts {
    std::chrono::seconds silent{10};        ///< polkitd alone decides
    std::chrono::seconds interactive{300};  ///< somebody may be typing
  };

  PolkitAuthorizer(sdbus::IConnection& connection, EventLoop& loop, Timeouts timeouts);
  PolkitAuthorizer(sdbus::IConnection& connection, EventLoop& loop)
      : PolkitAuthorizer(connection, loop, Timeouts{}) {}
  void check(AuthorizationRequest request, std::function<void(Verdict)> answer) override;

 private:
  struct Check {
    AuthorizationRequest request;
    std::function<void(Verdict)> answer;
    sdbus::Slot vanished;
    EventLoop::Source timeout;
    bool answered{};  ///< by polkit
  };
  std::optional<Verdict> refusal(const AuthorizationRequest& request) const;
  void ask(const std::string& id, const AuthorizationRequest& request);
  void answered(const std::string& id, bool authorized, bool challenge);
  void confirm_caller(const std::string& id);
  void cancel(const std::string& id, Verdict verdict);
  void give_up(const std::string& id, std::uint32_t uid);
  void finish(const std::string& id, Verdict verdict);

  sdbus::IConnection& connection_;
  EventLoop& loop_;
  Timeouts timeouts_;
  std::unique_ptr<sdbus::IProxy> polkit_;
  std::unique_ptr<sdbus::IProxy> bus_;
  std::map<std::string, Check> checks_;
  std::map<std::string, std::uint32_t> owed_;  ///< checks given up that polkit has not answered; their uids
  std::uint64_t next_id_{1};
};

}  // namespace gpuctl
