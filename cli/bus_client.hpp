// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <string>

#include "cli/client.hpp"

namespace gpuctl::cli {

/// Connects to gpuctld over the system bus of this machine (host "") or, through ssh, of another one. Throws
/// Failure.
std::unique_ptr<Client> connect_to_bus(const std::string& host);

}  // namespace gpuctl::cli
