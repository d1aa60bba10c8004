// SPDX-License-Identifier: GPL-2.0-or-later
// A /sys whose PCI part behaves like the kernel's, for tests of production binaries. Needs root and
// /dev/fuse.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "control.hpp"
#include "fuse_fs.hpp"
#include "support/module_index.hpp"
#include "uevents.hpp"

int main(int argc, char** argv) try {
  std::string machine, mount_point, socket, modules;
  unsigned long forbidden = 0;
  CLI::App app{"Mounts a fake /sys made from a machine description; prints READY when it can be used"};
  app.add_option("machine", machine, "machines/*.json")->required()->check(CLI::ExistingFile);
  app.add_option("mount-point", mount_point)->required()->check(CLI::ExistingDirectory);
  app.add_option("--control", socket, "unix socket for commands, see control.hpp")->required();
  app.add_option("--uevents-not-in", forbidden,
                 "send kernel uevents, if the network namespace is not the one with this inode");
  app.add_option("--modules", modules, "directory for the modules.alias that the machine's kernel has");
  CLI11_PARSE(app, argc, argv);

  const auto spec = fakesys::load_machine(machine);
  if (!modules.empty()) gpuctl::test::write_module_aliases(modules, spec.aliases);
  fakesys::Kernel kernel(spec,
                         forbidden ? fakesys::kernel_uevents(forbidden) : fakesys::Kernel::UeventSink{});
  return fakesys::serve(kernel, mount_point, [&] {
    fakesys::start_control(kernel, socket);
    std::puts("READY");
    std::fflush(stdout);
  });
} catch (const std::exception& e) {
  std::fprintf(stderr, "fakesys: %s\n", e.what());
  return 1;
}
