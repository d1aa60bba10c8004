// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/caller.hpp"

#include "core/error.hpp"

namespace gpuctl {

BusCaller caller_of(const sdbus::Message& call) {
  try {
    return {dbus::sender(call), call.getCredsEuid()};
  } catch (const sdbus::Error&) {
    throw Error(ErrorCode::not_authorized, "the caller has left the bus");
  }
}

BusCaller current_caller(const sdbus::IObject& object) { return caller_of(dbus::current_call(object)); }

Caller doctor_caller(const sdbus::IObject& object) {
  return {current_caller(object).uid, dbus::sender_groups(dbus::current_call(object))};
}

}  // namespace gpuctl
