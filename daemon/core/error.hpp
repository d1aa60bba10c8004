// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gpuctl {

/// Why a call or an operation failed. Each has one name on the bus: "org.gpuctl1.Error." + name.
enum class ErrorCode {
  invalid_argument,  ///< malformed address, unknown option key, option of the wrong type
  not_found,         ///< no such GPU, operation or group
  ambiguous_gpu,     ///< several GPUs fit; the message lists them
  not_authorized,    ///< polkit said no, could not be asked, or would ask and nobody may or can answer
  busy,              ///< another operation has this GPU, VM or group
  blocked,           ///< problems stand in the way; the message carries them
  vm_not_found,
  vm_running,           ///< the domain runs and neither live nor waiting was asked for
  libvirt_unavailable,  ///< library not installed, daemon not running, or it did not answer
  limits_exceeded,      ///< too many requests of this caller in flight
  cancelled,
  timed_out,         ///< the kernel did not finish in time; the GPU is stuck until it does
  device_gone,       ///< the device vanished or its config space reads all ones
  device_changed,    ///< another card sits at the recorded address
  kernel_refused,    ///< a sysfs write failed; the message has device, step and errno
  not_bound,         ///< a probe reported success but the wanted driver is not bound
  state_unwritable,  ///< journal or record cannot be written; nothing was changed
  rollback_failed,   ///< part of the rollback failed; the message says what is left
  not_supported,
  internal,
};

inline constexpr std::array error_names{
    std::pair{ErrorCode::invalid_argument, std::string_view{"InvalidArgument"}},
    std::pair{ErrorCode::not_found, std::string_view{"NotFound"}},
    std::pair{ErrorCode::ambiguous_gpu, std::string_view{"AmbiguousGpu"}},
    std::pair{ErrorCode::not_authorized, std::string_view{"NotAuthorized"}},
    std::pair{ErrorCode::busy, std::string_view{"Busy"}},
    std::pair{ErrorCode::blocked, std::string_view{"Blocked"}},
    std::pair{ErrorCode::vm_not_found, std::string_view{"VmNotFound"}},
    std::pair{ErrorCode::vm_running, std::string_view{"VmRunning"}},
    std::pair{ErrorCode::libvirt_unavailable, std::string_view{"LibvirtUnavailable"}},
    std::pair{ErrorCode::limits_exceeded, std::string_view{"LimitsExceeded"}},
    std::pair{ErrorCode::cancelled, std::string_view{"Cancelled"}},
    std::pair{ErrorCode::timed_out, std::string_view{"TimedOut"}},
    std::pair{ErrorCode::device_gone, std::string_view{"DeviceGone"}},
    std::pair{ErrorCode::device_changed, std::string_view{"DeviceChanged"}},
    std::pair{ErrorCode::kernel_refused, std::string_view{"KernelRefused"}},
    std::pair{ErrorCode::not_bound, std::string_view{"NotBound"}},
    std::pair{ErrorCode::state_unwritable, std::string_view{"StateUnwritable"}},
    std::pair{ErrorCode::rollback_failed, std::string_view{"RollbackFailed"}},
    std::pair{ErrorCode::not_supported, std::string_view{"NotSupported"}},
    std::pair{ErrorCode::internal, std::string_view{"Internal"}},
};
static_assert(error_names.size() == static_cast<std::size_t>(ErrorCode::internal) + 1,
              "every code has a name");

/// "Busy", without the bus prefix.
std::string_view error_name(ErrorCode code);
/// Inverse of error_name; internal for names not in the table.
ErrorCode error_code(std::string_view name);

/// The one exception type that crosses module boundaries. what() is a sentence a user can read.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace gpuctl
