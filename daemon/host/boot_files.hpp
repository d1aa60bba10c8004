// SPDX-License-Identifier: GPL-2.0-or-later
// Reading and editing of the files that keep kernel arguments: pure text work.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "host/file_edit.hpp"
#include "host/iommu_support.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// `line` of arguments with `change` made; what is there already is not added again.
std::vector<std::string> changed(std::vector<std::string> arguments, const ArgumentChange& change);
/// All that `change` adds is there, and nothing that it removes.
bool fulfils(const std::vector<std::string>& arguments, const ArgumentChange& change);
ArgumentChange inverse(const ArgumentChange& change);
std::string joined(const std::vector<std::string>& arguments);
std::vector<std::string> split_arguments(std::string_view line);

/// A shell file with the words of VARIABLE="..." changed: words to remove go from every assignment of it, new
/// ones come behind the words of the last, or in an assignment of their own, which keeps what the variable
/// holds, where it has none that always holds. Everything else stays byte for byte. A word that an expansion
/// ($OTHER, $(command)) is part of is not found.
std::string with_shell_words(const std::string& text, std::string_view variable,
                             const ArgumentChange& change);

struct GrubArguments {
  std::vector<std::string> normal;    ///< GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT together
  std::vector<std::string> recovery;  ///< GRUB_CMDLINE_LINUX_RECOVERY
};

/// What update-grub puts into its entries, after `edits`: assignments of /etc/default/grub, then of
/// /etc/default/grub.d/*.cfg if `drop_ins`.
GrubArguments grub_arguments(const RootDir& root, bool drop_ins, const FileEdits& edits = {});
/// Arguments of the "linux" lines of a generated grub.cfg that get GRUB_CMDLINE_LINUX_DEFAULT: this system's
/// own, without recovery entries, which have the words `recovery`. The kernel's file name is left out.
std::vector<std::string> grub_cfg_lines(const std::string& grub_cfg,
                                        const std::vector<std::string>& recovery);

/// A Boot Loader Specification entry with its options changed.
std::string with_options(const std::string& entry, const ArgumentChange& change);
/// The options of an entry, all its lines together.
std::string entry_options(const std::string& entry);
/// Paths of the entries (Type #1) below `directories`, without those of other systems (no "linux" line).
std::vector<std::string> find_entries(const RootDir& root);

/// A program of the system's packages, by its name.
bool installed(const RootDir& root, const std::string& program);

/// Prefix of the efivar LoaderInfo ("systemd-boot 257.9"), "" if firmware has none.
std::string loader_info(const RootDir& root);

/// openSUSE's sdbootutil makes entries and initrds on the EFI partition from /etc/kernel/cmdline, for
/// systemd-boot and for a GRUB that reads entries (grub2-bls). It may be installed beside an ordinary GRUB,
/// too.
bool by_sdbootutil(const RootDir& root);

/// What is changed when a tool does it: the arguments before and after, as a diff.
std::string arguments_diff(const std::vector<std::string>& before, const ArgumentChange& change);

}  // namespace gpuctl
