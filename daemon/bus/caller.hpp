// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "bus/authorizer.hpp"
#include "host/host_facts.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// Who has sent a call, as the bus knows. Throws Error(not_authorized) when the caller has gone.
BusCaller caller_of(const sdbus::Message& call);
/// Of the call that `object` is handling.
BusCaller current_caller(const sdbus::IObject& object);
/// The uid of who sits behind that call: where root calls, of who logged in before sudo, su or pkexec
/// (/proc/PID/loginuid, which pam_loginuid sets), or root where nothing is known.
std::uint32_t person_behind(const sdbus::IObject& object);
/// The caller with its groups, for the doctor.
Caller doctor_caller(const sdbus::IObject& object);

}  // namespace gpuctl
