// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_undo.hpp"

#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "os/replace_file.hpp"
#include "vm/domain_uuid.hpp"

namespace gpuctl {
namespace {

constexpr auto definition = ".xml", made = ".made", tmpfiles = ".tmpfiles",
               tmpfiles_before = ".tmpfiles-before";

std::optional<std::string> contents(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

/// May hold a SPICE password.
void write_or_remove(const std::filesystem::path& path, const std::optional<std::string>& text) {
  if (text) return replace_file(path, *text, 0600);
  if (std::filesystem::exists(path)) remove_file(path);
}

}  // namespace

std::filesystem::path VmUndo::file(const std::string& uuid, std::size_t number, const char* kind) const {
  require_uuid(uuid);
  return dir_ / (number == 1 ? uuid + kind : fmt::format("{}.{}{}", uuid, number, kind));
}

std::size_t VmUndo::count(const std::string& uuid) const {
  std::size_t number = 0;
  while (std::filesystem::exists(file(uuid, number + 1, definition))) ++number;
  return number;
}

/// The definition last: it makes the copy one.
void VmUndo::write(const std::string& uuid, std::size_t number, const UndoCopy& copy) const {
  const auto change = copy.tmpfiles.value_or(FileChange{});
  write_or_remove(file(uuid, number, tmpfiles), change.after);
  write_or_remove(file(uuid, number, tmpfiles_before), change.before);
  write_or_remove(file(uuid, number, made), copy.made);
  write_or_remove(file(uuid, number, definition), copy.xml);
}

UndoCopy VmUndo::read(const std::string& uuid, std::size_t number) const {
  UndoCopy copy{contents(file(uuid, number, definition)).value_or("")};
  copy.made = contents(file(uuid, number, made));
  if (auto after = contents(file(uuid, number, tmpfiles)))
    copy.tmpfiles = FileChange{contents(file(uuid, number, tmpfiles_before)), std::move(after)};
  return copy;
}

void VmUndo::push(const std::string& uuid, const UndoCopy& copy) {
  auto number = count(uuid);
  if (number == limit) {
    for (std::size_t i = 1; i < limit; ++i) write(uuid, i, read(uuid, i + 1));
    --number;
  }
  write(uuid, number + 1, copy);
}

void VmUndo::note_made(const std::string& uuid, const std::string& xml) {
  if (const auto number = count(uuid); number != 0) write_or_remove(file(uuid, number, made), xml);
}

std::optional<UndoCopy> VmUndo::top(const std::string& uuid, std::size_t above) const {
  const auto number = count(uuid);
  return number <= above ? std::nullopt : std::optional{read(uuid, number - above)};
}

void VmUndo::pop(const std::string& uuid) {
  const auto number = count(uuid);
  if (number == 0) return;
  for (const auto* kind : {definition, made, tmpfiles, tmpfiles_before})
    write_or_remove(file(uuid, number, kind), std::nullopt);
}

}  // namespace gpuctl
