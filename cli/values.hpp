// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon tells, as dbus-interfaces/org.gpuctl1.*.xml documents it. "" stands for "none" throughout.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl::cli {

struct Function {
  std::string address, class_code, ids, subsystem_ids, driver;
  std::vector<std::string> modules;
  std::string driver_override, power_state;
  std::vector<std::string> reset_methods;
  std::string name;  ///< vendor and device
  std::string revision, class_name, subsystem_name;
};

struct Problem {
  std::string id, severity, subject, message, remedy;
  bool blocks() const { return severity == "blocker"; }
};

struct Gpu {
  std::string path, address, name, vendor, state, vm, group_path;
  bool boot_display{};
  std::vector<Function> functions;
  std::vector<Problem> problems;
  /// "0000:01:00" of "0000:01:00.0".
  std::string slot() const { return address.substr(0, address.rfind('.')); }
  /// The display function; nothing if the daemon left it out.
  const Function* display() const;
};

struct Group {
  std::string path;
  std::uint32_t number{};
  std::string type;
  std::vector<Function> devices;
  bool isolated{};
  std::vector<Problem> problems;
  bool has_function_of(const Gpu& gpu) const;
};

struct Step {
  std::string kind, subject, detail;
  std::string state;  ///< empty for a step of a plan
  bool operator==(const Step&) const = default;
};

struct Operation {
  std::string path, kind, gpu_path, vm, state, error, message;
  std::uint32_t step{}, started_by{};
  std::vector<Step> steps;
  bool running() const { return state == "running"; }
  /// "7" of "/org/gpuctl1/operations/7".
  std::string number() const { return path.substr(path.rfind('/') + 1); }
};

/// Everything that is on the bus, in the order of addresses and numbers.
struct Objects {
  std::vector<Gpu> gpus;
  std::vector<Group> groups;
  std::vector<Operation> operations;
  const Group* group_of(const Gpu& gpu) const;
  /// Of the display function first; others where the functions of one card are in several.
  std::vector<const Group*> groups_of(const Gpu& gpu) const;
  const Gpu* gpu_with(std::string_view function_address) const;
  const Gpu* gpu_at(std::string_view path) const;
};

/// A process, or a part of the kernel (pid 0), that holds a GPU.
struct User {
  std::uint32_t pid{}, uid{};
  std::string command, unit, session, what, via, remedy;
  std::string container{}, machine{};  ///< "" for none
  bool lets_go{};                      ///< by itself, when the driver leaves
  bool shared{};                       ///< what it holds is for all GPUs of the driver
};

struct Vm {
  std::string name, uuid, state;
  std::vector<std::string> gpus;
  std::vector<Problem> problems;
};

enum class Interaction { allowed, declined };

/// Options of Attach, Release, Check and Plan; only what differs from the default is sent.
struct RequestOptions {
  bool force{}, live{}, start{}, keep{}, reset{}, rescan{};
  std::string verb{};  ///< Check: release; "" is attach
  Interaction interaction{Interaction::allowed};
};

/// A change of a VM's definition; only what is set is sent.
struct VmSetup {
  std::string looking_glass{};       ///< "2560x1440" or "2560x1440@hdr"
  std::string transport{};           ///< shmem | kvmfr
  std::optional<std::string> rom{};  ///< absolute path, "auto", or "" for the card's own
  std::string gpu{};
  bool battery{}, dry_run{};
  Interaction interaction{Interaction::allowed};
};

struct KernelArguments {
  std::string mechanism, description;
  std::vector<std::string> current, configured, add, remove;
  std::string advice;
  bool changed_by_gpuctl{}, reboot_needed{};
};

struct KernelArgumentsWish {
  bool passthrough{}, drop_vfio_ids{};
};

struct BootPolicy {
  std::string gpu, side, state, ids;
  bool late{}, disabled{};
};

}  // namespace gpuctl::cli
