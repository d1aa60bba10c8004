// SPDX-License-Identifier: GPL-2.0-or-later
// For compilers without libFuzzer: runs files that are given, or mutates the seeds for some seconds, the same
// each time.
//   NAME_fuzz [SECONDS | FILE...]
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz/fuzz.hpp"

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

class Mutator {
 public:
  std::string next() {
    auto input = seeds_[below(seeds_.size())];
    for (auto changes = 1 + below(8); changes > 0 && !input.empty(); --changes) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>{0, limit - 1}(random_);
  }

  void change(std::string& input) {
    constexpr std::array<char, 8> telling{0,    1,   0x7f, static_cast<char>(0x80), static_cast<char>(0xff),
                                          '\n', '"', ' '};
    const auto at = below(input.size());
    switch (below(6)) {
      case 0:
        input[at] = telling[below(telling.size())];
        break;
      case 1:
        input[at] = static_cast<char>(below(256));
        break;
      case 2:
        input[at] = static_cast<char>(static_cast<unsigned char>(input[at]) ^ 1U << below(8));
        break;
      case 3:
        input.erase(at, 1 + below(64));
        break;
      case 4:
        input.insert(at, input.substr(below(input.size()), 1 + below(64)));
        break;
      default:
        input.resize(at);
    }
  }

  std::mt19937 random_{1};
  std::vector<std::string> seeds_{fuzz::seeds()};
};

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc == 2 ? std::atof(argv[1]) : 0;
  for (int i = 1; seconds == 0 && i < argc; ++i) {
    std::ifstream file{argv[i], std::ios::binary};
    run({std::istreambuf_iterator<char>{file}, {}});
  }
  if (seconds == 0 && argc > 1) return 0;
  Mutator mutator;
  unsigned long count = 0;
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds == 0 ? 2 : seconds);
  for (; std::chrono::steady_clock::now() < end; ++count) run(mutator.next());
  std::printf("%lu inputs\n", count);
}
