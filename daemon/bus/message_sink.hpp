// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/value_sink.hpp"

struct sd_bus_message;

namespace gpuctl {

/// Appends to a message of sd-bus, without a copy in between. Throws std::system_error.
class MessageSink : public ValueSink {
 public:
  explicit MessageSink(sd_bus_message* message) : message_(message) {}
  void text(std::string_view text) override;
  void path(const std::string& path) override;
  void boolean(bool value) override;
  void number(std::uint32_t value) override;
  void open(char kind, const char* contents) override;
  void close() override;

 private:
  sd_bus_message* message_;
};

}  // namespace gpuctl
