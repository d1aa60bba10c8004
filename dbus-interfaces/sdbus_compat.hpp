// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that differs between sdbus-c++ 1.x (Debian 12, Ubuntu 24.04) and 2.x (Debian 13, Fedora, Arch).
// No other file tests GPUCTL_SDBUS_2.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <sdbus-c++/sdbus-c++.h>

struct sd_bus_message;

namespace gpuctl::dbus {

#ifdef GPUCTL_SDBUS_2
using ServiceName = sdbus::ServiceName;
using ErrorName = sdbus::Error::Name;
using InterfaceName = sdbus::InterfaceName;
using PropertyName = sdbus::PropertyName;
using MemberName = sdbus::SignalName;
using MethodName = sdbus::MethodName;
#else
using ServiceName = std::string;
using ErrorName = std::string;
using InterfaceName = std::string;
using PropertyName = std::string;
using MemberName = std::string;
using MethodName = std::string;
#endif

inline sdbus::Error make_error(const std::string& name, const std::string& message) {
  return sdbus::Error{ErrorName{name}, message};
}

/// Unique bus name of the caller.
inline std::string sender(const sdbus::Message& call) {
#ifdef GPUCTL_SDBUS_2
  const char* name = call.getSender();
  return name == nullptr ? std::string{} : std::string{name};
#else
  return call.getSender();
#endif
}

/// Supplementary groups of the caller's process; nothing when the bus cannot tell (it has gone).
inline std::optional<std::vector<gid_t>> sender_groups(const sdbus::Message& call) {
  try {
    return call.getCredsSupplementaryGids();
  } catch (const sdbus::Error&) {
    return std::nullopt;
  }
}

/// The call that is being handled. Only inside a handler.
inline decltype(auto) current_call(const sdbus::IObject& object) {
#ifdef GPUCTL_SDBUS_2
  return object.getCurrentlyProcessedMessage();
#else
  return *object.getCurrentlyProcessedMessage();
#endif
}

inline void emit_properties_changed(const sdbus::IObject& object, const std::string& interface,
                                    const std::vector<std::string>& properties) {
  const std::vector<PropertyName> names(properties.begin(), properties.end());
  // emit... is const in no version, though it changes nothing of the object
  const_cast<sdbus::IObject&>(object).emitPropertiesChangedSignal(InterfaceName{interface}, names);
}

inline void request_name(sdbus::IConnection& connection, const std::string& name) {
  connection.requestName(ServiceName{name});
}

inline std::unique_ptr<sdbus::IProxy> make_proxy(sdbus::IConnection& connection, const std::string& service,
                                                 const std::string& path) {
  return sdbus::createProxy(connection, ServiceName{service}, sdbus::ObjectPath{path});
}

/// sd-bus below a connection, for what sdbus-c++ has no words for.
class Underneath {
 public:
  explicit Underneath(sdbus::IConnection& connection)
      : proxy_(make_proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")),
        any_(create(*proxy_)) {}
  /// Some message of that connection: it leads to the sd_bus.
  sd_bus_message* message() const { return any_.raw(); }
  /// A call that sd-bus has handed over, as sdbus-c++ would.
  sdbus::MethodCall call(sd_bus_message* message) const { return any_.same_for(message); }

 private:
  /// What a message keeps to itself.
  class Opened : public sdbus::MethodCall {
   public:
    explicit Opened(sdbus::MethodCall message) : MethodCall(std::move(message)) {}
    sd_bus_message* raw() const { return static_cast<sd_bus_message*>(msg_); }
#ifdef GPUCTL_SDBUS_2
    sdbus::MethodCall same_for(void* message) const { return Opened{message, connection_}; }

   private:
    Opened(void* message, decltype(connection_) connection) : MethodCall(message, connection) {}
#else
    sdbus::MethodCall same_for(void* message) const { return Opened{message, sdbus_}; }

   private:
    Opened(void* message, decltype(sdbus_) below) : MethodCall(message, below) {}
#endif
  };
  static sdbus::MethodCall create(sdbus::IProxy& proxy) {
    return proxy.createMethodCall(InterfaceName{"org.freedesktop.DBus.Peer"}, MethodName{"Ping"});
  }

  std::unique_ptr<sdbus::IProxy> proxy_;
  Opened any_;
};

/// 1.x activates signal handlers only when told that there are no more to come.
inline void finish_registration([[maybe_unused]] sdbus::IProxy& proxy) {
#ifndef GPUCTL_SDBUS_2
  proxy.finishRegistration();
#endif
}

/// Wraps `handler(const sdbus::Error* error, results...)` as uponReplyInvoke of both versions wants it.
template <class... Results, class Handler>
auto reply_handler(Handler handler) {
#ifdef GPUCTL_SDBUS_2
  return [handler = std::move(handler)](std::optional<sdbus::Error> error, Results... results) {
    handler(error ? &*error : nullptr, std::move(results)...);
  };
#else
  return [handler = std::move(handler)](const sdbus::Error* error, Results... results) {
    handler(error, std::move(results)...);
  };
#endif
}

/// Calls `handler(message)` for every signal that fits `rule`, as long as the slot lives.
template <class Handler>
[[nodiscard]] sdbus::Slot match(sdbus::IConnection& connection, const std::string& rule, Handler handler) {
#ifdef GPUCTL_SDBUS_2
  return connection.addMatch(
      rule, [handler](sdbus::Message message) { handler(message); }, sdbus::return_slot);
#else
  return connection.addMatch(rule, [handler](sdbus::Message& message) { handler(message); });
#endif
}

/// What to wait for until process_pending() is called again.
struct PollState {
  int fd{};
  short events{};
  std::optional<std::uint64_t> deadline_usec;  ///< CLOCK_MONOTONIC; nothing = no deadline
};

inline PollState poll_state(const sdbus::IConnection& connection) {
  const auto data = connection.getEventLoopPollData();
#ifdef GPUCTL_SDBUS_2
  const auto usec = data.timeout == std::chrono::microseconds::max()
                        ? UINT64_MAX
                        : static_cast<std::uint64_t>(data.timeout.count());
#else
  const std::uint64_t usec = data.timeout_usec;
#endif
  return {data.fd, data.events, usec == UINT64_MAX ? std::nullopt : std::optional{usec}};
}

/// Handles what has come; false when nothing is left.
inline bool process_pending(sdbus::IConnection& connection) {
#ifdef GPUCTL_SDBUS_2
  return connection.processPendingEvent();
#else
  return connection.processPendingRequest();
#endif
}

/// Calls back for each message that fits the match rule, until the slot goes.
inline sdbus::Slot watch(sdbus::IConnection& connection, const std::string& match,
                         std::function<void()> callback) {
#ifdef GPUCTL_SDBUS_2
  return connection.addMatch(
      match, [callback = std::move(callback)](const sdbus::Message&) { callback(); }, sdbus::return_slot);
#else
  return connection.addMatch(match, [callback = std::move(callback)](const sdbus::Message&) { callback(); });
#endif
}

inline std::unique_ptr<sdbus::IConnection> system_bus() { return sdbus::createSystemBusConnection(); }

inline std::string error_name(const sdbus::Error& error) { return std::string{error.getName()}; }

}  // namespace gpuctl::dbus
