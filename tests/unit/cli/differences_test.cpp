// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "cli/commands/differences.hpp"
#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

using Events = std::vector<Event>;

TEST_CASE("nothing has happened between two equal looks") {
  CHECK(differences(reference_laptop(), reference_laptop()).empty());
}

TEST_CASE("a GPU that changes sides tells its drivers and its state") {
  CHECK(differences(reference_laptop(), reference_laptop_with_vm()) ==
        Events{{"gpu-driver", "0000:01:00.0", "nvidia → vfio-pci"},
               {"gpu-driver", "0000:01:00.1", "snd_hda_intel → vfio-pci"},
               {"gpu-state", "0000:01:00.0", "host → vm (win11)"}});
}

TEST_CASE("a GPU that is unplugged is removed, and added when it is back") {
  auto without = reference_laptop();
  without.gpus.pop_back();
  CHECK(differences(reference_laptop(), without) ==
        Events{{"gpu-removed", "0000:01:00.0", "GA107M [GeForce RTX 3050 Ti Mobile]"}});
  CHECK(differences(without, reference_laptop()).front().kind == "gpu-added");
}

TEST_CASE("an operation tells its start, each step's state once, and its end") {
  Objects before, running, ended;
  running.operations = {attach_operation("running", {"done", "running", "pending"})};
  ended.operations = {attach_operation("succeeded", {"done", "done", "done"})};
  CHECK(differences(before, running) ==
        Events{{"operation-started", "7", "attach 0000:01:00"},
               {"operation-step", "7", "done set-override 0000:01:00.0 vfio-pci"},
               {"operation-step", "7", "running unbind 0000:01:00.0 nvidia"}});
  CHECK(differences(running, ended) == Events{{"operation-step", "7", "done unbind 0000:01:00.0 nvidia"},
                                              {"operation-step", "7", "done bind 0000:01:00.0 vfio-pci"},
                                              {"operation-finished", "7", "succeeded"}});
}

TEST_CASE(
    "an operation that goes while it runs has an end all the same, and one that has told its end no other") {
  Objects running, ended;
  running.operations = {attach_operation("running", {})};
  ended.operations = {attach_operation("succeeded", {})};
  CHECK(differences(running, {}) == Events{{"operation-finished", "7", "gone"}});
  CHECK(differences(ended, {}).empty());
}

TEST_CASE("an operation that is over before it was seen still tells that it was") {
  Objects ended;
  ended.operations = {attach_operation("succeeded", {"done", "done", "done"})};
  CHECK(differences({}, ended).back() == Event{"operation-finished", "7", "succeeded"});
}
