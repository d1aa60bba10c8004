// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/problem.hpp"
#include "host/host_facts.hpp"
#include "os/read_recorder.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Everything that was read from a machine, by path below its root.
class Recording : public ReadRecorder {
 public:
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> links;
  std::map<std::string, std::vector<std::string>> directories;
  std::set<std::string> present;

  void on_read(const std::string& path, const std::optional<std::string>& contents) override;
  void on_link(const std::string& path, const std::optional<std::string>& target) override;
  void on_list(const std::string& path, const std::vector<std::string>& names) override;
  void on_exists(const std::string& path, bool exists) override;
};

/// A machine for a bug report, as JSON with every person's and machine's own marks taken out: what was read,
/// by whom, and what was found. Files that not everybody may read stay out. `root` is asked for the names to
/// take out. The file is UTF-8; binary contents are
/// {"hex": "..."}. tests/support/captured_machine unpacks it into a directory that gpuctl reads like the
/// machine.
std::string report(const RootDir& root, const Recording& recording, const Caller& caller,
                   const Problems& findings);

}  // namespace gpuctl
