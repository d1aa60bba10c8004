// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>

#include "config/config.hpp"
#include "fuzz/fuzz.hpp"

using namespace gpuctl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto loaded = parse_config(std::string(data, data + size), "gpuctl.toml");
  if (!loaded.ok() && loaded.problems.empty()) std::abort();
  for (const auto& problem : loaded.problems)
    if (problem.line == 0 || problem.message.empty()) std::abort();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {"[quiesce]\nstop-units = [\"a.service\"]\nsettle = 3\n",
          "[vm]\nkeep = true # x\n[log]\nlevel = \"info\"\n",
          "[timeouts]\nunbind = 1\nbind=2\n[sleep]\nwhile-vm-has-gpu = 'allow'\n"};
}
