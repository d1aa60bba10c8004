// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/assignments.hpp"

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const auto slot = *PciSlot::parse("0000:01:00");

Assignment given_to(const std::string& name) {
  Assignment a;
  a.gpu = slot;
  a.functions = {*PciAddress::parse("0000:01:00.0"), *PciAddress::parse("0000:01:00.1")};
  a.vm_uuid = "11111111-2222-3333-4444-" + name;
  a.vm_name = name;
  a.uid = 1000;
  a.since = 1795000000;
  return a;
}

struct Store {
  FakeMachine machine;
  StateDir dir{machine.root() / "state/assignments"};
  Assignments assignments{dir};
};

}  // namespace

TEST_CASE("an assignment is read back as it was saved, with the one that it displaced") {
  Store store;
  auto lease = given_to("other");
  lease.running = lease.returning = lease.lease_only = lease.forced = true;
  lease.displaced = {given_to("gaming")};
  store.assignments.save(lease);
  CHECK(store.assignments.find(slot) == lease);
  CHECK(store.assignments.all().size() == 1);
}

TEST_CASE("when a lease ends, what it had displaced is in force again; else nothing is left") {
  Store store;
  auto lease = given_to("other");
  lease.lease_only = true;
  store.assignments.save(lease);
  store.assignments.settle(lease);
  CHECK_FALSE(store.assignments.find(slot));
  lease.displaced = {given_to("gaming")};
  store.assignments.save(lease);
  store.assignments.settle(lease);
  CHECK(store.assignments.find(slot) == given_to("gaming"));
}

TEST_CASE("an assignment outlives its domain's end: the next start takes the GPU again") {
  Store store;
  auto assignment = given_to("gaming");
  assignment.returning = true;
  store.assignments.save(assignment);
  store.assignments.settle(assignment);
  CHECK(store.assignments.find(slot) == given_to("gaming"));
}

TEST_CASE("an attach that is taken back leaves what was before it, one that ends well only itself") {
  Store store;
  auto begun = given_to("gaming");
  begun.unsettled = true;
  store.assignments.save(begun);
  CHECK(store.assignments.find(slot) == begun);
  store.assignments.take_back(begun);
  CHECK_FALSE(store.assignments.find(slot));
  begun.displaced = {given_to("other")};
  store.assignments.save(begun);
  store.assignments.take_back(begun);
  CHECK(store.assignments.find(slot) == given_to("other"));
  store.assignments.save(begun);
  store.assignments.confirm(slot);
  CHECK(store.assignments.find(slot) == given_to("gaming"));
}

TEST_CASE("an assignment tells in which boot it was saved; one of an older gpuctld counts as of this one") {
  Store store;
  store.assignments.save(given_to("gaming"));
  Assignments now{store.dir, "boot-2"};
  CHECK_FALSE(now.is_of_another_boot(*now.find(slot)));
  Assignments{store.dir, "boot-1"}.save(given_to("gaming"));
  CHECK(now.is_of_another_boot(*now.find(slot)));
  now.save(*now.find(slot));
  CHECK_FALSE(now.is_of_another_boot(*now.find(slot)));
}

TEST_CASE("a file that an older gpuctld wrote is understood, a damaged one is none") {
  Store store;
  store.dir.replace(
      slot.str() + ".json",
      R"({"gpu":"0000:01:00","functions":["0000:01:00.0","0000:01:00.1"],"vm_name":"gaming",)"
      R"("vm_uuid":"11111111-2222-3333-4444-gaming","uid":1000,"since":1795000000,"keep":false,)"
      R"("running":false,"lease_only":false})");
  CHECK(store.assignments.find(slot) == given_to("gaming"));
  for (const auto* damaged : {"", "{", "[]", R"({"gpu":7})", R"({"gpu":"0000:02:00"})"}) {
    store.dir.replace(slot.str() + ".json", damaged);
    CHECK_FALSE(store.assignments.find(slot));
  }
  for (const auto* uid : {"1e70", "-1", "0.5", "4294967296"}) {
    store.assignments.save(given_to("gaming"));
    auto text = store.dir.read(slot.str() + ".json").value();
    const std::string saved = "\"uid\": 1000";
    store.dir.replace(slot.str() + ".json",
                      text.replace(text.find(saved), saved.size(), std::string{"\"uid\": "} + uid));
    CHECK_FALSE(store.assignments.find(slot));
  }
}
