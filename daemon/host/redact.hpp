// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "os/root_dir.hpp"

namespace gpuctl {

/// Takes out of a report what tells who or which machine it is: MAC and IP addresses, UUIDs, machine ids,
/// serial numbers, credentials, e-mail addresses, host names, names of users and of people. Of kernel
/// arguments only those that checks look at keep their values, of configuration only lines that they look at,
/// and no comment. Equal names become equal stand-ins, so the doctor finds the same on the redacted files.
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
  /// `name` is not to be seen, wherever it stands as a word.
  void hide(const std::string& name, const std::string& stand_in);

  uid_t caller_;
  std::vector<std::pair<std::string, std::string>> names_;  ///< word, stand-in
};

}  // namespace gpuctl
