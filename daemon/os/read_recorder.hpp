// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace gpuctl {

/// Is told everything that is read through a RootDir, so that a bug report can carry what a finding rests on.
class ReadRecorder {
 public:
  virtual ~ReadRecorder() = default;
  virtual void on_read(const std::string& path, const std::optional<std::string>& contents) = 0;
  virtual void on_link(const std::string& path, const std::optional<std::string>& target) = 0;
  virtual void on_list(const std::string& path, const std::vector<std::string>& names) = 0;
  virtual void on_exists(const std::string& path, bool exists) = 0;
};

}  // namespace gpuctl
