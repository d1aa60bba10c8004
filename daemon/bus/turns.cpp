// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/turns.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/error.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t item_bytes = 8;
constexpr std::size_t most_items = Turns::most_bytes / item_bytes;  // looking at them takes time
constexpr std::size_t too_much = SIZE_MAX;

bool is_container(char type) { return std::strchr("avre", type) != nullptr; }
bool is_text(char type) { return std::strchr("sog", type) != nullptr; }

/// Reads past one basic value; its bytes, about.
std::size_t pass_value(sd_bus_message* message, char type) {
  if (type == SD_BUS_TYPE_UNIX_FD) return too_much;
  const char* text = nullptr;
  if (is_text(type))
    return sd_bus_message_read_basic(message, type, &text) < 0 ? too_much : std::strlen(text) + item_bytes;
  const char skipped[] = {type, '\0'};
  return sd_bus_message_skip(message, skipped) < 0 ? too_much : item_bytes;
}

/// Goes one item on, into and out of containers; too_much when it cannot be read.
std::size_t pass_item(sd_bus_message* message, int& depth) {
  char type{};
  const char* contents = nullptr;
  const int found = sd_bus_message_peek_type(message, &type, &contents);
  if (found < 0) return too_much;
  if (found == 0) return --depth, sd_bus_message_exit_container(message) < 0 ? too_much : 0;
  if (!is_container(type)) return pass_value(message, type);
  return ++depth, sd_bus_message_enter_container(message, type, contents) < 0 ? too_much : item_bytes;
}

/// sd-bus tells no message's size. Of its header only the path has no limit.
bool fits(sd_bus_message* message, std::size_t most_bytes) {
  const char* path = sd_bus_message_get_path(message);
  std::size_t bytes = path == nullptr ? 0 : std::strlen(path), items = 0;
  for (int depth = 0; bytes <= most_bytes && items <= most_items; ++items) {
    if (depth == 0 && sd_bus_message_at_end(message, 1) != 0) break;
    const auto item = pass_item(message, depth);
    bytes = item == too_much ? too_much : bytes + item;
  }
  return sd_bus_message_rewind(message, 1) >= 0 && bytes <= most_bytes && items <= most_items;
}

int on_message(sd_bus_message* message, void* turns, sd_bus_error*) noexcept {
  return static_cast<Turns*>(turns)->takes(message) ? 1 : 0;
}

}  // namespace

void Turns::Free::operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
void Turns::Free::operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }

Turns::Turns(sdbus::IConnection& connection)
    : underneath_(connection), bus_(sd_bus_message_get_bus(underneath_.message())) {
  sd_bus_slot* slot = nullptr;
  if (sd_bus_add_filter(bus_, &slot, on_message, this) < 0)
    throw dbus::make_error("org.freedesktop.DBus.Error.Failed", "calls cannot be taken by turns");
  filter_.reset(slot);
}

Turns::~Turns() = default;

void Turns::begin() {
  end_ = Clock::now() + slice;
  had_large_.clear();
  give();
}

bool Turns::next() { return Clock::now() < end_ && give(); }

Turns::Message Turns::take_next() {
  auto caller = waiting_.upper_bound(last_);
  if (caller == waiting_.end()) caller = waiting_.begin();
  last_ = caller->first;
  if (is_large(last_, caller->second.front())) had_large_.insert(last_);
  auto message = drop(last_, caller->second.front());
  caller->second.pop_front();
  if (caller->second.empty()) waiting_.erase(caller);
  return message;
}

/// What waited no longer does; its place in the queue is for the caller to remove.
Turns::Message Turns::drop(const std::string& caller, Message& waiting) {
  --count_;
  if (is_large(caller, waiting)) large_.erase(caller);
  return std::move(waiting);
}

/// One at a time: sd-bus may have read others before.
bool Turns::give() {
  if (given_ != nullptr || count_ == 0) return false;
  const auto message = take_next();
  const int given = sd_bus_enqueue_for_read(bus_, message.get());
  if (given < 0) return sd_bus_reply_method_errno(message.get(), given, nullptr), false;
  given_ = message.get();
  return true;
}

/// Also while the one that had its turn is behind what sd-bus had read before.
bool Turns::waits(const std::string& caller) const {
  return waiting_.contains(caller) || (given_ != nullptr && caller == last_);
}

bool Turns::is_large(const std::string& caller, const Message& waiting) const {
  const auto large = large_.find(caller);
  return large != large_.end() && large->second == waiting.get();
}

bool Turns::takes(sd_bus_message* message) {
  if (message == given_) return given_ = nullptr, false;
  const char* sender = sd_bus_message_get_sender(message);
  if (sd_bus_message_is_method_call(message, nullptr, nullptr) <= 0 || sender == nullptr) return false;
  const bool queued = waits(sender);
  if (!queued && Clock::now() < end_) return false;
  if (fits(message, most_bytes)) return wait(sender, message);
  const bool may_pass = !queued && had_large_.insert(sender).second;
  return may_pass ? false : wait_as_large(sender, message);
}

bool Turns::wait(const std::string& caller, sd_bus_message* message) {
  if (count_ >= most_waiting && !make_room(caller)) return refuse(message);
  waiting_[caller].emplace_back(sd_bus_message_ref(message));
  ++count_;
  return true;
}

bool Turns::wait_as_large(const std::string& caller, sd_bus_message* message) {
  const bool none =
      large_.size() >= most_large || large_.contains(caller) || !fits(message, most_large_bytes);
  if (none || (count_ >= most_waiting && !make_room(caller))) return refuse(message);
  large_[caller] = message;
  return wait(caller, message);
}

/// Of whoever has the most calls waiting the newest goes, unless that is `caller` himself.
bool Turns::make_room(const std::string& caller) {
  const auto most =
      std::ranges::max_element(waiting_, {}, [](const auto& of_one) { return of_one.second.size(); });
  if (most == waiting_.end() || most->first == caller) return false;
  refuse(drop(most->first, most->second.back()).get());
  most->second.pop_back();
  if (most->second.empty()) waiting_.erase(most);
  return true;
}

bool Turns::refuse(sd_bus_message* message) {
  const auto name = names::error_prefix + std::string{error_name(ErrorCode::limits_exceeded)};
  sd_bus_reply_method_errorf(message, name.c_str(), "too many calls wait for their turn; try again later");
  return true;
}

}  // namespace gpuctl
