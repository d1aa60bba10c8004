// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <array>
#include <string_view>

namespace gpuctl {

enum class LogPriority { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

/// Something that an admin may want to look up: `journalctl -x` explains it by its id, from
/// systemd-units/gpuctl.catalog.
struct LogEvent {
  std::string_view message_id;  ///< 128 bits in hexadecimal; empty for what needs no explanation
  LogPriority priority{};
};

namespace events {

inline constexpr LogEvent error{"", LogPriority::error};
inline constexpr LogEvent warning{"", LogPriority::warning};
inline constexpr LogEvent info{"", LogPriority::info};
inline constexpr LogEvent debug{"", LogPriority::debug};

inline constexpr LogEvent operation_started{"1fd5cbb8f26e44aaa528ce0d00d59f66", LogPriority::info};
inline constexpr LogEvent operation_succeeded{"5f8aa30e5df94fbe91433e77e5158c2f", LogPriority::notice};
inline constexpr LogEvent operation_rolled_back{"8761526b05fe4bd2bc2a050cf9e28939", LogPriority::warning};
inline constexpr LogEvent operation_failed{"1cb493a2f3d748d1ab80d7bb5d1b35c4", LogPriority::error};
inline constexpr LogEvent operation_cancelled{"d333c99137404a0685e80ac462e0519b", LogPriority::notice};
inline constexpr LogEvent gpu_stuck{"47c73957c1294e778db56d554cf32dc0", LogPriority::error};
inline constexpr LogEvent gpu_healed{"993bd7734fc14284abb4f4829b1c55db", LogPriority::notice};
inline constexpr LogEvent recovery_started{"62679f903bb44e4cb509d2c50d65ba96", LogPriority::warning};
inline constexpr LogEvent not_given_back{"9e6830ab19694071b372d4f61f8775a4", LogPriority::warning};
inline constexpr LogEvent sleep_blocked{"e2338bd107b64eabb55d17799e8f91fe", LogPriority::info};
inline constexpr LogEvent user_ended{"891650b619ed46f494db4c2a14d2f3e4", LogPriority::warning};
inline constexpr LogEvent config_wrong{"54802a92f41c472eb00ea52e34bc15fe", LogPriority::warning};

/// Those that the catalog explains.
inline constexpr std::array catalogued{operation_started, operation_succeeded, operation_rolled_back,
                                       operation_failed,  operation_cancelled, gpu_stuck,
                                       gpu_healed,        recovery_started,    not_given_back,
                                       sleep_blocked,     user_ended,          config_wrong};

}  // namespace events
}  // namespace gpuctl
