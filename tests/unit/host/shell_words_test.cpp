// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "host/boot_files.hpp"
#include "host/shell_file.hpp"
#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const ArgumentChange change{{"intel_iommu=on"}, {"old"}};

std::string edited(const std::string& text) { return with_shell_words(text, "GRUB", change); }
std::string added(const std::string& text) { return with_shell_words(text, "GRUB", {{"new"}, {}}); }
std::string removed(const std::string& text) { return with_shell_words(text, "GRUB", {{}, {"old"}}); }

std::string value(const std::string& text, const std::string& variable = "GRUB") {
  ShellVariables variables;
  read_into(variables, read_shell_file(text));
  return variables[variable];
}

}  // namespace

TEST_CASE("shell assignments are changed in place") {
  CHECK(edited("A=1\nGRUB=\"quiet old\" # why\n") == "A=1\nGRUB=\"quiet intel_iommu=on\" # why\n");
  CHECK(edited("GRUB='quiet'\n") == "GRUB='quiet intel_iommu=on'\n");
  CHECK(edited("GRUB=quiet\n") == "GRUB=\"quiet intel_iommu=on\"\n");
  CHECK(edited("GRUB=$X\n") == "GRUB=\"$X intel_iommu=on\"\n");
  CHECK(edited("GRUB=\n") == "GRUB=\"intel_iommu=on\"\n");
  CHECK(edited("GRUB=''\n") == "GRUB='intel_iommu=on'\n");
  CHECK(edited("# GRUB=\"x\"\n") == "# GRUB=\"x\"\nGRUB=\"intel_iommu=on\"\n");
  CHECK(edited("GRUB=\"a\"\nGRUB=\"b\"\n") == "GRUB=\"a\"\nGRUB=\"b intel_iommu=on\"\n");
  CHECK(edited("export GRUB=a;B=2") == "export GRUB=\"a intel_iommu=on\";B=2");
  CHECK(with_shell_words("GRUB_X=\"x\"", "GRUB", {{}, {"x"}}) == "GRUB_X=\"x\"");
}

TEST_CASE("what is appended keeps the blank that separates it") {
  const std::string text = "GRUB=\"cryptdevice=x:root\"\nGRUB+=\" root=/dev/mapper/root\"\n";
  CHECK(removed(text) == text);
  CHECK(added(text) == "GRUB=\"cryptdevice=x:root\"\nGRUB+=\" root=/dev/mapper/root new\"\n");
  CHECK(value(added(text)) == "cryptdevice=x:root root=/dev/mapper/root new");
  CHECK(removed("GRUB+=\" old a  b \"\n") == "GRUB+=\" a  b \"\n");
  CHECK(removed("GRUB+=\" a old \"\n") == "GRUB+=\" a \"\n");
  CHECK(removed("GRUB=\"a old\"\nGRUB+=\" old\"\n") == "GRUB=\"a\"\nGRUB+=\" \"\n");
  CHECK(added("GRUB=a\nGRUB+=\"\"\n") == "GRUB=a\nGRUB+=\" new\"\n");
  CHECK(added("GRUB=a\nGRUB+=\n") == "GRUB=a\nGRUB+=\" new\"\n");
  CHECK(value("GRUB=a\nGRUB+=b\n") == "ab");
}

TEST_CASE("a file with nothing to change stays as it is") {
  for (const std::string text : {"GRUB=quiet\n", "GRUB=\n", "GRUB=\"a  b \"\n",
                                 "GRUB=\"quiet \\\n  splash\"\n", "GRUB='a'\"b\"\\ c", "GRUB=\"x"})
    CHECK(removed(text) == text);
  CHECK(with_shell_words("GRUB=\"new  b\"\n", "GRUB", {{"new"}, {}}) == "GRUB=\"new  b\"\n");
}

TEST_CASE("a value goes on over continued lines") {
  CHECK(added("GRUB=\"quiet \\\nsplash\"\nB=1\n") == "GRUB=\"quiet \\\nsplash new\"\nB=1\n");
  CHECK(removed("GRUB=\"quiet \\\nold\"\n") == "GRUB=\"quiet\\\n\"\n");
  CHECK(removed("GRUB=\"old \\\nquiet\"\n") == "GRUB=\"\\\nquiet\"\n");
  CHECK(value("GRUB=\"quiet \\\nsplash\"\n") == "quiet splash");
  CHECK(value("GRUB=\"quiet\n splash\"\n") == "quiet\n splash");
}

TEST_CASE("escaped quotes hold a value together, and the kernel's hold an argument together") {
  const std::string text = "GRUB=\"quiet acpi_osi=\\\"Windows 2020\\\"\"\n";
  CHECK(value(text) == "quiet acpi_osi=\"Windows 2020\"");
  CHECK(added(text) == "GRUB=\"quiet acpi_osi=\\\"Windows 2020\\\" new\"\n");
  CHECK(with_shell_words(text, "GRUB", {{}, {"acpi_osi=\"Windows 2020\""}}) == "GRUB=\"quiet\"\n");
  CHECK(with_shell_words(text, "GRUB", {{}, {"2020\""}}) == text);
  CHECK(with_shell_words("GRUB=\"a\"\n", "GRUB", {{"b=\"$c\""}, {}}) == "GRUB=\"a b=\\\"\\$c\\\"\"\n");
  CHECK(with_shell_words("GRUB='a'\n", "GRUB", {{"b='c'"}, {}}) == "GRUB='a b='\\''c'\\'''\n");
}

TEST_CASE("quotes side by side are one value") {
  CHECK(added("GRUB='a '\"b\"\n") == "GRUB='a '\"b new\"\n");
  CHECK(added("GRUB='a 'b\n") == "GRUB='a 'b\" new\"\n");
  CHECK(value("GRUB='a 'b\" new\"\n") == "a b new");
  CHECK(removed("GRUB='a 'o\"l\"d\n") == "GRUB='a'\"\"\n");
  CHECK(value("GRUB=a\\ b\\\\\n") == "a b\\");
  CHECK(value("GRUB='a\\'\n") == "a\\");
}

TEST_CASE("an assignment that may be left out is not the place for a new word") {
  for (const std::string text : {"GRUB=a\nif [ -f x ]; then\n  GRUB=b\nfi\n", "[ -f x ] && GRUB=b\n",
                                 "case $x in\n y) GRUB=b ;;\nesac\n"}) {
    CAPTURE(text);
    CHECK(added(text) == text + "GRUB=\"$GRUB new\"\n");
    CHECK(with_shell_words(added(text), "GRUB", {{}, {"new"}}) == text + "GRUB=\"$GRUB\"\n");
  }
  CHECK(added("if true; then\n A=1\nfi\nGRUB=b\n") == "if true; then\n A=1\nfi\nGRUB=\"b new\"\n");
}

TEST_CASE("expansions count for what is known of them") {
  CHECK(value("A=1\nGRUB=\"$A ${A}2 $B\"\n") == "1 12 ");
  CHECK(value("GRUB=\"a $(echo \")\" x) `date`${B:-y} b$\"\n") == "a   b$");
  CHECK(value("GRUB='$A'\n") == "$A");
  CHECK(added("GRUB=\"$(echo \"x\")\"\n") == "GRUB=\"$(echo \"x\") new\"\n");
  CHECK(removed("GRUB=\"$A old\"\n") == "GRUB=\"$A\"\n");
  CHECK(removed("GRUB=\"${A}old\"\n") == "GRUB=\"${A}old\"\n");
}

TEST_CASE("an assignment before a command is that command's") {
  CHECK(value("GRUB=a\nGRUB=quiet splash\n") == "a");
  CHECK(value("GRUB=a\nLANG=C GRUB=b true; export C=1 GRUB=d; E=f\n") == "d");
  CHECK(value("if GRUB=a; then B=1; fi\n") == "a");
}

TEST_CASE(
    "an assignment after export and the like holds, whatever else is declared; so does one with a "
    "redirection") {
  CHECK(added("export GRUB=\"quiet cryptdevice=x\" TIMEOUT\n") ==
        "export GRUB=\"quiet cryptdevice=x new\" TIMEOUT\n");
  CHECK(added("GRUB=\"quiet\" 2>/dev/null\n") == "GRUB=\"quiet new\" 2>/dev/null\n");
  for (const std::string word : {"export", "readonly", "declare", "local", "typeset"}) {
    CAPTURE(word);
    CHECK(value(word + " A GRUB=a B\n") == "a");
    CHECK(value(word + " -x GRUB=a\n") == "a");
    CHECK(value(word + " A; GRUB=a true\n").empty());
  }
  CHECK(value("GRUB=a 2 >x\n").empty());
}

TEST_CASE("a variable that gets its value in another way keeps it") {
  for (const std::string text :
       {"eval \"GRUB='a'\"\n", "read -r GRUB <x\n", "printf -v GRUB a\n", "command export GRUB=a\n"}) {
    CAPTURE(text);
    CHECK(added(text) == text + "GRUB=\"$GRUB new\"\n");
  }
  for (const std::string text : {"eval GRUB_X=a MY_GRUB=b\n", "  # read GRUB\n"})
    CHECK(added(text) == text + "GRUB=\"new\"\n");
}

TEST_CASE("a quote that is not closed is known") {
  CHECK(read_shell_file("GRUB=\"a\" # don't\n").whole);
  for (const auto* text :
       {"GRUB=\"a", "GRUB='a\nB=1\n", "GRUB=$(a", "GRUB=${a", "GRUB=`a", "GRUB=\"\\", "GRUB=\"$(a\\"})
    CHECK_FALSE(read_shell_file(text).whole);
}

TEST_CASE("GRUB's arguments are those of all its files, with variables and +=") {
  FakeMachine machine;
  machine.file("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"root=x\"\n")
      .file("etc/default/grub.d/50-cloud.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} console=ttyS0\"\n")
      .file("etc/default/grub.d/60-more.cfg", "GRUB_CMDLINE_LINUX_DEFAULT+=\" more\"\n")
      .file("etc/default/grub.d/README", "GRUB_CMDLINE_LINUX_DEFAULT=\"nothing\"\n");
  const RootDir root{machine.root()};
  CHECK(grub_arguments(root, true).normal ==
        std::vector<std::string>{"root=x", "quiet", "console=ttyS0", "more"});
  CHECK(grub_arguments(root, false).normal == std::vector<std::string>{"root=x", "quiet"});
  const FileEdits edits{{"etc/default/grub.d/55-x.cfg", {}, "GRUB_CMDLINE_LINUX_DEFAULT=x\n"},
                        {"etc/default/grub.d/60-more.cfg", "", {}}};
  CHECK(grub_arguments(root, true, edits).normal == std::vector<std::string>{"root=x", "x"});
}

TEST_CASE("only this system's normal entries count among the lines of grub.cfg") {
  const std::string cfg =
      "### BEGIN /etc/grub.d/10_linux_zfs ###\n\tmenuentry 'U' $menuentry_id_option 'gnulinux-simple-x' {\n"
      "\t\tlinux /vmlinuz root=x quiet\n\t}\n\tmenuentry 'R' $menuentry_id_option 'gnulinux-6-recovery-x' {\n"
      "\t\tlinux /vmlinuz root=x mine\n\t}\n\tmenuentry 'R' {\n\t\tlinux /vmlinuz root=x nomodeset ro\n\t}\n"
      "### END /etc/grub.d/10_linux_zfs ###\n### BEGIN /etc/grub.d/20_memtest86+ ###\nmenuentry 'M' {\n"
      "\tlinux /boot/memtest86+x64.efi\n}\n### BEGIN /etc/grub.d/30_os-prober ###\nmenuentry 'F' {\n"
      "\tlinux /vmlinuz root=y\n}\n### BEGIN /etc/grub.d/40_custom ###\nmenuentry 'C' {\n\tlinux /vmlinuz "
      "c\n}\n";
  CHECK(grub_cfg_lines(cfg, {"nomodeset"}) == std::vector<std::string>{"root=x quiet"});
  CHECK(grub_cfg_lines("menuentry 'x' {\n linux /v a\n linuxefi /v b\n linux /v single\n linux_x /v c\n}\n",
                       {}) == std::vector<std::string>{"a", "b"});
}
