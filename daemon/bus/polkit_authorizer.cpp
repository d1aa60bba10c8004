// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/polkit_authorizer.hpp"

#include <unistd.h>

#include <functional>

#include <fmt/format.h>

#include "bus/asker.hpp"
#include "operations/fair_share.hpp"
#include "os/log.hpp"

namespace gpuctl {
namespace {

constexpr auto polkit_service = "org.freedesktop.PolicyKit1";
constexpr auto authority_path = "/org/freedesktop/PolicyKit1/Authority";
constexpr auto authority_interface = "org.freedesktop.PolicyKit1.Authority";
constexpr std::uint32_t allow_user_interaction = 1;
/// The bus itself says when polkit has gone, and until then it keeps the reply as pending.
constexpr std::chrono::hours until_polkit_goes{24 * 365};

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

/// What has little patience gives up often: it asks nothing more while the first answer is owed.
std::optional<Verdict> PolkitAuthorizer::refusal(const AuthorizationRequest& request) const {
  const auto uid = request.caller.uid;
  const auto uid_of = [](const Check& check) { return check.request.caller.uid; };
  if (FairShare{max_per_uid, max_in_all}.is_used_up(uid, checks_, uid_of)) return Verdict::over_limit;
  const FairShare owed = request.patience ? FairShare{1, max_owed / 2} : FairShare{max_per_uid, max_owed};
  if (owed.is_used_up(uid, owed_, std::identity{})) return Verdict::no_answer;
  return std::nullopt;
}

void PolkitAuthorizer::check(AuthorizationRequest request, std::function<void(Verdict)> answer) {
  if (const auto no = refusal(request))
    return loop_.defer([no = *no, answer = std::move(answer)] { answer(no); });
  const auto id = fmt::format("gpuctl-{}-{}", ::getpid(), next_id_++);
  const std::chrono::milliseconds usual = request.interactive ? timeouts_.interactive : timeouts_.silent;
  const auto wait = request.patience.value_or(usual);
  auto& check = checks_[id] = {std::move(request), std::move(answer), {}, {}, false};
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
    owed_.erase(id);
    if (error != nullptr) return finish(id, Verdict::no_answer);
    answered(id, answer.get<0>(), answer.get<1>());
  };
  const std::uint32_t flags = request.interactive ? allow_user_interaction : 0;
  polkit_->callMethodAsync("CheckAuthorization")
      .onInterface(authority_interface)
      .withTimeout(until_polkit_goes)
      .withArguments(subject_of(request.caller), request.action, request.details, flags, id)
      .uponReplyInvoke(dbus::reply_handler<Answer>(on_answer));
}

void PolkitAuthorizer::answered(const std::string& id, bool authorized, bool challenge) {
  if (authorized) return confirm_caller(id);
  finish(id, challenge ? Verdict::challenge : Verdict::denied);
}

/// The caller must still be there, and still be who it was, when its request is carried out.
void PolkitAuthorizer::confirm_caller(const std::string& id) {
  const auto it = checks_.find(id);
  if (it == checks_.end()) return;
  it->second.answered = true;
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
  const auto it = checks_.find(id);
  if (it == checks_.end()) return;
  if (!it->second.answered) give_up(id, it->second.request.caller.uid);
  finish(id, verdict);
}

/// The bus keeps the reply that polkit owes as one of ours that are pending.
void PolkitAuthorizer::give_up(const std::string& id, std::uint32_t uid) try {
  owed_[id] = uid;
  polkit_->callMethod("CancelCheckAuthorization")
      .onInterface(authority_interface)
      .withArguments(id)
      .dontExpectReply();
} catch (const sdbus::Error& error) {  // polkit answers in vain then
  log(events::warning, fmt::format("polkit cannot be told that nobody waits any more: {}", error.what()));
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
