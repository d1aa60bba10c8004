// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.hpp"

#include <algorithm>

#include "cli/clean_text.hpp"

namespace gpuctl::cli {
namespace {

void clean_in_place(std::string& text) {
  const bool harmless = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!harmless) text = clean(text);
}

template <class... Strings>
void clean_all(Strings&... strings) {
  (clean_in_place(strings), ...);
}

void clean_value(std::string& text) { clean_in_place(text); }
void clean_value(Problem& p) { clean_all(p.id, p.severity, p.subject, p.message, p.remedy); }
void clean_value(Step& s) { clean_all(s.kind, s.subject, s.detail, s.state); }
void clean_value(User& u) {
  clean_all(u.command, u.unit, u.session, u.what, u.via, u.remedy, u.container, u.machine);
}

template <class Value>
void clean_value(std::vector<Value>& values) {
  for (auto& value : values) clean_value(value);
}

void clean_value(Function& f) {
  clean_all(f.address, f.class_code, f.ids, f.subsystem_ids, f.driver, f.driver_override, f.power_state,
            f.name, f.revision, f.class_name, f.subsystem_name);
  clean_value(f.modules);
  clean_value(f.reset_methods);
}

void clean_value(Gpu& g) {
  clean_all(g.path, g.address, g.name, g.vendor, g.state, g.vm, g.group_path);
  for (auto& function : g.functions) clean_value(function);
  clean_value(g.problems);
}

void clean_value(Group& g) {
  clean_all(g.path, g.type);
  for (auto& device : g.devices) clean_value(device);
  clean_value(g.problems);
}

void clean_value(Operation& o) {
  clean_all(o.path, o.kind, o.gpu_path, o.vm, o.state, o.error);
  o.message = clean(o.message, Newlines::keep);
  clean_value(o.steps);
}

void clean_value(Vm& v) {
  clean_all(v.name, v.uuid, v.state);
  clean_value(v.gpus);
  clean_value(v.problems);
}

void clean_value(KernelArguments& a) {
  clean_all(a.mechanism, a.description, a.advice);
  clean_value(a.current);
  clean_value(a.configured);
  clean_value(a.add);
  clean_value(a.remove);
}

void clean_value(BootPolicy& p) { clean_all(p.gpu, p.side, p.state, p.ids); }

std::string cleaned_lines(const std::string& text) { return clean(text, Newlines::keep); }

template <class Value>
Value cleaned(Value value) {
  clean_value(value);
  return value;
}

}  // namespace

Objects Client::objects() {
  auto objects = do_objects();
  for (auto& gpu : objects.gpus) clean_value(gpu);
  for (auto& group : objects.groups) clean_value(group);
  for (auto& operation : objects.operations) clean_value(operation);
  return objects;
}

Operation Client::operation(const std::string& path) { return cleaned(do_operation(path)); }

std::string Client::attach(const std::string& gpu, const std::string& vm, const RequestOptions& options) {
  return cleaned(do_attach(gpu, vm, options));
}

std::string Client::release(const std::string& gpu, const RequestOptions& options) {
  return cleaned(do_release(gpu, options));
}

std::vector<Problem> Client::check(const std::string& gpu, const std::string& vm,
                                   const RequestOptions& options) {
  return cleaned(do_check(gpu, vm, options));
}

std::vector<Step> Client::plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                               const RequestOptions& options) {
  return cleaned(do_plan(verb, gpu, vm, options));
}

std::vector<Problem> Client::diagnose() { return cleaned(do_diagnose()); }

std::vector<User> Client::users(const std::string& gpu) { return cleaned(do_users(gpu)); }

std::vector<Vm> Client::vms() {
  auto vms = do_vms();
  for (auto& vm : vms) clean_value(vm);
  return vms;
}

std::vector<Problem> Client::check_vm(const std::string& vm, const std::string& gpu) {
  return cleaned(do_check_vm(vm, gpu));
}

std::string Client::setup_vm(const std::string& vm, const VmSetup& setup) {
  return cleaned_lines(do_setup_vm(vm, setup));
}

std::string Client::undo_vm(const std::string& vm, const VmSetup& setup) {
  return cleaned_lines(do_undo_vm(vm, setup));
}

std::vector<Problem> Client::check_looking_glass(const std::string& vm) {
  return cleaned(do_check_looking_glass(vm));
}

KernelArguments Client::kernel_arguments() { return cleaned(do_kernel_arguments()); }

std::string Client::plan_kernel_arguments(const KernelArgumentsWish& wish) {
  return cleaned_lines(do_plan_kernel_arguments(wish));
}

std::string Client::enable_kernel_arguments(const KernelArgumentsWish& wish, Interaction interaction) {
  return cleaned_lines(do_enable_kernel_arguments(wish, interaction));
}

std::string Client::undo_kernel_arguments(Interaction interaction) {
  return cleaned_lines(do_undo_kernel_arguments(interaction));
}

std::vector<BootPolicy> Client::boot_policies() {
  auto policies = do_boot_policies();
  for (auto& policy : policies) clean_value(policy);
  return policies;
}

std::string Client::set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                                    Interaction interaction) {
  return cleaned_lines(do_set_boot_policy(gpu, side, migrate, interaction));
}

std::string Client::confirm_boot_policy(const std::string& gpu, Interaction interaction) {
  return cleaned_lines(do_confirm_boot_policy(gpu, interaction));
}

std::vector<Problem> Client::apply_boot_policy() { return cleaned(do_apply_boot_policy()); }

const Function* Gpu::display() const {
  const auto found = std::ranges::find(functions, address, &Function::address);
  return found == functions.end() ? nullptr : &*found;
}

bool Group::has_function_of(const Gpu& gpu) const {
  return std::ranges::any_of(gpu.functions, [this](const Function& f) {
    return std::ranges::find(devices, f.address, &Function::address) != devices.end();
  });
}

const Group* Objects::group_of(const Gpu& gpu) const {
  const auto found = std::ranges::find(groups, gpu.group_path, &Group::path);
  return found == groups.end() ? nullptr : &*found;
}

std::vector<const Group*> Objects::groups_of(const Gpu& gpu) const {
  std::vector<const Group*> found;
  const auto* first = group_of(gpu);
  if (first != nullptr) found.push_back(first);
  for (const auto& group : groups)
    if (&group != first && group.has_function_of(gpu)) found.push_back(&group);
  return found;
}

const Gpu* Objects::gpu_with(std::string_view function_address) const {
  const auto found = std::ranges::find_if(gpus, [&](const Gpu& gpu) {
    return std::ranges::find(gpu.functions, function_address, &Function::address) != gpu.functions.end();
  });
  return found == gpus.end() ? nullptr : &*found;
}

const Gpu* Objects::gpu_at(std::string_view path) const {
  const auto found = std::ranges::find(gpus, path, &Gpu::path);
  return found == gpus.end() ? nullptr : &*found;
}

}  // namespace gpuctl::cli
