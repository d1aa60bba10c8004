// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>

namespace gpuctl::cli {
namespace {

constexpr auto vm_help = "libvirt domain: name or UUID";

using Command = std::function<Exit(Context&, const Request&)>;

CLI::App* verb(CLI::App& app, Request& request, const std::string& name, const std::string& help,
               Command command) {
  auto* sub = app.add_subcommand(name, help);
  sub->fallthrough();
  sub->callback([&request, command] {
    request.command = [&request, command](Context& c) { return command(c, request); };
  });
  return sub;
}

void add_reading_verbs(CLI::App& app, Request& r) {
  verb(app, r, "list", "GPUs: address, name, driver, group, state, VM (default)",
       [](Context& c, const Request&) { return list(c); });
  verb(app, r, "show", "One GPU: functions, group, power, reset, holders, problems",
       [](Context& c, const Request& q) { return show(c, q.gpu); })
      ->add_option("GPU", r.gpu, "PCI address, slot, vendor:device id or part of the name");
  verb(app, r, "groups", "IOMMU groups that hold a GPU, with verdict", [](Context& c, const Request& q) {
    return groups(c, q.all);
  })->add_flag("--all", r.all, "All IOMMU groups");
  verb(app, r, "users", "Who holds the GPU", [](Context& c, const Request& q) {
    return users(c, q.gpu);
  })->add_option("GPU", r.gpu, "Which GPU");
  verb(app, r, "doctor", "Is this machine ready for passthrough? What to do next",
       [](Context& c, const Request& q) { return doctor(c, q.file); })
      ->add_option("--report", r.file, "Also write a report for a bug, without names and serial numbers")
      ->type_name("FILE");
  verb(app, r, "operations", "What runs, and what has finished in the last minute",
       [](Context& c, const Request&) { return operations(c); });
  verb(app, r, "monitor", "Tells what happens, until Ctrl-C",
       [](Context& c, const Request&) { return monitor(c); });
}

void add_force(CLI::App& sub, Request& r) {
  sub.add_flag("--force", r.options.force, "Override what can be overridden");
}

/// --live and --config exclude each other; the latter says the default aloud.
void add_live(CLI::App& sub, Request& r, const std::string& help) {
  auto* live = sub.add_flag("--live", r.options.live, help);
  sub.add_flag("--config", r.config, "Only the VM's definition (default)")->excludes(live);
}

void add_check(CLI::App& app, Request& r) {
  auto* sub = verb(app, r, "check", "Would attach work? Every problem with its remedy",
                   [](Context& c, const Request& q) {
                     return check(c, {q.vm, q.gpu, q.options});
                   });
  sub->add_option("VM", r.vm, vm_help);
  sub->add_option("--gpu", r.gpu, "Which GPU");
  add_force(*sub, r);
  add_live(*sub, r, "Also into the running VM");
}

void add_attach(CLI::App& app, Request& r) {
  auto* sub = verb(app, r, "attach", "Give a GPU to a VM", [](Context& c, const Request& q) {
    return attach(c, {q.vm, q.gpu, q.options, q.dry_run, !q.no_wait, q.view});
  });
  sub->add_option("VM", r.vm,
                  "libvirt domain: name or UUID; without it (or 'vm') the GPU is bound to vfio-pci only");
  sub->add_option("--gpu", r.gpu, "Which GPU");
  sub->add_flag("--dry-run", r.dry_run, "Show the steps and the problems, change nothing");
  add_live(*sub, r, "Also into the running VM");
  auto* start = sub->add_flag("--start", r.options.start, "Start the VM afterwards");
  sub->add_flag("--keep", r.options.keep, "Leave the GPU with VFIO when the VM stops");
  add_force(*sub, r);
  auto* no_wait =
      sub->add_flag("--no-wait", r.no_wait, "Print the operation's number instead of following it");
  sub->add_flag("--view", r.view, "Open the Looking Glass client afterwards")
      ->needs(start)
      ->excludes(no_wait);
}

void add_release(CLI::App& app, Request& r) {
  auto* sub = verb(app, r, "release", "Give a GPU back to the host", [](Context& c, const Request& q) {
    return release(c, {q.gpu, q.options, q.dry_run, !q.no_wait});
  });
  sub->add_option("GPU", r.gpu, "Which GPU; without it, the only one that is away");
  sub->add_flag("--dry-run", r.dry_run, "Show the steps and the problems, change nothing");
  add_force(*sub, r);
  add_live(*sub, r, "Also out of the running VM");
  auto* reset = sub->add_flag("--reset", r.options.reset, "Reset a card that does not answer");
  sub->add_flag("--rescan", r.options.rescan,
                "Take a card that does not answer off the PCI bus and scan again")
      ->excludes(reset);
  sub->add_flag("--no-wait", r.no_wait, "Print the operation's number instead of following it");
}

void add_vm_setup(CLI::App& vm, Request& r) {
  auto* sub = verb(vm, r, "setup", "Make the VM fit for a GPU: shows the change and applies it",
                   [](Context& c, const Request& q) {
                     return vm_setup(c, {q.vm, q.setup, q.undo});
                   });
  sub->add_option("VM", r.vm, vm_help)->required();
  auto* undo = sub->add_flag("--undo", r.undo, "Take the last setup back");
  auto* picture =
      sub->add_option("--looking-glass", r.setup.looking_glass, "Size of the picture for Looking Glass")
          ->type_name("WxH[@hdr]")
          ->excludes(undo);
  sub->add_option("--transport", r.setup.transport, "How the picture comes to the host")
      ->check(CLI::IsMember({"shmem", "kvmfr"}))
      ->needs(picture);
  auto* rom = sub->add_option("--rom", r.setup.rom, "Option ROM for the GPU; '' for the card's own")
                  ->type_name("FILE|auto")
                  ->excludes(undo);
  sub->add_option("--gpu", r.setup.gpu, "The GPU that the ROM is for")->needs(rom);
  sub->add_flag("--battery", r.setup.battery, "Give the VM a battery, for NVIDIA's laptop drivers")
      ->excludes(undo);
  sub->add_flag("--dry-run", r.setup.dry_run, "Show the change only");
}

void add_vm_verbs(CLI::App& app, Request& r) {
  auto* vm = app.add_subcommand("vm", "Virtual machines");
  vm->require_subcommand(1);
  vm->fallthrough();
  verb(*vm, r, "list", "libvirt's VMs and the GPUs they have",
       [](Context& c, const Request&) { return vm_list(c); });
  auto* check = verb(*vm, r, "check", "Is the VM fit for a GPU?",
                     [](Context& c, const Request& q) { return vm_check(c, q.vm, q.gpu); });
  check->add_option("VM", r.vm, vm_help)->required();
  check->add_option("--gpu", r.gpu, "The GPU it is about");
  add_vm_setup(*vm, r);
}

void add_looking_glass_verbs(CLI::App& app, Request& r) {
  auto* glass = app.add_subcommand("looking-glass", "The VM's picture in a window of the host");
  glass->require_subcommand(1);
  glass->fallthrough();
  verb(*glass, r, "check", "Will the VM's picture reach you?", [](Context& c, const Request& q) {
    return looking_glass_check(c, q.vm);
  })->add_option("VM", r.vm, "libvirt domain; without it, every VM with memory for Looking Glass");
}

void add_rom_verbs(CLI::App& app, Request& r) {
  auto* rom = app.add_subcommand("rom", "Option ROMs");
  rom->require_subcommand(1);
  rom->fallthrough();
  const auto* source = "A GPU, or a file if it has a slash or is the name of one";
  verb(*rom, r, "show", "The images in a ROM", [](Context& c, const Request& q) {
    return rom_show(c, q.gpu);
  })->add_option("GPU|FILE", r.gpu, source);
  verb(*rom, r, "check", "What is wrong with a ROM", [](Context& c, const Request& q) {
    return rom_check(c, q.gpu);
  })->add_option("GPU|FILE", r.gpu, source);
  auto* dump =
      verb(*rom, r, "dump", "Write a ROM as a VM is to be given it", [](Context& c, const Request& q) {
        return rom_dump(c, {q.gpu, q.file, q.raw});
      });
  dump->add_option("GPU|FILE", r.gpu, source);
  dump->add_option("--output", r.file, "File to write")->type_name("FILE");
  dump->add_flag("--raw", r.raw, "All bytes as they are");
}

void add_wish(CLI::App& sub, Request& r) {
  sub.add_flag("--passthrough", r.wish.passthrough,
               "Also iommu=pt: the host's own devices are not translated");
  sub.add_flag("--drop-vfio-ids", r.wish.drop_vfio_ids, "Also take vfio-pci.ids= of an older set-up out");
}

void add_kernel_args_verbs(CLI::App& app, Request& r) {
  auto* args = app.add_subcommand("kernel-args", "Kernel arguments for the IOMMU");
  args->require_subcommand(1);
  args->fallthrough();
  verb(*args, r, "show", "Where they are kept and what they are",
       [](Context& c, const Request&) { return kernel_args_show(c); });
  add_wish(*verb(*args, r, "plan", "What enable would change",
                 [](Context& c, const Request& q) { return kernel_args_plan(c, q.wish); }),
           r);
  add_wish(*verb(*args, r, "enable", "Add what this machine needs, from the next boot on",
                 [](Context& c, const Request& q) { return kernel_args_enable(c, q.wish); }),
           r);
  verb(*args, r, "undo", "Take that back", [](Context& c, const Request&) { return kernel_args_undo(c); });
}

void add_boot_verbs(CLI::App& app, Request& r) {
  auto* boot = app.add_subcommand("boot", "Which side a GPU is on after boot");
  boot->require_subcommand(1);
  boot->fallthrough();
  verb(*boot, r, "show", "The policies", [](Context& c, const Request&) { return boot_show(c); });
  auto* set = verb(*boot, r, "set", "Put a GPU on a side at each boot", [](Context& c, const Request& q) {
    if (q.word == "confirm") return boot_confirm(c, q.gpu);
    return boot_set(c, q.gpu, q.word, q.migrate);
  });
  set->add_option("GPU", r.gpu, "Which GPU")->required();
  set->add_option("SIDE", r.word, "Which side")
      ->required()
      ->check(CLI::IsMember({"vm", "host", "last", "clear", "confirm"}));
  const auto* migrate = "Also put lines of /etc/modprobe.d out of action that give it to vfio-pci by id";
  set->add_flag("--migrate", r.migrate, migrate);
  verb(*boot, r, "clear", "No policy", [](Context& c, const Request& q) {
    return boot_set(c, q.gpu, "clear", false);
  })->add_option("GPU", r.gpu, "Which GPU; without it, the only one that has a policy");
  verb(*boot, r, "confirm", "Keep the policy that is on trial", [](Context& c, const Request& q) {
    return boot_confirm(c, q.gpu);
  })->add_option("GPU", r.gpu, "Which GPU; without it, all on trial");
  verb(*boot, r, "apply", "", [](Context& c, const Request&) { return boot_apply(c); })->group("");
}

void add_other_verbs(CLI::App& app, Request& r) {
  verb(app, r, "cancel", "Stop an operation and roll it back",
       [](Context& c, const Request& q) { return cancel(c, q.number); })
      ->add_option("N", r.number, "Number of the operation")
      ->required();
  verb(app, r, "__complete", "", [](Context& c, const Request& q) { return complete(c, q.word); })
      ->group("")
      ->add_option("KIND", r.word)
      ->check(CLI::IsMember({"gpus", "vms", "operations"}))
      ->required();
}

}  // namespace

void add_verbs(CLI::App& app, Request& request) {
  request.command = [](Context& c) { return list(c); };
  add_reading_verbs(app, request);
  add_check(app, request);
  add_attach(app, request);
  add_release(app, request);
  add_vm_verbs(app, request);
  add_looking_glass_verbs(app, request);
  add_rom_verbs(app, request);
  add_kernel_args_verbs(app, request);
  add_boot_verbs(app, request);
  add_other_verbs(app, request);
}

}  // namespace gpuctl::cli
