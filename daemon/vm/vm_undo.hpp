// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gpuctl {

/// Definitions as they were before each set-up, the latest on top: files UUID.xml, UUID.2.xml, ... below
/// `dir`.
class VmUndo {
 public:
  static constexpr std::size_t limit = 20;  ///< copies of one VM; the oldest makes room

  explicit VmUndo(std::filesystem::path dir) : dir_(std::move(dir)) {}
  /// On disk when it returns. Throws Error(state_unwritable), Error(invalid_argument) for what is no UUID.
  void push(const std::string& uuid, const std::string& xml);
  std::optional<std::string> top(const std::string& uuid) const;
  void pop(const std::string& uuid);

 private:
  std::filesystem::path file(const std::string& uuid, std::size_t number) const;
  std::size_t count(const std::string& uuid) const;
  std::filesystem::path dir_;
};

}  // namespace gpuctl
