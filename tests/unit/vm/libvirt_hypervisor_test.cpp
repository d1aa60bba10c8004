// SPDX-License-Identifier: GPL-2.0-or-later
// The real adapter against libvirt's own test driver: no QEMU, no daemon.
#include <algorithm>
#include <fstream>
#include <set>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"
#include "vm/hostdev.hpp"
#include "vm/load_hypervisor.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

std::unique_ptr<Hypervisor> connect(const std::string& uri = "test:///default") {
  return load_hypervisor({.uri = uri, .module = GPUCTL_LIBVIRT_MODULE_BUILT});
}

template <class Call>
std::pair<ErrorCode, std::string> error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ErrorCode::internal, "nothing was thrown"};
}

/// As the test driver accepts it: it runs no KVM.
std::string test_domain(const std::string& name) {
  auto xml = domain_file(name);
  const auto at = xml.find("kvm");
  return xml.replace(at, 3, "test");
}

}  // namespace

TEST_CASE("the test driver's domain is listed with its definition") {
  const auto libvirt = connect();
  const auto vms = libvirt->vms();
  REQUIRE(vms.size() == 1);
  CHECK(vms.front().name == "test");
  CHECK(vms.front().state == VmState::running);
  CHECK(vms.front().persistent);
  CHECK(contains(vms.front().inactive_xml, "<name>test</name>"));
  CHECK(contains(vms.front().live_xml, "<name>test</name>"));
  CHECK(libvirt->version() >= 9000000);
}

TEST_CASE("a domain is found by name and by UUID, and its absence has a name") {
  const auto libvirt = connect();
  const auto uuid = libvirt->vm("test").uuid;
  CHECK(libvirt->vm(uuid).name == "test");
  const auto [code, sentence] = error_of([&] { libvirt->vm("nonesuch"); });
  CHECK(code == ErrorCode::vm_not_found);
  CHECK(contains(sentence, "nonesuch"));
  CHECK(error_of([&] { libvirt->vm(""); }).first == ErrorCode::vm_not_found);
  CHECK(error_of([&] { libvirt->vm(std::string(1 << 20, 'x')); }).first != ErrorCode::internal);
}

TEST_CASE("a definition with the GPU's hostdevs is accepted, and gives them back") {
  const auto libvirt = connect();
  const std::vector gpu{pci("0000:0b:00.0"), pci("0000:0b:00.1")};
  const auto before = libvirt->vm("test").inactive_xml;
  libvirt->define(add_hostdevs(before, gpu));
  const auto with = libvirt->vm("test").inactive_xml;
  CHECK(claimed_functions(with) == gpu);
  CHECK(own_functions(with) == gpu);
  libvirt->define(remove_hostdevs(with, gpu));
  CHECK(claimed_functions(libvirt->vm("test").inactive_xml).empty());
}

TEST_CASE("each real-world definition is accepted with a GPU added, and keeps it") {
  const auto libvirt = connect();
  const std::vector gpu{pci("0000:0b:00.0"), pci("0000:0b:00.1")};
  for (const auto* name : domain_files) {
    CAPTURE(name);
    const auto before = test_domain(name);
    libvirt->define(add_hostdevs(before, gpu));
    const auto all = libvirt->vms();
    const auto uuid = before.substr(before.find("<uuid>") + 6, 36);
    const auto with = libvirt->vm(uuid).inactive_xml;
    CHECK(std::ranges::count(own_functions(with), gpu.front()) == 1);
    CHECK(add_hostdevs(with, gpu) == with);
    const auto removed = remove_hostdevs(with, gpu);
    CHECK(claimed_functions(removed) == claimed_functions(before));
    libvirt->define(removed);
  }
}

TEST_CASE("a definition against libvirt's schema is refused in libvirt's words") {
  const auto libvirt = connect();
  auto xml = libvirt->vm("test").inactive_xml;
  xml.insert(xml.find("<os>"), "<nonsense/>");
  const auto [code, sentence] = error_of([&] { libvirt->define(xml); });
  CHECK(code == ErrorCode::kernel_refused);
  CHECK(contains(sentence, "XML document failed to validate against schema"));
}

TEST_CASE("starting and stopping what already runs or is off succeeds") {
  const auto libvirt = connect();
  const auto uuid = libvirt->vm("test").uuid;
  libvirt->start(uuid);
  libvirt->destroy(uuid);
  CHECK(libvirt->vm(uuid).state == VmState::shut_off);
  CHECK(libvirt->vm(uuid).live_xml.empty());
  libvirt->destroy(uuid);
  libvirt->start(uuid);
  CHECK(libvirt->vm(uuid).state == VmState::running);
}

TEST_CASE("a saved state is told, and is gone once it was brought back") {
  const FakeMachine files;
  const auto node = files.root() / "node.xml";
  std::ofstream{node} << R"(<node><domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <test:runstate>5</test:runstate><test:hasmanagedsave>1</test:hasmanagedsave><name>saved</name>
    <memory>65536</memory><os><type>hvm</type></os></domain></node>)";
  const auto libvirt = connect("test://" + node.string());
  CHECK(libvirt->vm("saved").managed_save);
  libvirt->start(libvirt->vm("saved").uuid);
  CHECK_FALSE(libvirt->vm("saved").managed_save);
  CHECK_FALSE(connect()->vm("test").managed_save);
}

TEST_CASE("lifecycle events arrive while watching, until the watcher has enough") {
  const auto libvirt = connect();
  const auto uuid = libvirt->vm("test").uuid;
  std::vector<std::string> seen;
  int asked = 0;
  libvirt->watch(
      [&](const std::string& event, const std::string& of) {
        seen.push_back(event);
        CHECK((of == uuid || event == "watching"));
      },
      [&] {
        if (++asked == 1) libvirt->destroy(uuid);
        if (seen.size() == 2 && seen.back() == "stopped") libvirt->start(uuid);
        return seen.size() < 3;
      });
  CHECK(seen == std::vector<std::string>{"watching", "stopped", "started"});
}

TEST_CASE("what a watcher's handler throws comes out of watch()") {
  const auto libvirt = connect();
  const auto uuid = libvirt->vm("test").uuid;
  int asked = 0;
  CHECK_THROWS_AS(libvirt->watch(
                      [](const std::string& event, const std::string&) {
                        if (event == "stopped") throw std::runtime_error("enough");
                      },
                      [&] {
                        if (++asked == 1) libvirt->destroy(uuid);
                        return asked < 100;
                      }),
                  std::runtime_error);
}

TEST_CASE("detaching a device that is not there has already succeeded") {
  const auto libvirt = connect();
  const auto address = pci("0000:0b:00.0");
  libvirt->detach_live(libvirt->vm("test").uuid, live_hostdev_xml(address), hostdev_alias(address), 100);
}

TEST_CASE("without libvirt, its daemon or the right module the sentence says what to do") {
  const auto [missing, install] =
      error_of([] { load_hypervisor({.module = "/nonexistent/gpuctl-libvirt.so"}); });
  CHECK(missing == ErrorCode::libvirt_unavailable);
  CHECK(contains(install, "install libvirt-daemon-system"));
  const auto [down, start] =
      error_of([] { connect("qemu+unix:///system?socket=/nonexistent/libvirt-sock"); });
  CHECK(down == ErrorCode::libvirt_unavailable);
  CHECK(contains(start, "systemctl start libvirtd.socket"));
  CHECK(contains(start, "/nonexistent/libvirt-sock"));
  CHECK(error_of([] { load_hypervisor({.module = "libc.so.6"}); }).first == ErrorCode::libvirt_unavailable);
}
