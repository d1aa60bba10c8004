// SPDX-License-Identifier: GPL-2.0-or-later
// Run by the build: writes the table that 'gpuctl vm setup --battery' gives to guests.
#include <cstdio>

#include "vm/battery.hpp"

int main() {
  const auto table = gpuctl::battery_table();
  return std::fwrite(table.data(), 1, table.size(), stdout) == table.size() && std::fflush(stdout) == 0 ? 0
                                                                                                        : 1;
}
