// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string_view>

#include <systemd/sd-bus.h>

#include "fuzz/bytes.hpp"

namespace fuzz {

/// Appends values of a signature's types, chosen by the input: what a person would send, and what nobody
/// would.
void append_values(sd_bus_message* message, std::string_view signature, Bytes& bytes);

/// Some signature; mostly not the one that a method wants.
std::string_view any_signature(Bytes& bytes);

}  // namespace fuzz
