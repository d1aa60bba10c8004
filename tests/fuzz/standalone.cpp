// SPDX-License-Identifier: GPL-2.0-or-later
// For compilers without libFuzzer: runs files that are given, or mutates the seeds for some seconds or some
// number of inputs, others every day. The input that crashes it is left in ./crash-PID.
//   NAME_fuzz [SECONDS | COUNTx | FILE...]
//   GPUCTL_FUZZ_START=N  the inputs of the run that printed this number
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz/fuzz.hpp"

namespace {

const std::string* running = nullptr;

/// Also for sanitizers: they abort.
void keep_input(int signal) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "crash-%d", static_cast<int>(::getpid()));
  const int file = ::open(name.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (running != nullptr) (void)!::write(file, running->data(), running->size());
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(const std::string& input) {
  running = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Days since 1970, where nothing is said.
unsigned start_number() {
  const char* said = std::getenv("GPUCTL_FUZZ_START");
  if (said != nullptr) return static_cast<unsigned>(std::strtoul(said, nullptr, 10));
  const auto now = std::chrono::system_clock::now();
  return static_cast<unsigned>(std::chrono::floor<std::chrono::days>(now).time_since_epoch().count());
}

class Mutator {
 public:
  explicit Mutator(unsigned start) : random_(start) {}

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

  std::mt19937 random_;
  std::vector<std::string> seeds_{fuzz::all_seeds()};
};

}  // namespace

int main(int argc, char** argv) {
  for (const int fatal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) ::signal(fatal, keep_input);
  char* rest = argc == 2 ? argv[1] : nullptr;
  const double amount = argc == 2 ? std::strtod(argv[1], &rest) : 2;
  if (argc > 2 || (rest != nullptr && rest == argv[1])) {
    for (int i = 1; i < argc; ++i) {
      run(contents(argv[i]));
    }
    return 0;
  }
  const bool counted = rest != nullptr && *rest == 'x';
  const auto start = start_number();
  std::printf("GPUCTL_FUZZ_START=%u\n", start);
  std::fflush(stdout);  // a crash loses what is kept back
  Mutator mutator(start);
  double count = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (; (counted ? count : seconds()) < amount; ++count) run(mutator.next());
  std::printf("%.0f inputs in %.0f s\n", count, seconds());
}
