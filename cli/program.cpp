// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/program.hpp"

#include <functional>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/clean_text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/output/json.hpp"

namespace gpuctl::cli {
namespace {

/// What the command line asks for. `command` is bound to the arguments of the verb that was given.
struct Request {
  bool json{}, no_color{}, live{}, config{}, all{}, no_wait{};
  std::string host, gpu, vm, word;
  unsigned number{};
  RequestOptions options;
  bool dry_run{}, view{};
  std::function<Exit(Context&)> command;
};

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
       [](Context& c, const Request&) { return doctor(c); });
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
  sub->add_option("VM", r.vm, "libvirt domain: name or UUID");
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
  sub->add_flag("--dry-run", r.dry_run, "Show the steps, change nothing");
  add_force(*sub, r);
  add_live(*sub, r, "Also out of the running VM");
  sub->add_flag("--no-wait", r.no_wait, "Print the operation's number instead of following it");
}

void add_other_verbs(CLI::App& app, Request& r) {
  verb(app, r, "cancel", "Stop an operation and roll it back",
       [](Context& c, const Request& q) { return cancel(c, q.number); })
      ->add_option("N", r.number, "Number of the operation")
      ->required();
  auto* vm = app.add_subcommand("vm", "Virtual machines");
  vm->require_subcommand(1);
  vm->fallthrough();
  verb(*vm, r, "list", "libvirt's VMs and the GPUs they have",
       [](Context& c, const Request&) { return vm_list(c); });
  verb(app, r, "__complete", "", [](Context& c, const Request& q) { return complete(c, q.word); })
      ->group("")
      ->add_option("KIND", r.word)
      ->check(CLI::IsMember({"gpus", "vms", "operations"}))
      ->required();
}

void define(CLI::App& app, Request& r) {
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", std::string{"gpuctl "} + GPUCTL_VERSION);
  app.add_flag("--json", r.json, "One JSON document instead of text");
  app.add_option("--host", r.host, "Talk to gpuctld on another machine, through ssh")
      ->type_name("[USER@]HOST");
  app.add_flag("--no-color", r.no_color, "No colour");
  r.command = [](Context& c) { return list(c); };
  add_reading_verbs(app, r);
  add_check(app, r);
  add_attach(app, r);
  add_release(app, r);
  add_other_verbs(app, r);
}

Console console_for(const Request& r, const Surroundings& s) {
  const auto format = r.json ? Format::json : s.out_is_terminal ? Format::terminal : Format::plain;
  const bool colour = format == Format::terminal && !s.no_color && !r.no_color;
  return {format, colour, s.width, s.out, s.err};
}

/// Help and version are answers; all else is wrong usage.
int usage(const CLI::App& app, const CLI::ParseError& error, const Surroundings& s) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream text;
    app.exit(error, text, text);
    s.out(text.str().ends_with('\n') ? text.str() : text.str() + "\n");
    return static_cast<int>(Exit::done);
  }
  const Console console{Format::plain, false, 0, s.out, s.err};
  console.complain(clean(error.what()), "gpuctl --help shows how it is used.");
  return static_cast<int>(Exit::usage);
}

int report(const Failure& failure, const Console& console) {
  const auto explanation = explain(failure.name());
  const auto sentence = clean(failure.what(), Newlines::keep);
  const bool remedy_inside = sentence.find('\n') != std::string::npos;
  console.complain(sentence, remedy_inside ? std::string_view{} : explanation.remedy);
  if (console.json()) {
    print_json(console,
               {{"error", {{"name", std::string{short_name(failure.name())}}, {"message", sentence}}}});
  }
  return static_cast<int>(explanation.status);
}

}  // namespace

int run(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  Request request;
  CLI::App app{"Hand a GPU to a virtual machine and get it back", "gpuctl"};
  define(app, request);
  try {
    std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage(app, error, surroundings);
  }
  Context context{surroundings, console_for(request, surroundings), request.host};
  try {
    return static_cast<int>(request.command(context));
  } catch (const Failure& failure) {
    return report(failure, context.console);
  }
}

}  // namespace gpuctl::cli
