// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/pci_control.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

std::string device_dir(PciAddress address) { return "sys/bus/pci/devices/" + address.str(); }
std::string driver_dir(const std::string& driver) { return "sys/bus/pci/drivers/" + driver; }

/// One write(2), as sysfs wants it: each is one store() in the kernel. Returns 0 or errno; a short write is
/// EIO.
int write_once(const RootDir& root, const std::string& path, std::string_view text) {
  const UniqueFd file{::openat(root.fd(), path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY)};
  if (!file) return errno;
  const auto written = ::write(file.get(), text.data(), text.size());
  if (written < 0) return errno;
  return static_cast<std::size_t>(written) == text.size() ? 0 : EIO;
}

/// A name becomes a part of a path and of a line: nothing that would end either.
void require_name(std::string_view name, std::string_view what) {
  if (!name.empty() && name != "." && name != ".." &&
      name.find_first_of(std::string_view{"/\n\0", 3}) == std::string_view::npos)
    return;
  throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no {} name", name, what));
}

std::string errno_text(int error) {
  const auto* name = ::strerrorname_np(error);
  return fmt::format("{} ({})", std::strerror(error), name != nullptr ? name : "unknown");
}

}  // namespace

void SysfsPciControl::refuse(PciAddress address, const std::string& effect, int error) const {
  if (!root_.exists(device_dir(address)))
    throw Error(ErrorCode::device_gone,
                fmt::format("{} is gone: {}: {}", address.str(), effect, errno_text(error)));
  throw Error(ErrorCode::kernel_refused, fmt::format("{}: {}: {}", address.str(), effect, errno_text(error)));
}

void SysfsPciControl::set_attribute(PciAddress address, const std::string& attribute,
                                    const std::string& value) {
  const auto error = write_once(root_, device_dir(address) + "/" + attribute, value);
  if (error == 0) return;
  const auto shown = value == "\n" ? std::string{"clearing"} : fmt::format("writing {} to", value);
  refuse(address, fmt::format("{} {}", shown, attribute), error);
}

void SysfsPciControl::set_driver_override(PciAddress address, const std::string& driver) {
  if (!driver.empty()) require_name(driver, "driver");
  set_attribute(address, "driver_override", driver.empty() ? "\n" : driver);
}

void SysfsPciControl::unbind(PciAddress address, const std::string& driver) {
  require_name(driver, "driver");
  const auto error = write_once(root_, driver_dir(driver) + "/unbind", address.str());
  const bool not_its = error == ENODEV || error == ENOENT;
  if (error == 0 || (not_its && root_.exists(device_dir(address)))) return;
  refuse(address, fmt::format("unbinding from {}", driver), error);
}

void SysfsPciControl::bind(PciAddress address, const std::string& driver) {
  require_name(driver, "driver");
  const auto error = write_once(root_, driver_dir(driver) + "/bind", address.str());
  const auto bound_to_it = [&] { return root_.link_name(device_dir(address) + "/driver") == driver; };
  if (error == 0 || (error == EBUSY && bound_to_it())) return;
  if (error == ENOENT) refuse(address, fmt::format("binding to {}, which is not registered", driver), error);
  refuse(address, fmt::format("binding to {}", driver), error);
}

void SysfsPciControl::set_power_control(PciAddress address, const std::string& on_or_auto) {
  set_attribute(address, "power/control", on_or_auto);
}

void SysfsPciControl::set_d3cold_allowed(PciAddress address, bool allowed) {
  set_attribute(address, "d3cold_allowed", allowed ? "1" : "0");
}

void SysfsPciControl::reset(PciAddress address) { set_attribute(address, "reset", "1"); }

void SysfsPciControl::remove(PciAddress address) { set_attribute(address, "remove", "1"); }

void SysfsPciControl::rescan() {
  if (const auto error = write_once(root_, "sys/bus/pci/rescan", "1"))
    throw Error(ErrorCode::kernel_refused, "PCI rescan: " + errno_text(error));
}

void SysfsPciControl::drm_event(const std::string& card, const std::string& action) {
  require_name(card, "DRM card");
  if (const auto error = write_once(root_, fmt::format("sys/class/drm/{}/uevent", card), action))
    throw Error(ErrorCode::kernel_refused,
                fmt::format("{}: announcing '{}': {}", card, action, errno_text(error)));
}

}  // namespace gpuctl
