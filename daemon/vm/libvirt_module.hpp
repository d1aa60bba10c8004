// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "vm/hypervisor.hpp"

/// What gpuctl-libvirt.so exports. The version comes first: after an upgrade the old daemon may meet the new
/// module, whose Hypervisor may have another shape.
extern "C" {
using gpuctl_module_version_function = const char*();
using gpuctl_make_hypervisor_function = gpuctl::Hypervisor*(const char* uri);

gpuctl_module_version_function gpuctl_module_version;
/// Never null; throws gpuctl::Error(libvirt_unavailable). The caller owns the result.
gpuctl_make_hypervisor_function gpuctl_make_hypervisor;
}
