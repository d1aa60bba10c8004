// SPDX-License-Identifier: GPL-2.0-or-later
// gpuctl with a real bus between it and a service.
#include <doctest/doctest.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cli/bus_client.hpp"
#include "cli/program.hpp"
#include "fake_service.hpp"
#include "private_bus.hpp"

using namespace gpuctl::cli;
using gpuctl::test::Child;
using gpuctl::test::PrivateBus;

namespace {

struct Outcome {
  int status{};
  std::string out, err;
};

/// A bus with a service of one card on it.
struct Served {
  PrivateBus bus;
  std::unique_ptr<Child> service;

  Served() {
    std::array<int, 2> ready{};
    REQUIRE(pipe(ready.data()) == 0);
    service = std::make_unique<Child>(
        [&] { gpuctl::test::serve_fake_gpuctld(1, [&] { REQUIRE(write(ready[1], "!", 1) == 1); }); });
    close(ready[1]);
    char sign{};
    REQUIRE(read(ready[0], &sign, 1) == 1);
    close(ready[0]);
  }

  static Outcome run(const std::vector<std::string>& arguments) {
    Outcome outcome;
    Surroundings s;
    s.out = [&](std::string_view text) { outcome.out += text; };
    s.err = [&](std::string_view text) { outcome.err += text; };
    s.connect = connect_to_bus;
    outcome.status = gpuctl::cli::run(arguments, s);
    return outcome;
  }
};

}  // namespace

TEST_CASE("every property of GPUs and groups arrives") {
  const Served served;
  const auto objects = connect_to_bus("")->objects();
  REQUIRE(objects.gpus.size() == 1);
  const auto& gpu = objects.gpus[0];
  CHECK(gpu.path == "/org/gpuctl1/gpus/0000_01_00");
  CHECK(gpu.address == "0000:01:00.0");
  CHECK(gpu.vendor + " " + gpu.name == gpu.functions.at(0).name);
  CHECK(gpu.state == "host");
  CHECK(gpu.vm == "win11");
  CHECK(gpu.boot_display);
  CHECK(gpu.problems.at(0).remedy == "Reboot.");
  const auto& audio = gpu.functions.at(1);
  CHECK(audio.address == "0000:01:00.1");
  CHECK(audio.class_code == "0403");
  CHECK(audio.ids == "10de:2291");
  CHECK(audio.subsystem_ids == "1043:1ccc");
  CHECK(audio.driver == "snd_hda_intel");
  CHECK(audio.modules == std::vector<std::string>{"snd_hda_intel"});
  CHECK(audio.driver_override == "vfio-pci");
  CHECK(audio.power_state == "D3hot");
  CHECK(audio.reset_methods.empty());
  CHECK(audio.revision == "a1");
  CHECK(audio.class_name == "Audio device");
  CHECK(audio.subsystem_name == "ASUSTeK Computer Inc. Device");
  const auto* group = objects.group_of(gpu);
  REQUIRE(group != nullptr);
  CHECK(group->type == "DMA-FQ");
  CHECK(group->isolated);
  CHECK(group->devices.size() == 2);
}

TEST_CASE("the calls carry their arguments there and their answers back") {
  const Served served;
  const auto client = connect_to_bus("");
  CHECK(client->plan("attach", "01:00", "win11", {}).at(0) == Step{"attach", "01:00", "win11", ""});
  CHECK(client->check("", "", {}).at(0).blocks());
  CHECK(client->diagnose().at(0).severity == "ok");
  CHECK(client->users("01:00").at(0).pid == 4711);
  CHECK(client->users("01:00").at(0).container == "lxc web");
  CHECK(client->users("01:00").at(0).machine == "qemu-1-win11");
  CHECK(client->users("01:00").at(0).lets_go);
  CHECK(client->users("01:00").at(0).what == "01:00");
  CHECK(client->vms().at(0).gpus == std::vector<std::string>{"0000:01:00.0"});
  CHECK(client->vms().at(0).problems.at(0).id == "no-reset");
}

TEST_CASE("only options that differ from the default are sent") {
  const Served served;
  CHECK(served.run({"release"}).err == "gpuctl: \n");
  CHECK(served.run({"release", "--force", "--live"}).err == "gpuctl: force+live+\n");
}

TEST_CASE("an operation is followed to its end") {
  const Served served;
  const auto outcome = served.run({"attach", "stepwise"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out ==
        "done\tbind\t0000:01:00.0\tvfio-pci\n"
        "done\tbind\t0000:01:00.1\tvfio-pci\n"
        "done\tbind\t0000:01:00.2\tvfio-pci\n"
        "succeeded\tattach\t0000:01:00\t0000:01:00.0 is with vfio-pci.\n");
}

TEST_CASE("an operation that ends before anybody listens is not missed") {
  const Served served;
  for (int round = 0; round < 200; ++round) REQUIRE(served.run({"attach", "at-once"}).status == 0);
}

TEST_CASE("errors of the daemon keep their name and their sentence") {
  const Served served;
  CHECK(served.run({"attach", "NotAuthorized"}).status == 4);
  const auto busy = served.run({"attach", "Busy"});
  CHECK(busy.status == 3);
  CHECK(busy.err.starts_with("gpuctl: Refused: Busy.\n"));
}

TEST_CASE("a sentence of the daemon has nothing in it that a terminal would obey") {
  const Served served;
  CHECK_THROWS_WITH_AS(connect_to_bus("")->users("rude"), "Not now. \nLater .", Failure);
}

TEST_CASE("an operation that does not exist is exit 5") {
  const Served served;
  CHECK(served.run({"cancel", "99"}).status == 5);
}

TEST_CASE("Ctrl-C cancels the operation, and the program waits for that") {
  const Served served;
  const auto here = pthread_self();
  // pending from the start: it is seen when the program first waits
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  pthread_kill(here, SIGINT);
  const auto outcome = served.run({"attach", "endless"});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(outcome.status == 1);
  CHECK(outcome.err.ends_with("gpuctl: Cancelled by the caller.\n"));
}

TEST_CASE("a daemon that dies while its operation runs is exit 6") {
  const Served served;
  const auto outcome = served.run({"attach", "dies"});
  CHECK(outcome.status == 6);
  CHECK(outcome.err.find("gpuctld went away") != std::string::npos);
}

TEST_CASE("without a daemon, or without a bus, the exit status is 6 and the text says what to do") {
  const auto unserved = std::make_unique<PrivateBus>();
  const auto no_daemon = Served::run({"list"});
  CHECK(no_daemon.status == 6);
  CHECK(no_daemon.err.find("systemctl status gpuctld") != std::string::npos);
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/gpuctl/socket", 1);
  const auto no_bus = Served::run({"list"});
  CHECK(no_bus.status == 6);
  CHECK(no_bus.err.starts_with("gpuctl: the system bus cannot be reached"));
}
