// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuctl {

/// Takes D-Bus values one after the other. Whether they become a message or the fingerprint of one, who
/// writes them does not know.
class ValueSink {
 public:
  virtual ~ValueSink() = default;
  /// Any bytes; what D-Bus does not allow becomes '?'.
  virtual void text(std::string_view text) = 0;
  virtual void path(const std::string& path) = 0;
  virtual void boolean(bool value) = 0;
  virtual void number(std::uint32_t value) = 0;
  /// `kind`: 'a' array, 'r' struct, 'e' dictionary entry, 'v' variant; `contents`: its signature.
  virtual void open(char kind, const char* contents) = 0;
  virtual void close() = 0;

  /// "{sv}": a word with its text.
  void entry(const char* key, std::string_view value);
};

}  // namespace gpuctl
