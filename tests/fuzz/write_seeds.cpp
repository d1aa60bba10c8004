// SPDX-License-Identifier: GPL-2.0-or-later
// For libFuzzer, which starts from files: the seeds that the program makes itself, into the directory
// GPUCTL_FUZZ_SEEDS.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* directory = std::getenv("GPUCTL_FUZZ_SEEDS");
  if (directory == nullptr) return 0;
  int number = 0;
  for (const auto& seed : fuzz::all_seeds())
    std::ofstream{std::filesystem::path{directory} / ("seed-" + std::to_string(number++)), std::ios::binary}
        << seed;
  return 0;
}
