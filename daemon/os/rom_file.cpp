// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/rom_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t max_size = 16 << 20;  // the largest window that the PCI specification allows

[[noreturn]] void refuse(PciAddress address, const char* what, int error) {
  throw Error(ErrorCode::kernel_refused,
              fmt::format("the ROM of {} cannot be {}: {}", address.str(), what, std::strerror(error)));
}

std::string attribute(PciAddress address, const char* name) {
  return fmt::format("sys/bus/pci/devices/{}/{}", address.str(), name);
}

/// power/control = on while it lives.
class Awake {
 public:
  Awake(const RootDir& root, PciControl& control, PciAddress address)
      : control_(control), address_(address), before_(root.text(attribute(address, "power/control"))) {
    if (before_ == "auto") control_.set_power_control(address_, "on");
  }
  ~Awake() {
    try {
      if (before_ == "auto") control_.set_power_control(address_, before_);
    } catch (const Error&) {
      // It stays awake: a waste of power, no harm, and `gpuctl show` tells it.
    }
  }
  Awake(const Awake&) = delete;
  Awake& operator=(const Awake&) = delete;

 private:
  PciControl& control_;
  PciAddress address_;
  std::string before_;
};

/// The ROM is readable while it lives. Only the two bytes "0\n" switch it off again; "0" alone switches it
/// on.
class Enabled {
 public:
  Enabled(int file, PciAddress address) : file_(file) {
    if (::pwrite(file_, "1", 1, 0) != 1) refuse(address, "switched on", errno);
  }
  ~Enabled() { (void)!::pwrite(file_, "0\n", 2, 0); }
  Enabled(const Enabled&) = delete;
  Enabled& operator=(const Enabled&) = delete;

 private:
  int file_;
};

void require_answer(const RootDir& root, PciAddress address) {
  const auto vendor = root.read(attribute(address, "config"), 2);
  if (!vendor || *vendor == "\xff\xff")
    throw Error(ErrorCode::device_gone, fmt::format("{} does not answer", address.str()));
}

std::string read_all(int file, PciAddress address) {
  std::string bytes;
  std::array<char, 65536> buffer{};
  while (bytes.size() < max_size) {
    const auto got = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(address, "read", errno);
    if (got == 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

}  // namespace

void require_rom(const RootDir& root, PciAddress address) {
  if (!root.exists(attribute(address, "rom")))
    throw Error(ErrorCode::not_supported, fmt::format("{} has no ROM of its own", address.str()));
}

std::string read_rom(const RootDir& root, PciControl& control, PciAddress address) {
  require_rom(root, address);
  const UniqueFd file{::openat(root.fd(), attribute(address, "rom").c_str(), O_RDWR | O_CLOEXEC)};
  if (!file) refuse(address, "opened", errno);
  const Awake awake{root, control, address};
  require_answer(root, address);
  const Enabled enabled{file.get(), address};
  return read_all(file.get(), address);
}

}  // namespace gpuctl
