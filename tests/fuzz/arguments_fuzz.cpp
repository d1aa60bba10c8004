// SPDX-License-Identifier: GPL-2.0-or-later
// The command line: one argument a line. No daemon answers, and each file that is named holds the same bytes.
#include <cstdlib>
#include <sstream>

#include "cli/error_text.hpp"
#include "cli/program.hpp"
#include "fuzz/fuzz.hpp"

using namespace gpuctl::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream lines{std::string(data, data + size)};
  std::vector<std::string> arguments;
  // main() never gets a NUL in an argument
  for (std::string line; std::getline(lines, line);) arguments.emplace_back(line.c_str());
  Surroundings around;
  std::string said;
  around.out = around.err = [&](std::string_view text) { said += text; };
  around.connect = [](const std::string&) -> std::unique_ptr<Client> {
    throw Failure{"org.freedesktop.DBus.Error.ServiceUnknown", "nobody"};
  };
  around.start_agent = [] { return std::shared_ptr<void>{}; };
  around.start_viewer = [] { return false; };
  around.read_file = [&](const std::string&, std::size_t) { return lines.str(); };
  around.write_file = [](const std::string&, std::string_view) {};
  const int status = run(arguments, around);
  if (status < 0 || status > 6 || (status != 0 && said.empty())) std::abort();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {"attach\nvm\n--gpu\n01:00\n--dry-run\n",
          "--json\nlist\n",
          "--host\nme@there\nshow\n0000:01:00.0\n",
          "boot\nset\n01:00\nvm\n",
          "vm\nsetup\nw11\n--looking-glass\n1920x1080\n--rom\nauto\n--battery\n",
          "kernel-args\nenable\n",
          "cancel\n3\n",
          "__complete\ngpus\n",
          "operations\n",
          "rom\ncheck\n/card.rom\n",
          "rom\ndump\n/card.rom\n--raw\n--output\nother.rom\n"};
}
