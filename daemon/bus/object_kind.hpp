// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bus/value_sink.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

struct ObjectProperty {
  const char* name;
  const char* type;
  bool constant{};  ///< else every change of it sends PropertiesChanged
};

struct ObjectMethod {
  const char* name;
  const char* takes;
  const char* gives;
  const char* arguments;  ///< names of those taken and given, each ended by '\0'
};

/// What objects of one kind show; ObjectFamily puts them on the bus. All of it is answered from values in
/// memory.
class ObjectKind {
 public:
  using Id = std::uint64_t;
  virtual ~ObjectKind() = default;
  virtual const char* prefix() const = 0;     ///< of the objects' paths, ending in '/'
  virtual const char* interface() const = 0;  ///< the one they have
  virtual std::span<const ObjectProperty> properties() const = 0;
  virtual std::span<const ObjectMethod> methods() const = 0;

  /// The last part of an object's path.
  virtual std::string name(Id id) const = 0;
  virtual std::optional<Id> id(std::string_view name) const = 0;
  virtual bool exists(Id id) const = 0;
  /// Writes the value of properties()[index] of an object that exists.
  virtual void write(Id id, std::size_t index, ValueSink& sink) const = 0;
  /// Answers a call of methods()[index], now or later.
  virtual void call(Id id, std::size_t index, sdbus::MethodCall call) = 0;
};

}  // namespace gpuctl
