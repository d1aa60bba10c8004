// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gpuctl::cli {

/// The bytes of a file. Throws Failure NotFound with the reason, InvalidArgument where there are more than
/// `most`: /dev/zero has no end.
std::string read_whole_file(const std::string& path, std::size_t most);
/// Writes the file beside itself, on the disk, and then puts it in its place. Links stay and the file they
/// lead to is the one that is replaced; what is no regular file (a device, a FIFO) and the standard output's
/// own file are written into. Throws Failure StateUnwritable.
void write_whole_file(const std::string& path, std::string_view bytes);

}  // namespace gpuctl::cli
