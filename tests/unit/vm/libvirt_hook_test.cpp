// SPDX-License-Identifier: GPL-2.0-or-later
// The hook as libvirt runs it, with a busctl that only writes down how it was called.
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include <doctest/doctest.h>

#include "unit/vm/domains.hpp"

using namespace gpuctl::test;

namespace {

namespace fs = std::filesystem;

class Hook {
 public:
  Hook() {
    std::string name = (fs::temp_directory_path() / "gpuctl-hook-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    answer("exit 0");
  }
  ~Hook() { fs::remove_all(dir_); }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  /// What busctl does after writing down its arguments, one a line.
  void answer(const std::string& script) {
    write("busctl", "#!/bin/sh\nprintf '%s\\n' \"$@\" >>" + (dir_ / "calls").string() + "\n" + script + "\n");
    fs::permissions(dir_ / "busctl", fs::perms::owner_all);
  }
  /// Exit status; its standard error goes to `said`.
  int run(const std::string& arguments, const std::string& xml) {
    write("xml", xml);
    const auto command = "PATH=" + dir_.string() +
                         ":/usr/bin:/bin /bin/sh " TEST_DATA "/../systemd-units/libvirt-hook " + arguments +
                         " <" + (dir_ / "xml").string() + " 2>" + (dir_ / "said").string();
    return WEXITSTATUS(std::system(command.c_str()));  // NOLINT: the point is to run a shell script
  }
  std::string calls() const { return read("calls"); }
  std::string said() const { return read("said"); }

 private:
  void write(const char* name, const std::string& text) { std::ofstream{dir_ / name} << text; }
  std::string read(const char* name) const {
    std::ifstream in{dir_ / name};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  fs::path dir_;
};

}  // namespace

TEST_CASE("a VM without devices of the host starts without gpuctl being asked") {
  Hook hook;
  CHECK(hook.run("win11 prepare begin -", domain_file("windows11")) == 0);
  CHECK(hook.calls().empty());
}

TEST_CASE("only the start and the end of a VM are told to gpuctl") {
  Hook hook;
  for (const auto* operation :
       {"start begin", "started begin", "stopped end", "reconnect begin", "migrate begin"})
    CHECK(hook.run("render " + std::string{operation} + " -", domain_file("two-gpus")) == 0);
  CHECK(hook.calls().empty());
}

TEST_CASE("a VM with a GPU is prepared and released with its whole definition") {
  Hook hook;
  const auto xml = domain_file("two-gpus");
  CHECK(hook.run("'my vm' prepare begin -", xml) == 0);
  CHECK(contains(hook.calls(), "org.gpuctl1.Vms\nPrepareDomain\nssa{sv}\nmy vm\n" +
                                   xml.substr(0, xml.size() - 1) + "\n0\n"));
  CHECK(hook.run("'my vm' release end shutdown", xml) == 0);
  CHECK(contains(hook.calls(), "org.gpuctl1.Vms\nReleaseDomain\nss\nmy vm\n<domain"));
}

TEST_CASE("a refusal ends the start, with the reason where libvirt picks it up") {
  Hook hook;
  hook.answer("case $* in *PrepareDomain*) echo 'Call failed: Xorg holds the GPU.' >&2; exit 1;; esac");
  CHECK(hook.run("render prepare begin -", domain_file("two-gpus")) == 1);
  CHECK(contains(hook.said(), "Xorg holds the GPU."));
}

TEST_CASE("where gpuctl does not answer at all, VMs start as if it were not there") {
  Hook hook;
  hook.answer("exit 1");
  CHECK(hook.run("render prepare begin -", domain_file("two-gpus")) == 0);
  CHECK_FALSE(contains(hook.calls(), "PrepareDomain"));
}

TEST_CASE("a definition too long for an argument leaves the GPU alone and says so") {
  Hook hook;
  CHECK(hook.run("render prepare begin -", domain_file("two-gpus") + std::string(200000, ' ') + "<!-- -->") ==
        0);
  CHECK(contains(hook.said(), "too long"));
  CHECK_FALSE(contains(hook.calls(), "PrepareDomain"));
}
