// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "os/node_control.hpp"
#include "os/pci_control.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"
#include "support/fake_machine.hpp"
#include "support/faults.hpp"

namespace gpuctl::test {

/// A kernel (and a systemd) with memory over a fake machine, by the rules of Linux 6.12:
/// - an override neither binds, unbinds nor loads; while it is set only that driver may bind, and without it
/// only a
///   driver that matches by id (VFIO drivers match by override alone);
/// - the driver link goes when remove() starts, DRIVER= in uevent when it has returned; while it runs, writes
/// to
///   power/control, bind and remove of that function block;
/// - vfio-pci sets power/control to auto when it binds and to on when it leaves;
/// - while a VM owns the group, an ordinary driver cannot bind: EBUSY;
/// - remove() of a driver waits for its users; a driver whose module is loaded takes what it may take at
/// once;
/// - the device files of a driver go with it, and come back with it as they were first.
/// Whatever else should go wrong is told to faults(), which counts each call.
class FakeKernel : public PciControl, public SystemdControl, public NodeControl {
 public:
  /// Functions match the drivers they are bound to now.
  explicit FakeKernel(FakeMachine& machine);

  Faults& faults() { return faults_; }
  const Faults& faults() const { return faults_; }
  std::chrono::steady_clock::time_point now() const { return now_; }

  // How it is.
  FakeKernel& matches(PciAddress, const std::string& driver);
  FakeKernel& used(PciAddress, bool used = true);
  FakeKernel& group_owned_by_vm(std::set<PciAddress> functions);
  /// A module that registers `driver` when it is loaded. One that finds nothing to bind unloads again (nvidia
  /// does).
  FakeKernel& loadable(const std::string& module, const std::string& driver, bool needs_device = false);
  /// What becomes of a function that a rescan finds: vfio-pci.ids=, or a udev rule that sets an override
  /// first.
  FakeKernel& taken_when_found(PciAddress, const std::string& driver, const std::string& override_name = "");
  FakeKernel& running(const std::string& unit);
  /// A device file of a function: one that the kernel makes goes and comes with the function's driver; one
  /// that `userspace` has made (/dev/nvidia0) stays.
  enum class MadeBy { kernel, userspace };
  FakeKernel& node(PciAddress, const NodeMode& node, MadeBy by = MadeBy::kernel);

  // What happens to it later.
  /// A call that hung for this function comes to its end; its users are gone.
  void let_go(PciAddress);
  void let_go_all();
  bool busy(PciAddress address) const { return pending_.contains(address); }
  bool is_used(PciAddress address) const { return used_.contains(address); }

  std::string driver_of(PciAddress) const;
  std::string override_of(PciAddress) const;
  const std::set<std::string>& units() const { return units_; }
  const std::vector<std::string>& restarted() const { return restarted_; }
  const std::vector<std::string>& drm_events() const { return drm_events_; }
  /// Those that are there, as they are.
  NodeModes nodes() const;

  // PciControl
  void set_driver_override(PciAddress, const std::string& driver) override;
  void unbind(PciAddress, const std::string& driver) override;
  void bind(PciAddress, const std::string& driver) override;
  void set_power_control(PciAddress, const std::string& on_or_auto) override;
  void set_d3cold_allowed(PciAddress, bool allowed) override;
  void reset(PciAddress) override;
  void remove(PciAddress) override;
  void rescan() override;
  void drm_event(const std::string& card, const std::string& action) override;
  // SystemdControl
  void start_unit(const std::string& unit) override;
  void stop_unit(const std::string& unit) override;
  void restart_unit(const std::string& unit) override;
  void load_module(const std::string& module) override;
  void unload_module(const std::string& module) override;
  // NodeControl
  std::vector<unsigned> minors(const std::string& prefix) const override;
  std::optional<unsigned> mode(const NodeMode& node) const override;
  bool change(const NodeMode& node, unsigned from, unsigned to) override;

 private:
  struct Module {
    std::string driver;
    bool needs_device{};
  };
  struct Node {
    NodeMode is;
    PciAddress function;
    MadeBy by{};
    std::string driver;  ///< with which it goes and comes
    unsigned at_first{};
  };
  /// One effect on one function: counts it, lets the fault happen, and does it if the fault leaves that to
  /// do. `begun` is what shows while it hangs, `effect` the rest.
  void call(PciAddress, const std::string& what, const std::function<void()>& begun,
            const std::function<void()>& effect);
  void call_unit(const std::string& what, const std::function<void()>& effect);
  void strike(const Fault&, PciAddress, const std::string& what);
  void hang(PciAddress, const std::function<void()>& begun, std::function<void()> effect);
  bool may_bind(PciAddress, const std::string& driver) const;
  void attach_driver(PciAddress, const std::string& driver);
  bool probe_unbound(const std::string& driver);
  [[noreturn]] void refuse(PciAddress, const std::string& what, int error) const;
  bool exists(PciAddress) const;
  bool is_there(const Node&) const;
  std::vector<PciAddress> functions() const;

  FakeMachine& machine_;
  RootDir root_;
  Faults faults_;
  std::chrono::steady_clock::time_point now_{std::chrono::hours{1}};
  std::map<PciAddress, std::set<std::string>> matching_;
  std::map<std::string, Module> modules_;
  std::map<PciAddress, std::function<void()>> pending_;
  std::set<PciAddress> used_, owned_by_vm_;
  std::map<PciAddress, PciIdentity> removed_;
  std::map<PciAddress, std::pair<std::string, std::string>> taken_when_found_;
  std::vector<Node> nodes_;
  std::set<std::string> units_;
  std::vector<std::string> restarted_;
  std::vector<std::string> drm_events_;
};

}  // namespace gpuctl::test
