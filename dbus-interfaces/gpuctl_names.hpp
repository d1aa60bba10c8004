// SPDX-License-Identifier: GPL-2.0-or-later
// Names that both sides of the bus compile: the contract that org.gpuctl1.*.xml documents.
#pragma once

namespace gpuctl::names {

inline constexpr auto service = "org.gpuctl1";
inline constexpr auto root_path = "/org/gpuctl1";
inline constexpr auto manager_interface = "org.gpuctl1.Manager";
inline constexpr auto gpu_interface = "org.gpuctl1.Gpu";
inline constexpr auto group_interface = "org.gpuctl1.IommuGroup";
inline constexpr auto operation_interface = "org.gpuctl1.Operation";
inline constexpr auto vms_interface = "org.gpuctl1.Vms";
inline constexpr auto host_interface = "org.gpuctl1.Host";
inline constexpr auto gpu_path_prefix = "/org/gpuctl1/gpus/";
inline constexpr auto group_path_prefix = "/org/gpuctl1/groups/";
inline constexpr auto operation_path_prefix = "/org/gpuctl1/operations/";
inline constexpr auto error_prefix = "org.gpuctl1.Error.";

inline constexpr auto action_attach = "org.gpuctl1.attach";
inline constexpr auto action_release = "org.gpuctl1.release";
inline constexpr auto action_force = "org.gpuctl1.force";
inline constexpr auto action_configure = "org.gpuctl1.configure";
inline constexpr auto action_cancel = "org.gpuctl1.cancel";

}  // namespace gpuctl::names
