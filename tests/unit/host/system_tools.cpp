// SPDX-License-Identifier: GPL-2.0-or-later
#include "system_tools.hpp"

#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "host/kernel_command_line.hpp"

namespace gpuctl::test {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(in), {}};
}

void spit(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream{path, std::ios::binary} << text;
}

/// Sections, entries and their names as 10_linux of Debian and Ubuntu writes them, then those of others: the
/// configured words go into the normal entries alone.
void grub_mkconfig(const RootDir& root, const std::string& path, bool drop_ins) {
  const auto arguments = grub_arguments(root, drop_ins);
  const auto recovery = arguments.recovery.empty() ? "single" : joined(arguments.recovery);
  spit(root.path() / path,
       fmt::format("### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Linux' $menuentry_id_option "
                   "'gnulinux-simple-x' {{\n\tlinux\t/boot/vmlinuz root=UUID=x ro {}\n}}\nmenuentry "
                   "'Linux (recovery mode)' $menuentry_id_option 'gnulinux-6.8-recovery-x' "
                   "{{\n\tlinux\t/boot/vmlinuz root=UUID=x ro {}\n}}\n### END /etc/grub.d/10_linux ###\n"
                   "### BEGIN /etc/grub.d/20_memtest86+ ###\nmenuentry 'Memory test' "
                   "{{\n\tlinux\t/boot/memtest86+x64.efi\n}}\n### END /etc/grub.d/20_memtest86+ ###\n"
                   "### BEGIN /etc/grub.d/30_os-prober ###\nmenuentry 'Fedora (on /dev/sda3)' "
                   "{{\n\tlinux /boot/vmlinuz-f root=UUID=y rw\n}}\n### END /etc/grub.d/30_os-prober ###\n",
                   joined(arguments.normal), recovery));
}

/// Debian's does.
bool mkconfig_reads_drop_ins(const RootDir& root) {
  return root.text("usr/sbin/grub-mkconfig").find("default/grub.d/") != std::string::npos;
}

std::vector<std::string> list_argument(const std::vector<std::string>& command, const std::string& option) {
  for (const auto& word : command)
    if (word.starts_with(option)) return split_arguments(word.substr(option.size()));
  return {};
}

void grubby(const RootDir& root, const std::vector<std::string>& command) {
  const ArgumentChange change{list_argument(command, "--args="), list_argument(command, "--remove-args=")};
  for (const auto& path : find_entries(root))
    spit(root.path() / path, with_options(slurp(root.path() / path), change));
  const auto defaults = root.path() / "etc/default/grub";
  spit(defaults, with_shell_words(slurp(defaults), "GRUB_CMDLINE_LINUX", change));
}

void kernelstub(const RootDir& root, const std::vector<std::string>& command,
                const std::vector<std::string>& others) {
  const auto words = split_arguments(command.at(2));
  const ArgumentChange change{command.at(1) == "-a" ? words : std::vector<std::string>{},
                              command.at(1) == "-d" ? words : std::vector<std::string>{}};
  const auto path = root.path() / "etc/kernelstub/configuration";
  auto json = nlohmann::ordered_json::parse(slurp(path));
  json["user"]["kernel_options"] =
      changed(json["user"]["kernel_options"].get<std::vector<std::string>>(), change);
  spit(path, json.dump(2));  // not byte for byte as it was
  for (const auto& entry : find_entries(root))
    if (std::ranges::find(others, fs::path(entry).filename().string()) == others.end())
      spit(root.path() / entry, with_options(slurp(root.path() / entry), change));
}

/// update-all-entries: the running snapshot's get what /etc/kernel/cmdline has, and no others.
void sdbootutil_update(const RootDir& root) {
  const auto snapshot = KernelCommandLine{root.text("proc/cmdline")}.value("rootflags");
  const auto words = split_arguments(root.text("etc/kernel/cmdline"));
  for (const auto& path : find_entries(root)) {
    const auto entry = slurp(root.path() / path);
    const auto options = split_arguments(entry_options(entry));
    if (KernelCommandLine{entry_options(entry)}.value("rootflags") == snapshot)
      spit(root.path() / path, with_options(entry, {words, options}));
  }
}

void kernel_install(const RootDir& root, const std::vector<std::string>& command) {
  const auto token = slurp(root.path() / "etc/machine-id");
  const auto version = command.at(2);
  spit(root.path() /
           fmt::format("boot/efi/loader/entries/{}-{}.conf", token.substr(0, token.find('\n')), version),
       fmt::format("title Debian\nversion {}\noptions {}\nlinux {}\n", version,
                   joined(split_arguments(slurp(root.path() / "etc/kernel/cmdline"))), command.at(3)));
}

/// As gpuctl-apply runs it, but for the root: only the plugin that writes entries, and nothing of this
/// machine.
int systemds_kernel_install(const RootDir& root, std::vector<std::string> command) {
  const auto top = root.path().string();
  for (std::size_t i = 3; i < command.size(); ++i) command[i] = top + command[i];
  std::vector<std::string> environment{
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "KERNEL_INSTALL_CONF_ROOT=" + top + "/etc/kernel",
      "KERNEL_INSTALL_PLUGINS=/usr/lib/kernel/install.d/90-loaderentry.install", "BOOT_ROOT=" + top + "/boot",
      "MACHINE_ID=" + split_arguments(slurp(top + "/etc/machine-id")).at(0)};
  const auto pointers = [](std::vector<std::string>& words) {
    std::vector<char*> all;
    for (auto& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
  };
  pid_t child = 0;
  int status = 0;
  if (::posix_spawn(&child, command.front().c_str(), nullptr, nullptr, pointers(command).data(),
                    pointers(environment).data()) != 0 ||
      ::waitpid(child, &status, 0) != child)
    return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

void ApplyingSystemd::start_unit(const std::string& unit) {
  units.push_back(unit);
  const auto name = unit.substr(13, unit.size() - 13 - 8);  // gpuctl-apply@NAME.service
  const auto request = apply_request(slurp(paths().runtime / "apply" / (name + ".json")));
  try {
    apply(root_, request, [this](const auto& command) { return run(command); });
  } catch (const Error&) {
    throw Error(ErrorCode::kernel_refused, unit + " failed");
  }
}

void ApplyingSystemd::run_once_for_a_settled_tree(const std::string& mechanism) {
  if (mechanism == "grub-drop-in") grub_mkconfig(root_, "boot/grub/grub.cfg", true);
  if (mechanism != "grub-defaults") return;
  const bool grub2 = root_.exists("boot/grub2/grub.cfg");
  grub_mkconfig(root_, grub2 ? "boot/grub2/grub.cfg" : "boot/grub/grub.cfg", false);
}

int ApplyingSystemd::run(const std::vector<std::string>& command) {
  commands.push_back(fmt::format("{}", fmt::join(command, " ")));
  const auto program = fs::path(command.front()).filename().string();
  if (program == failing || std::ranges::find(command, failing_with) != command.end()) return 1;
  if (program == silent) return 0;
  if (program == "update-grub") grub_mkconfig(root_, "boot/grub/grub.cfg", mkconfig_reads_drop_ins(root_));
  if (program == "grub-mkconfig" || program == "grub2-mkconfig")
    grub_mkconfig(root_, command.at(2).substr(1), mkconfig_reads_drop_ins(root_));
  if (program == "grubby") grubby(root_, command);
  if (program == "rpm-ostree") spit(root_.path() / "run/ostree/staged-deployment", "");
  if (program == "kernelstub") kernelstub(root_, command, others);
  if (program == "sdbootutil" && command.at(1) == "update-all-entries") sdbootutil_update(root_);
  if (program == "kernel-install" && real_kernel_install) return systemds_kernel_install(root_, command);
  if (program == "kernel-install") kernel_install(root_, command);
  return 0;
}

std::map<std::string, std::string> configuration_of(const RootDir& root) {
  std::map<std::string, std::string> files;
  for (const auto* top : {"etc", "boot"})
    if (fs::exists(root.path() / top))
      for (const auto& entry : fs::recursive_directory_iterator(root.path() / top))
        if (entry.is_regular_file()) files[fs::relative(entry.path(), root.path())] = slurp(entry.path());
  return files;
}

}  // namespace gpuctl::test
