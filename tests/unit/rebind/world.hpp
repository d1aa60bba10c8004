// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rebind/executor.hpp"
#include "rebind/kernel_performer.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "rebind/recovery.hpp"
#include "support/fake_kernel.hpp"
#include "support/machines.hpp"

namespace gpuctl::test {

/// One line a step, to compare with what a person would write down.
std::string text(const Plan& plan);

/// A state directory whose effects count and fail as the kernel's do.
class FaultyStateDir : public StateDir {
 public:
  FaultyStateDir(std::filesystem::path path, Faults& faults) : StateDir(std::move(path)), faults_(faults) {}
  void replace(const std::string& name, const std::string& contents, std::size_t reserve = 0) override;
  void append(const std::string& name, const std::string& text) override;
  void remove(const std::string& name) override;
  std::string move_aside(const std::string& name) override;

 private:
  template <class Effect>
  void counted(const std::string& what, Effect effect);
  Faults& faults_;
};

/// A domain's inactive definition, as far as rebinding cares.
struct FakeVm {
  bool has_devices{};
};

/// A machine with a GPU at 0000:01:00, its kernel, the state directories, and what an operation is made of.
class World : private StepPerformer {
 public:
  explicit World(void (*build)(FakeMachine&));
  ~World() override;

  Gpu gpu() const;  ///< of the functions that are there now
  Snapshot snapshot() const;
  Drivers drivers() const { return registered_drivers(root); }
  /// With a unit to stop, a card to announce and a domain to change.
  Transaction attach() const;
  Transaction release() const;

  /// The helper process lives while it runs and when it hangs; Crash and Hang come out.
  Outcome run(const Transaction& transaction);
  /// As the daemon at its start: each unfinished journal. Empty = there was none.
  std::vector<Outcome> recover();

  bool journal_empty() const { return journal_dir.list().empty(); }
  bool recorded() const { return bindings.find(gpu_address.slot()).has_value(); }
  /// What differs from the host state of the beginning: drivers, overrides, power, units, domain. A sentence
  /// each.
  std::vector<std::string> not_home() const;
  /// What differs from all functions on vfio-pci, with units stopped and the domain changed.
  std::vector<std::string> not_on_vfio() const;
  /// Device files whose modes are not those of the beginning.
  std::vector<std::string> closed_nodes() const;
  void helper_is_gone();

  FakeMachine machine;
  FakeKernel kernel;
  RootDir root;
  PciAddress gpu_address{0, 1, 0, 0};
  FaultyStateDir journal_dir, bindings_dir;
  JournalStore journals;
  SavedBindings bindings;
  Binding home;
  AttachTarget target;
  NodeModes nodes;  ///< of the beginning
  FakeVm vm;
  ExecutorHooks hooks;

 private:
  int helpers_{};
  void perform(const Step& step) override;
  void perform_on_vm(const Step& step);
  Problems users(const std::vector<PciAddress>& functions) const;
  KernelPerformer kernel_performer();
  std::string helper_file() const;
  template <class Work>
  auto in_helper(Work work);
};

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right);

}  // namespace gpuctl::test
