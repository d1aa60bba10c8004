// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "faults.hpp"
#include "machine.hpp"
#include "node_tree.hpp"

namespace fakesys {

/// One PCI function that is plugged in.
struct Function {
  FunctionSpec spec;
  std::string path;           ///< "/devices/pci0000:00/..."
  std::string driver;         ///< basename of the driver link; empty = none
  std::string uevent_driver;  ///< DRIVER= of uevent: outlives the link while remove() runs
  std::string override_;
  std::string power_control{"on"}, power_state{"D0"};
  std::string reset_methods;
  std::string d3cold_allowed{"1"};
  bool present{true};  ///< false: config space reads all ones
  bool removing{};     ///< a driver's remove() runs; it holds the device lock
  bool rom_enabled{};
  int resets{};
};

/// One line of the record: a write and what became of it.
struct WriteRecord {
  std::string path, text;
  int result{};
  pid_t pid{};
};

/// The PCI driver core of Linux, as far as sysfs shows it (drivers/base/{bus,dd}.c,
/// drivers/pci/{pci-driver,pci-sysfs}.c). Everything is done under one lock; what blocks in the kernel waits
/// on a condition with the lock released.
class Kernel {
 public:
  using UeventSink = std::function<void(const std::string& action, const std::string& path,
                                        const std::vector<std::string>& environment)>;
  explicit Kernel(MachineSpec machine, UeventSink uevent = {});

  std::mutex& mutex() { return mutex_; }
  const NodeTree& tree() const { return tree_; }
  Faults& faults() { return faults_; }
  /// A write(2) on the attribute `path`: number of bytes or a negative errno.
  int write(const std::string& path, std::string_view text, pid_t pid, Lock& lock);
  std::string read(const std::string& path, const Node& node) const;

  // What happens to the machine from outside, for the control socket. All under the lock.
  int load_module(const std::string& name, Lock& lock);
  int unload_module(const std::string& name, Lock& lock);
  void unplug(const std::string& address, Lock& lock);
  void plug(const std::string& address, Lock& lock);
  void set_present(const std::string& address, bool present);
  void set_group_owned(int group, bool owned);
  void set_probe_error(const std::string& driver, const std::string& address, int code);
  void set_hanging_remove(const std::string& driver, bool hangs);
  /// Wakes every writer that waits for a fault to be cleared.
  void faults_changed() { changed_.notify_all(); }
  const std::map<std::string, Function>& functions() const { return functions_; }
  const std::vector<WriteRecord>& record() const { return record_; }
  int held() const { return held_; }  ///< writes that hang
  void forget_record() { record_.clear(); }
  /// The machine as it was when it started, with no faults.
  void restart(Lock& lock);

 private:
  struct Driver {
    DriverSpec spec;
    std::vector<std::string> dynamic_ids;
  };

  // functions.cpp: what a function shows
  void add_function(const FunctionSpec& spec, Lock& lock, bool probe);
  void remove_function(const std::string& address, Lock& lock);
  std::string function_path(const FunctionSpec& spec) const;
  void show_function(Function& f);
  void show_links(Function& f);
  void show_power(Function& f);
  void show_reset(Function& f);
  void show_rom(Function& f);
  void show_uevent(Function& f);
  void show_class_devices(Function& f, const Driver& driver);
  void hide_class_devices(Function& f);
  void show_groups();
  void emit(const std::string& action, const Function& f);
  std::vector<std::string> environment(const Function& f) const;

  // drivers.cpp: modules, drivers and binding
  void show_statics();
  void show_module(const ModuleSpec& module);
  void register_driver(const DriverSpec& spec);
  void unregister_driver(const std::string& name, Lock& lock);
  Function* function(std::string_view address);
  bool matches(const Driver& driver, const Function& f) const;
  bool drives_a_function(const std::string& module) const;
  bool is_pinned(const std::string& driver) const;
  int probe(Function& f, Driver& driver);
  int attach_any(Function& f);
  void detach(const std::string& address, Lock& lock);
  bool wait_device_lock(const std::string& address, Lock& lock);
  int bind(const std::string& driver, std::string_view text, Lock& lock);
  int unbind(const std::string& driver, std::string_view text, Lock& lock);
  int drivers_probe(std::string_view text);
  int new_id(const std::string& driver, std::string_view text);
  int set_override(const std::string& address, std::string_view text);
  int set_power_control(const std::string& address, std::string_view text, Lock& lock);
  int reset(const std::string& address, std::string_view text, Lock& lock);
  int rescan(Lock& lock);

  MachineSpec machine_;
  UeventSink uevent_;
  std::mutex mutex_;
  std::condition_variable changed_;
  NodeTree tree_;
  Faults faults_;
  std::map<std::string, Function> functions_;
  std::map<std::string, Driver> drivers_;
  std::set<std::string> loaded_;
  std::set<std::string> unplugged_;
  std::set<int> owned_groups_;
  std::map<std::pair<std::string, std::string>, int> probe_errors_;
  std::set<std::string> hanging_removes_;
  std::vector<WriteRecord> record_;
  int held_{};
};

/// Text as sysfs attributes take it: without surrounding white space.
std::string trimmed(std::string_view text);

}  // namespace fakesys
