// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <list>
#include <string>

namespace fakesys {

/// What goes wrong with writes to an attribute.
struct Fault {
  enum class Kind {
    error,        ///< answer `code`, no effect
    late_error,   ///< take effect, then answer `code`
    block,        ///< wait until the fault is cleared, then take effect
    delay,        ///< take effect after `code` milliseconds
    vanish,       ///< the function whose address the path or the text names is gone before the effect
    short_write,  ///< accept half of the bytes and do nothing
  };
  Kind kind{};
  std::string pattern;  ///< fnmatch(3) on the path below /sys, without the leading slash
  int code{};           ///< errno or milliseconds
  int skip{};           ///< this many matching writes pass first
  int count{-1};        ///< then this many are hit; -1: all
};

class Faults {
 public:
  void add(Fault fault) { faults_.push_back(std::move(fault)); }
  void clear() { faults_.clear(); }
  /// Drops the faults with this pattern; true if there were any.
  bool clear(const std::string& pattern);
  /// The fault that hits this write, counted; nothing (kind unset) is a null pointer.
  const Fault* take(const std::string& path);
  /// Is a blocking fault with this pattern still set?
  bool blocks(const std::string& path) const;

 private:
  std::list<Fault> faults_;
};

/// errno of "EBUSY" or "16"; 0 for an unknown name.
int errno_of(const std::string& name);

}  // namespace fakesys
