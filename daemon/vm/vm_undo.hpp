// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace gpuctl {

/// A file's text before and after; nothing = absent.
struct FileChange {
  std::optional<std::string> before{}, after{};
  bool operator==(const FileChange&) const = default;
};

/// What a set-up is taken back with.
struct UndoCopy {
  std::string xml{};                     ///< the definition as it was
  std::optional<FileChange> tmpfiles{};  ///< what it did to looking_glass_tmpfiles_path
  std::optional<std::string> made{};     ///< the definition as it was then; none in a copy of an older gpuctl
};

/// A copy for each set-up, the latest on top: files UUID.xml, UUID.2.xml, ... below `dir`, beside each
/// UUID.made, and UUID.tmpfiles and UUID.tmpfiles-before where that file was changed too.
class VmUndo {
 public:
  static constexpr std::size_t limit = 20;  ///< copies of one VM; the oldest makes room

  explicit VmUndo(std::filesystem::path dir) : dir_(std::move(dir)) {}
  /// On disk when it returns. Throws Error(state_unwritable), Error(invalid_argument) for what is no UUID.
  void push(const std::string& uuid, const UndoCopy& copy);
  /// What the set-up on top has made of the definition, as libvirt tells it.
  void note_made(const std::string& uuid, const std::string& xml);
  /// The copy with so many others `above` it.
  std::optional<UndoCopy> top(const std::string& uuid, std::size_t above = 0) const;
  void pop(const std::string& uuid);

 private:
  std::filesystem::path file(const std::string& uuid, std::size_t number, const char* kind) const;
  std::size_t count(const std::string& uuid) const;
  void write(const std::string& uuid, std::size_t number, const UndoCopy& copy) const;
  UndoCopy read(const std::string& uuid, std::size_t number) const;
  std::filesystem::path dir_;
};

}  // namespace gpuctl
