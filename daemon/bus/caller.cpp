// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/caller.hpp"

#include <map>

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

Caller doctor_caller(const sdbus::IObject& object) {
  return {current_caller(object).uid, dbus::sender_groups(dbus::current_call(object))};
}

}  // namespace gpuctl
