// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/caller.hpp"

#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace gpuctl {
namespace {

/// More callers than this are not remembered.
constexpr std::size_t most_known = 512;

/// The bus is asked once for each caller: while it is flooded, each question of it waits for the whole flood.
/// It gives a name to one connection only, ever, and without the bus gpuctld ends.
std::uint32_t uid_of(const sdbus::Message& call, const std::string& name) {
  static std::map<std::string, std::uint32_t> known;
  if (const auto it = known.find(name); it != known.end()) return it->second;
  if (known.size() >= most_known) known.clear();
  const std::uint32_t uid = call.getCredsEuid();  // throws when the caller has left
  known.emplace(name, uid);
  return uid;
}

std::optional<std::uint32_t> login_uid(const sdbus::Message& call) try {
  constexpr std::uint32_t nobody_logged_in = -1;
  std::ifstream in{"/proc/" + std::to_string(call.getCredsPid()) + "/loginuid"};
  std::uint32_t uid = nobody_logged_in;
  if (!(in >> uid) || uid == nobody_logged_in) return std::nullopt;
  return uid;
} catch (const sdbus::Error&) {  // the caller has left the bus
  return std::nullopt;
}

}  // namespace

BusCaller caller_of(const sdbus::Message& call) {
  try {
    const auto name = dbus::sender(call);
    return {name, uid_of(call, name)};
  } catch (const sdbus::Error&) {
    throw Error(ErrorCode::not_authorized, "the caller has left the bus");
  }
}

BusCaller current_caller(const sdbus::IObject& object) { return caller_of(dbus::current_call(object)); }

std::uint32_t person_behind(const sdbus::IObject& object) {
  const auto uid = current_caller(object).uid;
  return uid == 0 ? login_uid(dbus::current_call(object)).value_or(uid) : uid;
}

Caller doctor_caller(const sdbus::IObject& object) {
  return {current_caller(object).uid, dbus::sender_groups(dbus::current_call(object))};
}

}  // namespace gpuctl
