// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

#include "host/device_users.hpp"

namespace gpuctl {

/// What a holder is and what its user can do; found by name in one table (holder_remedies.cpp).
struct Holder {
  std::string_view names;  ///< names of the program, separated by '|'; a trailing '*' stands for any rest
  HolderKind kind{};
  std::string_view
      remedy;  ///< {pid}, {comm}, {unit}, {user-unit}, {machine}, {container}, {what} are filled in
};

/// The row for a process, by its name or that of its executable (a name in /proc is cut at 15 characters);
/// nothing for programs that are not in the table.
const Holder* known_holder(std::string_view comm, std::string_view command);

/// udev's workers look at what is new, and close it: nobody has to do anything. Only root's, for anybody may
/// call a process so.
bool is_udev(const DeviceUser& user);

/// Fills in `kind`, `will_let_go` and `remedy` of a user whose other fields are known.
void explain(DeviceUser& user);

}  // namespace gpuctl
