// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_service.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gpu_adaptor.hpp"
#include "gpuctl_names.hpp"
#include "iommugroup_adaptor.hpp"
#include "manager_adaptor.hpp"
#include "operation_adaptor.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl::test {
namespace {

using Text = std::string;
using Texts = std::vector<std::string>;
using Dictionary = std::map<std::string, sdbus::Variant>;
using Function =
    sdbus::Struct<Text, Text, Text, Text, Text, Texts, Text, Text, Texts, Text, Text, Text, Text>;
using Step = sdbus::Struct<Text, Text, Text, Text>;

Text hexadecimal(std::size_t number) {
  constexpr auto digits = "0123456789abcdef";
  return {digits[number / 16 % 16], digits[number % 16]};
}

/// Domain and bus of the nth card: 0000:01, 0000:02, ...
Text bus_of(std::size_t n) { return "00" + hexadecimal((n + 1) / 256) + ":" + hexadecimal((n + 1) % 256); }

std::vector<Function> functions_of(std::size_t n) {
  const auto slot = bus_of(n) + ":00";
  return {Function{slot + ".0", "0300", "10de:25a0", "1043:1ccc", "nvidia",
                   Texts{"nouveau", "nvidia_drm", "nvidia"}, "", "D0", Texts{"flr", "bus"},
                   "NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]", "a1",
                   "VGA compatible controller", "ASUSTeK Computer Inc. Device"},
          Function{slot + ".1", "0403", "10de:2291", "1043:1ccc", "snd_hda_intel", Texts{"snd_hda_intel"},
                   "vfio-pci", "D3hot", Texts{}, "NVIDIA Corporation GA107 High Definition Audio Controller",
                   "a1", "Audio device", "ASUSTeK Computer Inc. Device"}};
}

Dictionary problem(const Text& severity) {
  return {{"id", sdbus::Variant{Text{"no-reset"}}},
          {"severity", sdbus::Variant{severity}},
          {"subject", sdbus::Variant{Text{"0000:01:00.0"}}},
          {"message", sdbus::Variant{Text{"It has no reset."}}},
          {"remedy", sdbus::Variant{Text{"Reboot."}}}};
}

Text path_of_gpu(std::size_t n) {
  auto name = bus_of(n) + ":00";
  for (auto& c : name) {
    if (c == ':') c = '_';
  }
  return names::gpu_path_prefix + name;
}

Text path_of_group(std::size_t n) { return names::group_path_prefix + std::to_string(n); }

class FakeGpu final
    : public sdbus::AdaptorInterfaces<org::gpuctl1::Gpu_adaptor, sdbus::ManagedObject_adaptor> {
 public:
  FakeGpu(sdbus::IConnection& bus, std::size_t n)
      : AdaptorInterfaces(bus, sdbus::ObjectPath{path_of_gpu(n)}), number_(n) {
    registerAdaptor();
  }
  ~FakeGpu() { unregisterAdaptor(); }

 private:
  void Attach(sdbus::Result<sdbus::ObjectPath>&& result, Text, Dictionary) override {
    result.returnError(dbus::make_error("org.gpuctl1.Error.NotSupported", "not here"));
  }
  void Release(sdbus::Result<sdbus::ObjectPath>&& result, Dictionary) override {
    result.returnError(dbus::make_error("org.gpuctl1.Error.NotSupported", "not here"));
  }
  Text Address() override { return bus_of(number_) + ":00.0"; }
  Text Name() override { return "GA107M [GeForce RTX 3050 Ti Mobile]"; }
  Text Vendor() override { return "NVIDIA Corporation"; }
  Text State() override { return "host"; }
  Text Vm() override { return "win11"; }
  sdbus::ObjectPath IommuGroup() override { return sdbus::ObjectPath{path_of_group(number_)}; }
  bool BootDisplay() override { return number_ == 0; }
  std::vector<Function> Functions() override { return functions_of(number_); }
  std::vector<Dictionary> Problems() override { return {problem("warning")}; }

  std::size_t number_;
};

class FakeGroup final
    : public sdbus::AdaptorInterfaces<org::gpuctl1::IommuGroup_adaptor, sdbus::ManagedObject_adaptor> {
 public:
  FakeGroup(sdbus::IConnection& bus, std::size_t n)
      : AdaptorInterfaces(bus, sdbus::ObjectPath{path_of_group(n)}), number_(n) {
    registerAdaptor();
  }
  ~FakeGroup() { unregisterAdaptor(); }

 private:
  std::uint32_t Number() override { return static_cast<std::uint32_t>(number_); }
  Text Type() override { return "DMA-FQ"; }
  std::vector<Function> Devices() override { return functions_of(number_); }
  bool Isolated() override { return true; }
  std::vector<Dictionary> Problems() override { return {}; }

  std::size_t number_;
};

class FakeOperation final
    : public sdbus::AdaptorInterfaces<org::gpuctl1::Operation_adaptor, sdbus::ManagedObject_adaptor> {
 public:
  FakeOperation(sdbus::IConnection& bus, std::size_t number, Text vm)
      : AdaptorInterfaces(bus, sdbus::ObjectPath{names::operation_path_prefix + std::to_string(number)}),
        vm_(std::move(vm)) {
    registerAdaptor();
  }
  ~FakeOperation() { unregisterAdaptor(); }

  /// One step a round, once somebody has looked; whether there is more to come.
  bool go_on() {
    if (!looked_at_ || state_ != "running" || vm_ == "endless") return false;
    if (vm_ == "dies" && step_ == 1) _exit(0);
    if (++step_ == 3) return finish("succeeded", "", "0000:01:00.0 is with vfio-pci."), false;
    return emit({"Step", "Steps"}), true;
  }

  void finish(const Text& state, const Text& error, const Text& message) {
    state_ = state;
    error_ = error;
    message_ = message;
    emit({"State", "Step", "Steps", "Error", "Message"});
    emitFinished(state_, error_, message_);
  }

 private:
  void emit(const Texts& properties) {
    dbus::emit_properties_changed(getObject(), names::operation_interface, properties);
  }
  void Cancel(sdbus::Result<>&& result) override {
    result.returnResults();
    finish("cancelled", "org.gpuctl1.Error.Cancelled", "Cancelled by the caller.");
  }
  Text Kind() override { return "attach"; }
  sdbus::ObjectPath Gpu() override { return sdbus::ObjectPath{path_of_gpu(0)}; }
  Text Vm() override { return vm_; }
  Text State() override {
    looked_at_ = true;
    return state_;
  }
  std::uint32_t Step() override { return step_; }
  std::vector<test::Step> Steps() override {
    std::vector<test::Step> steps;
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto* state = i < step_ || state_ == "succeeded" ? "done" : i == step_ ? "running" : "pending";
      steps.push_back(test::Step{"bind", "0000:01:00." + std::to_string(i), "vfio-pci", state});
    }
    return steps;
  }
  std::uint32_t StartedBy() override { return getuid(); }
  Text Error() override { return error_; }
  Text Message() override { return message_; }

  Text vm_, state_{"running"}, error_, message_;
  std::uint32_t step_{};
  bool looked_at_{};
};

class FakeManager final
    : public sdbus::AdaptorInterfaces<org::gpuctl1::Manager_adaptor, sdbus::ObjectManager_adaptor> {
 public:
  explicit FakeManager(sdbus::IConnection& bus)
      : AdaptorInterfaces(bus, sdbus::ObjectPath{names::root_path}), bus_(bus) {
    registerAdaptor();
  }
  ~FakeManager() { unregisterAdaptor(); }

  bool go_on() {
    bool more = false;
    for (auto& operation : operations_) more |= operation->go_on();
    return more;
  }

 private:
  void Attach(sdbus::Result<sdbus::ObjectPath>&& result, Text, Text vm, Dictionary) override {
    const bool refused = vm != "at-once" && vm != "stepwise" && vm != "dies" && vm != "endless";
    if (refused)
      return result.returnError(dbus::make_error("org.gpuctl1.Error." + vm, "Refused: " + vm + "."));
    const auto number = operations_.size() + 1;
    operations_.push_back(std::make_unique<FakeOperation>(bus_, number, vm));
    result.returnResults(sdbus::ObjectPath{names::operation_path_prefix + std::to_string(number)});
    if (vm == "at-once") operations_.back()->finish("succeeded", "", "");
  }
  void Release(sdbus::Result<sdbus::ObjectPath>&& result, Text, Dictionary options) override {
    Text keys;
    for (const auto& [key, value] : options) keys += key + (value.get<bool>() ? "+" : "-");
    result.returnError(dbus::make_error("org.gpuctl1.Error.InvalidArgument", keys));
  }
  void Check(sdbus::Result<std::vector<Dictionary>>&& result, Text, Text, Dictionary) override {
    result.returnResults({problem("blocker"), problem("warning")});
  }
  void Plan(sdbus::Result<std::vector<sdbus::Struct<Text, Text, Text>>>&& result, Text verb, Text gpu,
            Text vm, Dictionary) override {
    result.returnResults({sdbus::Struct<Text, Text, Text>{verb, gpu, vm}});
  }
  void Diagnose(sdbus::Result<std::vector<Dictionary>>&& result) override {
    result.returnResults({problem("ok")});
  }
  void ListUsers(sdbus::Result<std::vector<Dictionary>>&& result, Text gpu) override {
    if (gpu == "rude") {
      const auto* sentence = "\x1b]0;title\x07Not\x1b[2J now.\r\nLater\xc2\x9b.";
      return result.returnError(dbus::make_error("org.gpuctl1.Error.Busy", sentence));
    }
    result.returnResults({{{"pid", sdbus::Variant{std::uint32_t{4711}}},
                           {"uid", sdbus::Variant{std::uint32_t{1000}}},
                           {"command", sdbus::Variant{Text{"nvtop"}}},
                           {"container", sdbus::Variant{Text{"lxc web"}}},
                           {"machine", sdbus::Variant{Text{"qemu-1-win11"}}},
                           {"lets-go", sdbus::Variant{true}},
                           {"what", sdbus::Variant{gpu}}}});
  }
  void ListVms(sdbus::Result<std::vector<Dictionary>>&& result) override {
    result.returnResults({{{"name", sdbus::Variant{Text{"win11"}}},
                           {"state", sdbus::Variant{Text{"running"}}},
                           {"gpus", sdbus::Variant{Texts{"0000:01:00.0"}}},
                           {"problems", sdbus::Variant{std::vector<Dictionary>{problem("warning")}}}}});
  }
  void ReadRom(sdbus::Result<std::vector<std::uint8_t>>&& result, Text, Dictionary) override {
    result.returnError(dbus::make_error("org.gpuctl1.Error.NotSupported", "This card has no ROM."));
  }
  void Inhibit(sdbus::Result<sdbus::UnixFd>&& result, Text, Text) override {
    result.returnError(dbus::make_error("org.gpuctl1.Error.LimitsExceeded", "No locks here."));
  }
  Text Version() override { return "0.1.0"; }
  Text Iommu() override { return "intel"; }
  Text Virtualization() override { return "vmx"; }
  bool Busy() override { return false; }

  sdbus::IConnection& bus_;
  std::vector<std::unique_ptr<FakeOperation>> operations_;
};

}  // namespace

void serve_fake_gpuctld(std::size_t gpus, const std::function<void()>& ready) {
  const auto bus = dbus::system_bus();
  FakeManager manager{*bus};
  std::vector<std::unique_ptr<FakeGpu>> cards;
  std::vector<std::unique_ptr<FakeGroup>> groups;
  for (std::size_t n = 0; n < gpus; ++n) {
    cards.push_back(std::make_unique<FakeGpu>(*bus, n));
    groups.push_back(std::make_unique<FakeGroup>(*bus, n));
  }
  dbus::request_name(*bus, names::service);
  ready();
  for (;;) {
    while (dbus::process_pending(*bus)) continue;
    if (manager.go_on()) continue;
    const auto state = dbus::poll_state(*bus);
    pollfd waiting{state.fd, state.events, 0};
    poll(&waiting, 1, state.deadline_usec ? 10 : -1);
  }
}

}  // namespace gpuctl::test
