// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/device_users.hpp"

#include <unistd.h>

#include <algorithm>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "host/kernel_users.hpp"
#include "support/fake_process.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::vector functions{*PciAddress::parse("0000:01:00.0"), *PciAddress::parse("0000:01:00.1")};

struct Laptop : FakeMachine {
  Laptop() {
    reference_laptop(*this);
    file("proc/driver/nvidia/gpus/0000:01:00.0/information", "Device Minor: \t 0\n");
  }
  DeviceUsers users() const { return device_users(RootDir{root()}, functions); }
};

const DeviceUser* user(const DeviceUsers& users, int pid, const std::string& what) {
  const auto found =
      std::ranges::find_if(users, [&](const auto& u) { return u.pid == pid && u.what == what; });
  return found == users.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE(
    "nobody is told to stop what other people's sessions and jobs run in, nor what may use another GPU") {
  const auto remedy = [&](const std::string& unit) {
    Laptop laptop;
    add_process(laptop, {.pid = 7,
                         .comm = "llama-server",
                         .cgroup = "0::/system.slice/" + unit + "\n",
                         .descriptors = {"/dev/nvidia0", "/dev/nvidiactl"}});
    return user(laptop.users(), 7, "/dev/nvidiactl")->remedy;
  };
  CHECK(remedy("ollama.service") ==
        "Stop the language model: ollama stop MODEL, or systemctl stop ollama.service");
  for (const auto* unit : {"session-3.scope", "user@1000.service", "slurmstepd.scope", "cron.service"})
    CHECK(remedy(unit) == "Stop the language model: ollama stop MODEL, or kill 7");
  Laptop laptop;
  add_process(laptop, {.pid = 8, .comm = "python3", .descriptors = {"/dev/nvidiactl"}});
  CHECK(user(laptop.users(), 8, "/dev/nvidiactl")->remedy.starts_with("A Python program"));
  laptop.gpu("0000:02:00.0", {.id = laptop_gpu_id}).bind("0000:02:00.0", "nvidia");
  laptop.file("proc/driver/nvidia/gpus/0000:02:00.0/information", "Device Minor: \t 1\n");
  CHECK(user(laptop.users(), 8, "/dev/nvidiactl")
            ->remedy.starts_with("If it uses this GPU, and not another one of its driver: "));
  add_process(laptop, {.pid = 9, .comm = "qemu-system-x86", .descriptors = {"/dev/nvidia0"}});
  CHECK(user(laptop.users(), 9, "/dev/nvidia0")
            ->remedy.starts_with("Shut down the virtual machine of process 9"));
}

TEST_CASE("a GPU that nobody uses has no users") {
  Laptop laptop;
  add_process(laptop,
              {.pid = 10, .comm = "bash", .descriptors = {"/dev/pts/0", "/dev/dri/card0", "socket:[1]"}});
  CHECK(laptop.users().empty());
}

TEST_CASE("a holder is told with all that is known of it") {
  Laptop laptop;
  add_process(laptop, {.pid = 812,
                       .comm = "nvidia-persiste",
                       .command = "/usr/bin/nvidia-persistenced --user nvpd",
                       .uid = 120,
                       .cgroup = "0::/system.slice/nvidia-persistenced.service\n",
                       .descriptors = {"/dev/null", "/dev/nvidia0"}});
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].pid == 812);
  CHECK(users[0].command == "/usr/bin/nvidia-persistenced --user nvpd");
  CHECK(users[0].uid == 120);
  CHECK(users[0].unit() == "nvidia-persistenced.service");
  CHECK(users[0].what == "/dev/nvidia0");
  CHECK(users[0].via == Via::fd);
  CHECK(users[0].kind == HolderKind::service);
  CHECK(users[0].remedy.find("systemctl stop nvidia-persistenced.service") != std::string::npos);
}

TEST_CASE("kernel threads are passed over, programs that the kernel has started are not") {
  Laptop laptop;
  laptop.file("proc/2/comm", "kthreadd\n");
  laptop.file("proc/2/task/2/children", "3 4 ");
  add_process(laptop, {.pid = 3, .comm = "kworker", .descriptors = {"/dev/nvidia0"}, .program = false});
  add_process(laptop, {.pid = 4, .comm = "helper", .descriptors = {"/dev/nvidia0"}});
  add_process(laptop, {.pid = 5, .comm = "ending", .descriptors = {"/dev/nvidia0"}, .program = false});
  const auto users = laptop.users();
  REQUIRE(users.size() == 2);
  CHECK(users[0].pid == 4);
  CHECK(users[1].pid == 5);
  laptop.file("proc/2/comm", "bash\n");  // as in a container: what it has begun is no thread of the kernel
  CHECK(laptop.users().size() == 3);
}

TEST_CASE("a descriptor counts by device number, whatever its path says") {
  Laptop laptop;
  // /dev/zero is a real node, 1:5: the GPU's own number here, behind a name that says nothing.
  laptop.file(laptop.directory("0000:01:00.0") + "/drm/card1/dev", "1:5\n");
  add_process(laptop, {.pid = 77, .comm = "qemu-system-x86", .descriptors = {"/dev/zero"}});
  add_process(laptop, {.pid = 78, .comm = "cat", .descriptors = {"/dev/null"}});
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].what == "/dev/dri/card1");
  CHECK(users[0].kind == HolderKind::vm);
}

TEST_CASE("a mapping without a descriptor is found, also of a deleted node or in another root directory") {
  Laptop laptop;
  const std::string line = "7f0000000000-7f0000001000 rw-s 00000000 00:05 441      ";
  add_process(laptop, {.pid = 5, .comm = "python3", .maps = line + "/dev/nvidia0\n"});
  add_process(laptop, {.pid = 6, .comm = "python3", .maps = line + "/dev/dri/renderD129 (deleted)\n"});
  add_process(laptop, {.pid = 7, .comm = "python3", .maps = line + "/srv/root/dev/nvidia0\n"});
  add_process(
      laptop,
      {.pid = 8, .comm = "python3", .maps = line + "/dev/dri/renderD128\n" + line + "/dev/nvidia01\n"});
  const auto users = laptop.users();
  REQUIRE(users.size() == 3);
  for (const auto& u : users) CHECK(u.via == Via::map);
  CHECK(user(users, 5, "/dev/nvidia0"));
  CHECK(user(users, 6, "/dev/dri/renderD129"));
  CHECK(user(users, 7, "/dev/nvidia0"));
}

TEST_CASE("a mapping is found in maps longer than any buffer") {
  Laptop laptop;
  std::string maps;
  while (maps.size() < 300000)
    maps += "7f0000000000-7f0000001000 r--p 00000000 08:01 12345      /usr/lib/libc.so.6\n";
  maps.insert(maps.find('\n', 65500) + 1,
              "7f0000000000-7f0000001000 rw-s 00000000 00:05 441      /dev/nvidia0\n");
  add_process(laptop, {.pid = 5, .comm = "python3", .maps = maps});
  CHECK(laptop.users().size() == 1);
}

TEST_CASE("each process and file is told once, by its strongest evidence") {
  Laptop laptop;
  add_process(laptop, {.pid = 5,
                       .comm = "ollama",
                       .descriptors = {"/dev/nvidia0", "/dev/nvidia0", "/dev/nvidiactl"},
                       .maps = "7f00-7f01 rw-s 0 00:05 1 /dev/nvidia0\n"});
  const auto users = laptop.users();
  REQUIRE(users.size() == 2);
  CHECK(user(users, 5, "/dev/nvidia0")->via == Via::fd);
  CHECK(user(users, 5, "/dev/nvidiactl")->shared);
}

TEST_CASE("who looks leaves itself out, by what that /proc says") {
  Laptop laptop;
  for (const auto pid : {::getpid(), ::getpid() + 1})
    add_process(laptop, {.pid = pid, .comm = "holder", .descriptors = {"/dev/nvidia0"}});
  CHECK(laptop.users().size() == 2);
  laptop.link("proc/self", "proc/" + std::to_string(::getpid()));
  REQUIRE(laptop.users().size() == 1);
  CHECK(laptop.users()[0].pid == ::getpid() + 1);
}

TEST_CASE("among hundreds of processes, which several threads share, every holder is told once") {
  Laptop laptop;
  for (int pid = 1000; pid < 1400; ++pid) {
    const bool holds = pid % 7 == 0;
    add_process(
        laptop,
        {.pid = pid, .comm = "python3", .descriptors = {"/dev/null", holds ? "/dev/nvidia0" : "/dev/zero"}});
  }
  std::string expected, told;
  for (int pid = 1001; pid < 1400; pid += 7) expected += fmt::format("{} /dev/nvidia0\n", pid);
  for (const auto& u : laptop.users()) told += fmt::format("{} {}\n", u.pid, u.what);
  CHECK(told == expected);
}

TEST_CASE("readers of the GPU's attributes are told but keep nothing from leaving") {
  Laptop laptop;
  add_process(laptop,
              {.pid = 5,
               .comm = "fancontrol",
               .descriptors = {"/" + laptop.directory("0000:01:00.0") + "/hwmon/hwmon3/temp1_input"}});
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].node == NodeKind::sysfs);
  CHECK(users[0].will_let_go);
  CHECK_FALSE(is_blocked(user_problems(users, Force::no)));
}

TEST_CASE("logind and PID 1 let go of a DRM card by themselves, the compositor does not") {
  Laptop laptop;
  add_process(laptop, {.pid = 1,
                       .comm = "systemd",
                       .uid = 0,
                       .cgroup = "0::/init.scope\n",
                       .descriptors = {"/dev/dri/card1"}});
  add_process(laptop, {.pid = 700,
                       .comm = "systemd-logind",
                       .uid = 0,
                       .cgroup = "0::/system.slice/systemd-logind.service\n",
                       .descriptors = {"/dev/dri/card1"}});
  add_process(laptop, {.pid = 1500, .comm = "kwin_wayland", .descriptors = {"/dev/dri/card1"}});
  const auto users = laptop.users();
  CHECK(user(users, 1, "/dev/dri/card1")->will_let_go);
  CHECK(user(users, 700, "/dev/dri/card1")->will_let_go);
  CHECK_FALSE(user(users, 1500, "/dev/dri/card1")->will_let_go);
}

TEST_CASE("a compositor is told what helps on this machine") {
  Laptop laptop;
  add_process(laptop, {.pid = 20, .comm = "gnome-shell", .descriptors = {"/dev/dri/card1", "/dev/nvidia0"}});
  add_process(laptop, {.pid = 30, .comm = "kwin_wayland", .descriptors = {"/dev/nvidia0"}});
  add_process(laptop, {.pid = 40, .comm = "Xorg", .descriptors = {"/dev/nvidia0"}});
  const auto remedy = [&](pid_t pid) { return user(laptop.users(), pid, "/dev/nvidia0")->remedy; };
  CHECK(remedy(20).find("mutter-device-ignore") != std::string::npos);
  CHECK(remedy(30).starts_with("kwin_wayland holds it by NVIDIA's EGL library alone"));
  CHECK(remedy(40).starts_with("Keep X off this card"));
  add_process(laptop, {.pid = 50, .comm = "kwin_wayland", .descriptors = {"/dev/dri/card1", "/dev/nvidia0"}});
  CHECK(remedy(50).find("KERNELS==\"0000:00:02.0\", SYMLINK+=\"dri/host-gpu\"") != std::string::npos);
  laptop.bind("0000:00:02.0", "vfio-pci");  // then nothing else draws for the host
  for (const auto pid : {20, 30})
    CHECK(remedy(pid).find("systemctl stop display-manager") != std::string::npos);
}

TEST_CASE("PipeWire lets go of the sound card, but not of the GPU itself") {
  Laptop laptop;
  add_process(laptop,
              {.pid = 5, .comm = "wireplumber", .descriptors = {"/dev/snd/controlC1", "/dev/nvidia0"}});
  const auto users = laptop.users();
  CHECK(user(users, 5, "/dev/snd/controlC1")->will_let_go);
  CHECK_FALSE(user(users, 5, "/dev/nvidia0")->will_let_go);
  CHECK(is_blocked(user_problems(users, Force::no)));
}

TEST_CASE("alsactl, which watches every card, lets go of the one that leaves") {
  Laptop laptop;
  add_process(laptop, {.pid = 6,
                       .comm = "alsactl",
                       .cgroup = "0::/system.slice/alsa-state.service\n",
                       .descriptors = {"/dev/snd/controlC1"}});
  REQUIRE(user(laptop.users(), 6, "/dev/snd/controlC1") != nullptr);
  CHECK(user(laptop.users(), 6, "/dev/snd/controlC1")->will_let_go);
}

TEST_CASE("an I2C client of the GPU's bus is a holder that lsof on the GPU's nodes misses") {
  Laptop laptop;
  add_process(laptop, {.pid = 5, .comm = "org_kde_powerde", .descriptors = {"/dev/i2c-5"}});
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].remedy.find("powerdevil") != std::string::npos);
}

TEST_CASE("a leader that has ended still shows its other threads' descriptors") {
  Laptop laptop;
  add_process(laptop, {.pid = 90, .comm = "worker"});
  laptop.file("proc/90/task/91/maps", "");
  laptop.file("proc/90/task/90/maps", "");
  std::filesystem::create_directories(laptop.root() / "proc/90/task/91/fd");
  std::filesystem::create_symlink("/dev/nvidia0", laptop.root() / "proc/90/task/91/fd/4");
  CHECK(laptop.users().size() == 1);
}

TEST_CASE("nvidia-drm pins every GPU with modeset on a driver without per-GPU hooks") {
  Laptop laptop;
  laptop.file("sys/module/nvidia/version", "550.163.01\n")
      .file("sys/module/nvidia_drm/parameters/modeset", "Y\n");
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].via == Via::kernel);
  CHECK(is_blocked(user_problems(users, Force::yes)));
  laptop.file("sys/module/nvidia_drm/parameters/modeset", "N\n");
  CHECK(laptop.users().empty());
}

TEST_CASE("drivers tell by version whether they can let go of one GPU") {
  for (const auto* with : {"580.105.08", "590.44.01", "595.45.04", "580.94.06", "600.1"})
    CHECK_MESSAGE(has_gpu_hooks(DriverVersion::parse(with)), with);
  for (const auto* without :
       {"515.43.04", "550.163.01", "575.64", "580.65.06", "580.95.05", "580.105.07", "580.94.02", "", "x"})
    CHECK_MESSAGE(!has_gpu_hooks(DriverVersion::parse(without)), without);
}

TEST_CASE("a mounted disk on the card's USB port blocks, by mount point") {
  Laptop laptop;
  laptop.file(laptop.directory("0000:01:00.1") + "/usb3/3-1/host6/block/sda/sda1/dev", "8:1\n");
  laptop.file("proc/1/mountinfo", "35 1 8:1 / /mnt/backup rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
  const auto problems = user_problems(laptop.users(), Force::yes);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].severity == Severity::blocker);
  CHECK(problems[0].message.find("/mnt/backup") != std::string::npos);
}

TEST_CASE("a text console on the card's framebuffer is told") {
  Laptop laptop;
  laptop.file(laptop.directory("0000:01:00.0") + "/graphics/fb0/dev", "29:0\n");
  laptop.file("sys/class/vtconsole/vtcon0/name", "(S) dummy device\n")
      .file("sys/class/vtconsole/vtcon0/bind", "1\n");
  laptop.file("sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n")
      .file("sys/class/vtconsole/vtcon1/bind", "1\n");
  const auto users = laptop.users();
  REQUIRE(users.size() == 1);
  CHECK(users[0].what == "vtcon1");
}
