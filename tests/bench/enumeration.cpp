// SPDX-License-Identifier: GPL-2.0-or-later
// How long the daemon's own full enumeration of /sys takes, in a warm process, as its start does it.
//   enumeration RUNS; one number of milliseconds a line
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "inventory/scan.hpp"

int main(int argc, char** argv) {
  const gpuctl::RootDir root{"/"};
  for (int run = argc > 1 ? std::atoi(argv[1]) : 10; run > 0; --run) {
    const auto begin = std::chrono::steady_clock::now();
    const auto snapshot = gpuctl::scan(root, {});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    std::printf("%f\n", snapshot.functions.empty() ? -1.0 : took.count());
  }
}
