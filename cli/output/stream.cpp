// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/stream.hpp"

namespace gpuctl::cli {

Console::Sink sink(std::FILE* file) {
  return [file](std::string_view text) {
    if (std::ferror(file) != 0) return;
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
  };
}

}  // namespace gpuctl::cli
