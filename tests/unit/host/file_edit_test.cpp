// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/file_edit.hpp"

#include <sys/stat.h>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "host/apply.hpp"
#include "host/boot_files.hpp"
#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("a diff shows changed lines with three around them, as diff -u does") {
  const std::string before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
  const std::string after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n";
  CHECK(unified_diff({{"etc/file", before, after}}) ==
        "--- /etc/file\n+++ /etc/file\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10,3 +10,4 "
        "@@\n 10\n "
        "11\n 12\n+13\n");
  const std::string near = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\ntwelve\n";
  CHECK(unified_diff({{"f", before, near}}).find("@@ -2,11 +2,11 @@") != std::string::npos);
  const std::string far = "one\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\ntwelve";
  CHECK(unified_diff({{"f", before, far}}) ==
        "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n "
        "11\n-12\n+twelve\n\\ No newline "
        "at end of file\n");
}

TEST_CASE("a diff of new and of removed files names the missing side") {
  CHECK(unified_diff({{"a", std::nullopt, "x\n"}}) == "--- /dev/null\n+++ /a\n@@ -0,0 +1 @@\n+x\n");
  CHECK(unified_diff({{"a", "x\n", std::nullopt}}) == "--- /a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n");
  CHECK(unified_diff({{"a", "x\n", "x\n"}}).empty());
}

TEST_CASE("edits are refused when a file is no longer as it was") {
  FakeMachine machine;
  machine.file("etc/a", "1\n").file("etc/b", "other\n");
  CHECK_THROWS_WITH_AS(write_edits(machine.root(), {{"etc/a", "1\n", "2\n"}, {"etc/b", "1\n", "2\n"}}),
                       doctest::Contains("/etc/b changed"), Error);
  CHECK(RootDir{machine.root()}.text("etc/a") == "1");
}

TEST_CASE("edits that cannot all be written are taken back") {
  FakeMachine machine;
  machine.file("etc/a", "1\n").file("etc/file", "");
  CHECK_THROWS_AS(
      write_edits(machine.root(), {{"etc/a", "1\n", "2\n"}, {"etc/file/below", std::nullopt, "x"}}), Error);
  CHECK(RootDir{machine.root()}.text("etc/a") == "1");
}

TEST_CASE("an edit can make a program") {
  const FakeMachine machine;
  write_edits(machine.root(), {{"etc/hook", std::nullopt, "#!/bin/sh\n", true}});
  struct stat found {};
  REQUIRE(::stat((machine.root() / "etc/hook").c_str(), &found) == 0);
  CHECK((found.st_mode & 07777U) == 0755);
}

TEST_CASE("a link stays, and the file that it leads to is changed") {
  namespace fs = std::filesystem;
  FakeMachine machine;
  machine.file("srv/grub", "1\n").link("etc/default/grub", "srv/grub").link("etc/kernel", "srv");
  fs::create_symlink("/etc/default/grub", machine.root() / "srv/absolute");
  fs::create_symlink("/srv/later", machine.root() / "srv/dangling");
  fs::create_symlink("itself", machine.root() / "srv/itself");
  const RootDir root{machine.root()};
  const FileEdits edits{{"etc/default/grub", "1\n", "2\n"},
                        {"etc/kernel/absolute", "2\n", "3\n"},
                        {"etc/kernel/dangling", {}, "new\n"}};
  write_edits(machine.root(), {edits[0]});
  write_edits(machine.root(), {edits[1], edits[2]});
  for (const auto* link : {"etc/default/grub", "etc/kernel", "srv/absolute", "srv/dangling"})
    CHECK(fs::is_symlink(machine.root() / link));
  CHECK(root.text("srv/grub") == "3");
  CHECK(root.text("srv/later") == "new");
  CHECK(read_exactly(root, "etc/kernel/absolute") == "3\n");
  CHECK_FALSE(read_exactly(root, "srv/itself"));
  write_edits(machine.root(), reversed({edits[1], edits[2]}));
  write_edits(machine.root(), reversed({edits[0]}));
  CHECK(root.text("srv/grub") == "1");
  CHECK_FALSE(root.exists("srv/later"));
  CHECK(fs::is_symlink(machine.root() / "srv/dangling"));
}

TEST_CASE("a request reads back, and nothing but a request is one") {
  const ApplyRequest request{
      {{"etc/default/grub", std::nullopt, "x\n", true}, {"etc/modprobe.d/vfio.conf", "y", std::nullopt}},
      {{"update-grub", {}}, {"grubby-add", {"intel_iommu=on", "iommu=pt"}}}};
  CHECK(apply_request(to_json(request)) == request);
  const ApplyRequest tmpfiles{{{"etc/tmpfiles.d/10-looking-glass.conf", {}, "f /dev/shm/looking-glass"}},
                              {{"tmpfiles-looking-glass", {}}}};
  CHECK(apply_request(to_json(tmpfiles)) == tmpfiles);
  for (
      const auto* bad :
      {"", "{}", "[]", R"({"edits":[],"tools":[{"tool":"sh","arguments":["-c","x"]}]})",
       R"({"edits":[{"path":"/etc/a","before":null,"after":"x","executable":false}],"tools":[]})",
       R"({"edits":[{"path":"etc/shadow","before":null,"after":"x","executable":false}],"tools":[]})",
       R"({"edits":[{"path":"etc/modprobe.d/a/b.conf","before":null,"after":"x","executable":false}],"tools":[]})",
       R"({"edits":[{"path":"etc/../a","before":null,"after":"x","executable":false}],"tools":[]})",
       R"({"edits":[],"tools":[{"tool":"update-grub","arguments":["--help"]}]})",
       R"({"edits":[],"tools":[{"tool":"grubby-add","arguments":["--remove-kernel=ALL"]}]})",
       R"({"edits":[],"tools":[{"tool":"grubby-add","arguments":["a b"]}]})",
       R"({"edits":[],"tools":[{"tool":"kernel-install","arguments":["6.1","/etc/shadow"]}]})"})
    CHECK_THROWS_AS(apply_request(bad), Error);
}

TEST_CASE("a command is the fixed one of its tool, found where it is installed") {
  FakeMachine machine;
  machine.file("usr/bin/grubby", "").file("usr/sbin/update-initramfs", "");
  const RootDir root{machine.root()};
  CHECK(command_of({"grubby-add", {"intel_iommu=on", "iommu=pt"}}, root) ==
        std::vector<std::string>{"/usr/bin/grubby", "--update-kernel=ALL", "--args=intel_iommu=on iommu=pt"});
  CHECK(command_text({"grubby-add", {"intel_iommu=on", "iommu=pt"}}) ==
        "grubby --update-kernel=ALL \"--args=intel_iommu=on iommu=pt\"");
  CHECK(command_of({"update-initramfs", {}}, root) ==
        std::vector<std::string>{"/usr/sbin/update-initramfs", "-u", "-k", "all"});
  CHECK_THROWS_WITH_AS(command_of({"dracut", {}}, root), "dracut is not installed", Error);
}

TEST_CASE("boot loader entries keep all but their options") {
  const std::string entry = "title X\noptions root=x\noptions quiet  splash\nlinux /v\n";
  CHECK(with_options(entry, {{"a=1"}, {"splash"}}) ==
        "title X\noptions root=x a=1\noptions quiet\nlinux /v\n");
  CHECK(with_options(entry, {{}, {"nothing"}}) == entry);
  CHECK(with_options("linux /v\n", {{"a"}, {}}) == "linux /v\noptions a\n");
  CHECK(entry_options(entry) == "root=x quiet  splash");
}
