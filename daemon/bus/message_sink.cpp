// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/message_sink.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <system_error>

#include "bus/wire.hpp"

namespace gpuctl {
namespace {

void require(int result) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), "a message for the bus");
}

bool is_plain_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0; });
}

}  // namespace

void MessageSink::text(std::string_view text) {
  if (!is_plain_ascii(text)) return require(sd_bus_message_append(message_, "s", wire::utf8(text).c_str()));
  char* space = nullptr;
  require(sd_bus_message_append_string_space(message_, text.size(), &space));
  std::ranges::copy(text, space);
}

void MessageSink::path(const std::string& path) {
  require(sd_bus_message_append_basic(message_, SD_BUS_TYPE_OBJECT_PATH, path.c_str()));
}

void MessageSink::boolean(bool value) {
  const int as_int = value ? 1 : 0;
  require(sd_bus_message_append_basic(message_, SD_BUS_TYPE_BOOLEAN, &as_int));
}

void MessageSink::number(std::uint32_t value) {
  require(sd_bus_message_append_basic(message_, SD_BUS_TYPE_UINT32, &value));
}

void MessageSink::open(char kind, const char* contents) {
  require(sd_bus_message_open_container(message_, kind, contents));
}

void MessageSink::close() { require(sd_bus_message_close_container(message_)); }

}  // namespace gpuctl
