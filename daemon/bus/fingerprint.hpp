// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/value_sink.hpp"

namespace gpuctl {

/// Tells one property's value from another without keeping either.
class Fingerprint : public ValueSink {
 public:
  void text(std::string_view text) override { mix(std::hash<std::string_view>{}(text)); }
  void path(const std::string& path) override { text(path); }
  void boolean(bool value) override { number(value ? 1 : 0); }
  void number(std::uint32_t value) override { mix(value + 1); }
  void open(char kind, const char*) override { number(static_cast<std::uint32_t>(kind)); }
  void close() override { number(0); }
  std::uint64_t value() const { return value_; }

 private:
  void mix(std::uint64_t part) {
    value_ = (value_ ^ part) * 0x9e3779b97f4a7c15U;
    value_ ^= value_ >> 32U;
  }
  std::uint64_t value_{0xcbf29ce484222325U};
};

}  // namespace gpuctl
