// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/polkit_authorizer.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "bus/asker.hpp"
#include "operations/fair_share.hpp"

namespace gpuctl {
namespace {

constexpr auto polkit_service = "org.freedesktop.PolicyKit1";
constexpr auto authority_path = "/org/freedesktop/PolicyKit1/Authority";
constexpr auto authority_interface = "org.freedesktop.PolicyKit1.Authority";
constexpr std::uint32_t allow_user_interaction = 1;

using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
using Answer = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

Subject subject_of(const BusCaller& caller) {
  return Subject{"system-bus-name", {{"name", sdbus::Variant{caller.bus_name}}}};
}

}  // namespace

PolkitAuthorizer::PolkitAuthorizer(sdbus::IConnection& connection, EventLoop& loop, Timeouts timeouts)
    : connection_(connection),
      loop_(loop),
      timeouts_(timeouts),
      polkit_(dbus::make_proxy(connection, polkit_service, authority_path)),
      bus_(dbus::make_proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")) {}

bool PolkitAuthorizer::over_limit(std::uint32_t uid) const {
  const auto uid_of = [](const Check& check) { return check.request.caller.uid; };
  return FairShare{max_per_uid, max_in_all}.is_used_up(uid, checks_, uid_of);
}

void PolkitAuthorizer::check(AuthorizationRequest request, std::function<void(Verdict)> answer) {
  if (over_limit(request.caller.uid))
    return loop_.defer([answer = std::move(answer)] { answer(Verdict::over_limit); });
  const auto id = fmt::format("gpuctl-{}-{}", ::getpid(), next_id_++);
  const std::chrono::milliseconds usual = request.interactive ? timeouts_.interactive : timeouts_.silent;
  const auto wait = request.patience.value_or(usual);
  auto& check = checks_[id] = {std::move(request), std::move(answer), {}, {}};
  // polkit's answer, the caller's end and the time-out race; the first one wins, the others find nothing left
  check.timeout = loop_.after(wait, [this, id] { cancel(id, Verdict::no_answer); });
  try {
    check.vanished = dbus::watch(connection_, leaving_rule(check.request.caller.bus_name),
                                 [this, id] { loop_.defer([this, id] { cancel(id, Verdict::denied); }); });
    ask(id, check.request);
  } catch (const sdbus::Error&) {
    loop_.defer([this, id] { finish(id, Verdict::no_answer); });
  }
}

void PolkitAuthorizer::ask(const std::string& id, const AuthorizationRequest& request) {
  const auto on_answer = [this, id](const sdbus::Error* error, const Answer& answer) {
    if (error != nullptr) return finish(id, Verdict::no_answer);
    decided(id, answer.get<0>(), answer.get<1>());
  };
  const std::uint32_t flags = request.interactive ? allow_user_interaction : 0;
  polkit_->callMethodAsync("CheckAuthorization")
      .onInterface(authority_interface)
      .withTimeout(timeouts_.interactive + std::chrono::seconds{60})
      .withArguments(subject_of(request.caller), request.action, request.details, flags, id)
      .uponReplyInvoke(dbus::reply_handler<Answer>(on_answer));
}

void PolkitAuthorizer::decided(const std::string& id, bool authorized, bool challenge) {
  if (authorized) return confirm_caller(id);
  finish(id, challenge ? Verdict::challenge : Verdict::denied);
}

/// The caller must still be there, and still be who it was, when its request is carried out.
void PolkitAuthorizer::confirm_caller(const std::string& id) {
  const auto it = checks_.find(id);
  if (it == checks_.end()) return;
  const auto& caller = it->second.request.caller;
  bus_->callMethodAsync("GetConnectionUnixUser")
      .onInterface("org.freedesktop.DBus")
      .withTimeout(std::chrono::seconds{10})
      .withArguments(caller.bus_name)
      .uponReplyInvoke(dbus::reply_handler<std::uint32_t>(
          [this, id, uid = caller.uid](const sdbus::Error* error, std::uint32_t now) {
            finish(id, error == nullptr && now == uid ? Verdict::allowed : Verdict::denied);
          }));
}

void PolkitAuthorizer::cancel(const std::string& id, Verdict verdict) {
  if (!checks_.contains(id)) return;
  polkit_->callMethodAsync("CancelCheckAuthorization")
      .onInterface(authority_interface)
      .withArguments(id)
      .uponReplyInvoke(dbus::reply_handler<>([](const sdbus::Error*) {}));
  finish(id, verdict);
}

void PolkitAuthorizer::finish(const std::string& id, Verdict verdict) {
  auto node = checks_.extract(id);
  if (node.empty()) return;
  // the match's slot may be the one that is being dispatched: it goes in a later round
  const auto check = std::make_shared<Check>(std::move(node.mapped()));
  loop_.defer([check] { check->vanished.reset(); });
  check->answer(verdict);
}

}  // namespace gpuctl
