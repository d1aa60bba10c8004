// SPDX-License-Identifier: GPL-2.0-or-later
// From the types of the bus to those of the commands. Properties that are missing or of another type are left
// empty: a daemon of another version must not make the program useless.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "cli/values.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl::cli {

using Properties = std::map<std::string, sdbus::Variant>;
using Interfaces = std::map<std::string, Properties>;
using ManagedObjects = std::map<sdbus::ObjectPath, Interfaces>;
using WireProblems = std::vector<Properties>;
using WireSteps = std::vector<sdbus::Struct<std::string, std::string, std::string>>;

Objects objects_of(const ManagedObjects& objects);
Operation operation_of(const std::string& path, const Properties& properties);
std::vector<Problem> problems_of(const WireProblems& problems);
std::vector<Step> steps_of(const WireSteps& steps);
std::vector<User> users_of(const std::vector<Properties>& users);
std::vector<Vm> vms_of(const std::vector<Properties>& vms);
Properties wire_options(const RequestOptions& options);
KernelArguments kernel_arguments_of(const Properties& state);
std::vector<BootPolicy> boot_policies_of(const std::vector<Properties>& policies);
/// The option by which polkit may not ask; nothing where it may.
Properties wire_interaction(Interaction interaction);
Properties wire_wish(const KernelArgumentsWish& wish, Interaction interaction);
Properties wire_setup(const VmSetup& setup);

}  // namespace gpuctl::cli
