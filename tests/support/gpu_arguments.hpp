// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <array>
#include <string>
#include <string_view>

namespace gpuctl::test {

/// What a GPU argument means on the reference laptop: the daemon and the program each find the GPU by
/// themselves, and both must find the same.
struct GpuArgument {
  std::string argument;
  std::string_view outcome;  ///< address of the GPU, or name of the error
};

inline const std::array gpu_arguments{
    GpuArgument{"0000:01:00.0", "0000:01:00.0"},
    GpuArgument{"0000:01:00.1", "0000:01:00.0"},
    GpuArgument{"00000000:01:00.0", "0000:01:00.0"},
    GpuArgument{"01:00.0", "0000:01:00.0"},
    GpuArgument{"01:00.1", "0000:01:00.0"},
    GpuArgument{"0000:01:00", "0000:01:00.0"},
    GpuArgument{"01:00", "0000:01:00.0"},
    GpuArgument{"10de:25a0", "0000:01:00.0"},
    GpuArgument{"10DE:25A0", "0000:01:00.0"},
    GpuArgument{"10de:2291", "0000:01:00.0"},
    GpuArgument{"3050", "0000:01:00.0"},
    GpuArgument{"GeForce RTX", "0000:01:00.0"},
    GpuArgument{"nvidia corporation ga107m", "0000:01:00.0"},
    GpuArgument{"", "0000:01:00.0"},
    GpuArgument{"uhd.or.not", "NotFound"},
    GpuArgument{"0000:02:00.0", "NotFound"},
    GpuArgument{"0001:01:00.0", "NotFound"},
    GpuArgument{"02:00.0", "NotFound"},
    GpuArgument{"02:00", "NotFound"},
    GpuArgument{"01:00.2", "NotFound"},
    GpuArgument{"1234:5678", "NotFound"},
    GpuArgument{"radeon", "NotFound"},
    GpuArgument{"vm", "NotFound"},
    GpuArgument{"zz", "NotFound"},
    GpuArgument{std::string(256, 'x'), "NotFound"},
    GpuArgument{"0000:01:00.8", "InvalidArgument"},
    GpuArgument{"01:00.9", "InvalidArgument"},
    GpuArgument{"01:20.0", "InvalidArgument"},
    GpuArgument{"01:00.", "InvalidArgument"},
    GpuArgument{"0000:01", "InvalidArgument"},
    GpuArgument{"1:0", "InvalidArgument"},
    GpuArgument{":", "InvalidArgument"},
    GpuArgument{"00000000001:01:00.0", "InvalidArgument"},
    GpuArgument{"10de:25a", "InvalidArgument"},
    GpuArgument{"a\nb", "InvalidArgument"},
    GpuArgument{"\x1b[31m", "InvalidArgument"},
    GpuArgument{"x\x7f", "InvalidArgument"},
    GpuArgument{std::string(257, 'x'), "InvalidArgument"},
};

}  // namespace gpuctl::test
