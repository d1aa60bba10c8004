// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "os/root_dir.hpp"

namespace gpuctl {

/// Takes out of a report what tells who or which machine it is: MAC addresses, UUIDs, machine ids, disk
/// serials, IP addresses of the kernel command line, credentials, host and user names. Equal names become
/// equal stand-ins, so the doctor finds the same on the redacted files.
class Redactor {
 public:
  /// Reads host and user names below `root`.
  Redactor(const RootDir& root, uid_t caller);

  std::string path(std::string_view path) const;
  /// What a report shows of the file. Of long files only the parts that checks look at.
  std::string contents(std::string_view path, std::string_view contents) const;
  /// Free text, such as a finding's message.
  std::string text(std::string_view text) const;

 private:
  std::string caller_line(std::string_view passwd) const;

  uid_t caller_;
  std::vector<std::pair<std::string, std::string>> names_;  ///< word, stand-in
};

}  // namespace gpuctl
