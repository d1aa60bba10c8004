// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

/// libvirt's text form, which may become part of a path. Throws Error(invalid_argument) for anything else.
void require_uuid(const std::string& text);

}  // namespace gpuctl
