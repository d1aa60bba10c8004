// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/sleep_guard.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "os/log.hpp"

namespace gpuctl {
namespace {

constexpr auto manager_interface = "org.freedesktop.login1.Manager";
/// logind asks nobody who holds off sleep alone when the lid is closed (LidSwitchIgnoreInhibited=yes).
constexpr auto inhibited = "sleep:handle-lid-switch";
constexpr auto also_shutdown = "shutdown:sleep:handle-lid-switch";
constexpr auto configuring = "what the next boot needs is being written";
constexpr auto moving = "a GPU is being moved between the host and a virtual machine";
constexpr auto in_use = "a running virtual machine has a GPU, which would not survive sleep";

}  // namespace

SleepGuard::SleepGuard(sdbus::IConnection& connection, EventLoop& loop, ForkWorkers& workers,
                       Inventory& inventory, OperationList& operations, Requests& requests,
                       Assignments& assignments, const Configuring& work, SleepPolicy policy)
    : loop_(loop),
      workers_(workers),
      inventory_(inventory),
      operations_(operations),
      requests_(requests),
      assignments_(assignments),
      configuring_(work),
      policy_(policy),
      logind_(dbus::make_proxy(connection, "org.freedesktop.login1", "/org/freedesktop/login1")) {
  logind_->uponSignal("PrepareForSleep").onInterface(manager_interface).call([this](const bool& begins) {
    on_sleep(begins);
  });
  dbus::finish_registration(*logind_);
  operations_.observe({[this](const Operation&) { update(); }, [](const Operation&) {},
                       [this](const Operation&) { update_later(); }, [this](unsigned) { update_later(); }});
  inventory_.on_change([this](const Snapshot&, const Snapshot&) { update_later(); });
  update_later();
}

const char* SleepGuard::reason() const {
  if (configuring_.busy()) return configuring;
  if (operations_.busy()) return moving;
  if (policy_ == SleepPolicy::allow) return nullptr;
  const auto all = assignments_.all();
  return std::ranges::any_of(all, [this](const auto& entry) { return in_use_now(entry.second); }) ? in_use
                                                                                                  : nullptr;
}

/// A GPU on the host, or gone, is in no guest's hands, whatever is recorded of it.
bool SleepGuard::in_use_now(const Assignment& assignment) const {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(assignment.gpu);
  return assignment.running && gpu != snapshot.gpus.end() && !is_at_home(gpu->second, snapshot);
}

void SleepGuard::update_later() {
  loop_.defer([this] { update(); });
}

void SleepGuard::update() {
  const char* why = reason();
  if (why == held_for_) return;
  held_for_ = why;
  pause_ = first_pause;
  told_.clear();
  why == nullptr ? drop_lock() : take(why);
}

/// A lock that is held for another reason stays until the new one is there: in between the machine would
/// sleep. Without logind there is nobody who puts it to sleep.
void SleepGuard::take(const char* why) {
  logind_->callMethodAsync("Inhibit")
      .onInterface(manager_interface)
      .withArguments(std::string{why == configuring ? also_shutdown : inhibited}, std::string{"gpuctl"},
                     std::string{why}, std::string{"block"})
      .uponReplyInvoke(
          dbus::reply_handler<sdbus::UnixFd>([this, why](const sdbus::Error* error, sdbus::UnixFd lock) {
            if (error != nullptr) return failed(why, error->getMessage());
            if (held_for_ != why) return;
            drop_lock();
            lock_ = std::move(lock);
            workers_.keep_from_children(lock_->get());
            log(why == in_use ? events::sleep_blocked : events::debug, fmt::format("no sleep: {}", why));
          }));
}

/// logind may be starting anew.
void SleepGuard::failed(const char* why, const std::string& error) {
  if (held_for_ != why) return;
  if (std::exchange(told_, error) != error)
    log(events::warning, fmt::format("the machine may sleep or be shut down although {}: {}", why, error));
  again_ = loop_.after(pause_, [this, why] {
    if (held_for_ == why) take(why);
  });
  pause_ = std::min(pause_ * 2, longest_pause);
}

void SleepGuard::drop_lock() {
  if (lock_) workers_.share(lock_->get());
  lock_.reset();
}

void SleepGuard::on_sleep(bool begins) {
  requests_.pause(begins);
  if (!begins) inventory_.refresh_all();
}

}  // namespace gpuctl
