// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/cli/canned_client.hpp"

#include "cli/output/stream.hpp"
#include "cli/whole_file.hpp"

namespace gpuctl::cli::test {
namespace {

std::string words(const RequestOptions& o) {
  std::string text;
  if (o.force) text += " force";
  if (o.live) text += " live";
  if (o.start) text += " start";
  if (o.keep) text += " keep";
  if (o.reset) text += " reset";
  if (o.rescan) text += " rescan";
  if (!o.verb.empty()) text += " of-" + o.verb;
  if (o.interaction == Interaction::declined) text += " silent";
  return text;
}

std::string words(Interaction interaction) { return interaction == Interaction::declined ? " silent" : ""; }

std::string words(const KernelArgumentsWish& wish) {
  return std::string{wish.passthrough ? " passthrough" : ""} + (wish.drop_vfio_ids ? " drop-vfio-ids" : "");
}

Function nvidia_display() {
  return {"0000:01:00.0",
          "0300",
          "10de:25a0",
          "1043:1ccc",
          "nvidia",
          {"nouveau", "nvidia_drm", "nvidia"},
          "",
          "D0",
          {"flr", "bus"},
          "NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]",
          "a1",
          "VGA compatible controller",
          "ASUSTeK Computer Inc. Device"};
}

Function nvidia_audio() {
  return {"0000:01:00.1",
          "0403",
          "10de:2291",
          "1043:1ccc",
          "snd_hda_intel",
          {"snd_hda_intel"},
          "",
          "D3hot",
          {},
          "NVIDIA Corporation GA107 High Definition Audio Controller",
          "a1",
          "Audio device",
          "ASUSTeK Computer Inc. Device"};
}

Function intel_display() {
  return {"0000:00:02.0",
          "0300",
          "8086:46a6",
          "",
          "i915",
          {"i915"},
          "",
          "D0",
          {"flr"},
          "Intel Corporation Alder Lake-P GT2 [Iris Xe Graphics]",
          "0c",
          "VGA compatible controller",
          ""};
}

Problem boot_display() {
  return {"boot-display", "blocker", "0000:00:02.0", "The firmware uses 0000:00:02.0 for the console.",
          "Choose another GPU as the primary one in firmware setup."};
}

}  // namespace

Objects reference_laptop() {
  Objects o;
  o.gpus.push_back({"/org/gpuctl1/gpus/0000_00_02",
                    "0000:00:02.0",
                    "Alder Lake-P GT2 [Iris Xe Graphics]",
                    "Intel Corporation",
                    "host",
                    "",
                    "/org/gpuctl1/groups/0",
                    true,
                    {intel_display()},
                    {boot_display()}});
  o.gpus.push_back({"/org/gpuctl1/gpus/0000_01_00",
                    "0000:01:00.0",
                    "GA107M [GeForce RTX 3050 Ti Mobile]",
                    "NVIDIA Corporation",
                    "host",
                    "",
                    "/org/gpuctl1/groups/15",
                    false,
                    {nvidia_display(), nvidia_audio()},
                    {}});
  o.groups.push_back({"/org/gpuctl1/groups/0", 0, "DMA-FQ", {intel_display()}, true, {boot_display()}});
  o.groups.push_back({"/org/gpuctl1/groups/7",
                      7,
                      "DMA-FQ",
                      {{"0000:00:14.3",
                        "0280",
                        "8086:51f0",
                        "8086:0074",
                        "",
                        {"iwlwifi"},
                        "",
                        "",
                        {},
                        "",
                        "01",
                        "Network controller",
                        ""}},
                      false,
                      {}});
  o.groups.push_back({"/org/gpuctl1/groups/15", 15, "DMA-FQ", {nvidia_display(), nvidia_audio()}, true, {}});
  return o;
}

Objects reference_laptop_with_vm() {
  auto o = reference_laptop();
  auto& gpu = o.gpus[1];
  gpu.state = "vm";
  gpu.vm = "win11";
  for (auto& function : gpu.functions) function.driver = function.driver_override = "vfio-pci";
  o.groups[2].devices = gpu.functions;
  return o;
}

Operation attach_operation(const std::string& state, const std::vector<std::string>& step_states) {
  const std::vector<Step> steps{{"set-override", "0000:01:00.0", "vfio-pci", ""},
                                {"unbind", "0000:01:00.0", "nvidia", ""},
                                {"bind", "0000:01:00.0", "vfio-pci", ""}};
  Operation o{"/org/gpuctl1/operations/7",
              "attach",
              "/org/gpuctl1/gpus/0000_01_00",
              "",
              state,
              "",
              "",
              0,
              1000,
              steps};
  for (std::size_t i = 0; i < step_states.size(); ++i) o.steps[i].state = step_states[i];
  return o;
}

void CannedClient::called(const std::string& method, const std::string& arguments) {
  daemon_.calls.push_back(method + arguments);
  for (const auto& call : {method, method + arguments})
    if (const auto failure = daemon_.failures.find(call); failure != daemon_.failures.end())
      throw failure->second;
}

std::string CannedClient::started(const std::string& method, const std::string& arguments,
                                  const RequestOptions& options) {
  called(method, arguments + words(options));
  if (daemon_.wants_password && options.interaction == Interaction::declined) throw refusal("NotAuthorized");
  return "/org/gpuctl1/operations/7";
}

void CannedClient::happen(std::deque<std::function<void()>>& events) {
  if (events.empty()) return;
  const auto next = events.front();
  events.pop_front();
  next();
}

Objects CannedClient::do_objects() {
  called("objects");
  happen(daemon_.at_looks);
  return daemon_.objects;
}

Operation CannedClient::do_operation(const std::string& path) {
  called("operation", " " + path);
  auto now = daemon_.course.front();
  if (daemon_.course.size() > 1) daemon_.course.pop_front();
  return now;
}

std::string CannedClient::do_attach(const std::string& gpu, const std::string& vm,
                                    const RequestOptions& options) {
  return started("attach", " '" + gpu + "' '" + vm + "'", options);
}

std::string CannedClient::do_release(const std::string& gpu, const RequestOptions& options) {
  return started("release", " '" + gpu + "'", options);
}

void CannedClient::do_cancel(const std::string& operation_path) { called("cancel", " " + operation_path); }

std::vector<Problem> CannedClient::do_check(const std::string& gpu, const std::string& vm,
                                            const RequestOptions& options) {
  called("check", " '" + gpu + "' '" + vm + "'" + words(options));
  return daemon_.problems;
}

std::vector<Step> CannedClient::do_plan(const std::string& verb, const std::string& gpu,
                                        const std::string& vm, const RequestOptions& options) {
  called("plan", " " + verb + " '" + gpu + "' '" + vm + "'" + words(options));
  return daemon_.steps;
}

std::vector<Problem> CannedClient::do_diagnose() {
  called("diagnose");
  return daemon_.findings;
}

std::vector<User> CannedClient::do_users(const std::string& gpu) {
  called("users", " '" + gpu + "'");
  return daemon_.users;
}

std::vector<Vm> CannedClient::do_vms() {
  called("vms");
  return daemon_.vms;
}

std::vector<Problem> CannedClient::do_check_vm(const std::string& vm, const std::string& gpu) {
  called("check_vm", " '" + vm + "' '" + gpu + "'");
  return daemon_.problems;
}

std::string CannedClient::do_setup_vm(const std::string& vm, const VmSetup& s) {
  called("setup_vm", " '" + vm + "' " + s.looking_glass + " " + s.transport + " " +
                         s.rom.value_or("(same rom)") + " " + s.gpu + (s.battery ? " battery" : "") +
                         (s.dry_run ? " dry-run" : ""));
  return daemon_.diff;
}

std::string CannedClient::do_undo_vm(const std::string& vm, const VmSetup& s) {
  called("undo_vm", " '" + vm + "'" + (s.dry_run ? " dry-run" : ""));
  return daemon_.diff;
}

std::vector<Problem> CannedClient::do_check_looking_glass(const std::string& vm) {
  called("check_looking_glass", " '" + vm + "'");
  return daemon_.problems;
}

std::string CannedClient::do_read_rom(const std::string& gpu, Interaction interaction) {
  called("read_rom", " '" + gpu + "'" + (interaction == Interaction::declined ? " silent" : ""));
  return daemon_.rom;
}

KernelArguments CannedClient::do_kernel_arguments() {
  called("kernel_arguments");
  return daemon_.kernel_arguments;
}

std::string CannedClient::do_plan_kernel_arguments(const KernelArgumentsWish& wish) {
  called("plan_kernel_arguments", words(wish));
  return daemon_.diff;
}

std::string CannedClient::do_enable_kernel_arguments(const KernelArgumentsWish& wish,
                                                     Interaction interaction) {
  called("enable_kernel_arguments", words(wish) + words(interaction));
  return daemon_.sentence;
}

std::string CannedClient::do_undo_kernel_arguments(Interaction interaction) {
  called("undo_kernel_arguments", words(interaction));
  return daemon_.sentence;
}

std::vector<BootPolicy> CannedClient::do_boot_policies() {
  called("boot_policies");
  return daemon_.policies;
}

std::string CannedClient::do_set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                                             Interaction interaction) {
  called("set_boot_policy", " '" + gpu + "' " + side + (migrate ? " migrate" : "") + words(interaction));
  return daemon_.sentence;
}

std::string CannedClient::do_confirm_boot_policy(const std::string& gpu, Interaction interaction) {
  called("confirm_boot_policy", " '" + gpu + "'" + words(interaction));
  return daemon_.sentence;
}

std::vector<Problem> CannedClient::do_apply_boot_policy() {
  called("apply_boot_policy");
  return daemon_.problems;
}

std::string CannedClient::do_report() {
  called("report");
  return daemon_.report;
}

void CannedClient::do_listen(const std::string& path) {
  called("listen", " " + path);
  happen(daemon_.at_listens);
}

Wake CannedClient::do_wait(int) {
  happen(daemon_.at_waits);
  if (daemon_.wakes.empty()) return Wake::changed;
  const auto wake = daemon_.wakes.front();
  daemon_.wakes.pop_front();
  return wake;
}

Outcome Program::run(const std::vector<std::string>& arguments) {
  Outcome outcome;
  Surroundings s;
  s.out_is_terminal = terminal;
  s.person_present = person;
  s.root = root;
  s.no_color = no_color;
  s.dumb = dumb;
  s.width = width;
  s.out = [&](std::string_view text) { outcome.out += text; };
  if (stream != nullptr) s.out = sink(stream);
  s.out_is_lost = [&] { return stream != nullptr && std::ferror(stream) != 0; };
  s.err = [&](std::string_view text) { outcome.err += text; };
  s.connect = [&](const std::string& to) {
    if (connections == connect_fails_after) throw Failure{"org.freedesktop.DBus.Error.NoServer", "no"};
    ++connections;
    host = to;
    return std::make_unique<CannedClient>(daemon);
  };
  s.start_agent = [&] { return ++agents_started, std::make_shared<int>(); };
  s.start_viewer = [&] { return ++viewers_started, viewer_installed; };
  s.read_file = read_whole_file;
  s.write_file = write_whole_file;
  outcome.status = cli::run(arguments, s);
  return outcome;
}

}  // namespace gpuctl::cli::test
