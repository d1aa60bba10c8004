// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bus_client.hpp"
#include "cli/error_text.hpp"
#include "cli/output/stream.hpp"
#include "cli/polkit_agent.hpp"
#include "cli/program.hpp"
#include "cli/whole_file.hpp"

namespace {

using namespace gpuctl::cli;

/// What is closed would become another file's, into which the output went.
void open_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0)
      static_cast<void>(open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// Not waited for: it stays open when this program is done.
bool start_viewer() {
  std::string program = "looking-glass-client";
  std::array argv{program.data(), static_cast<char*>(nullptr)};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t child = 0;
  const int error = posix_spawnp(&child, program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error == 0;
}

Surroundings real_surroundings() {
  const char* no_color = std::getenv("NO_COLOR");
  Surroundings s;
  s.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  s.person_present = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  s.root = geteuid() == 0;
  s.no_color = no_color != nullptr && *no_color != '\0';
  const char* term = std::getenv("TERM");
  s.dumb = term != nullptr && std::string_view{term} == "dumb";
  s.width = s.out_is_terminal ? terminal_width() : 0;
  s.out = sink(stdout);
  s.err = sink(stderr);
  s.out_is_lost = [] { return std::ferror(stdout) != 0; };
  s.connect = connect_to_bus;
  s.start_agent = PolkitAgent::start;
  s.start_viewer = start_viewer;
  s.read_file = read_whole_file;
  s.write_file = write_whole_file;
  return s;
}

}  // namespace

int main(int argc, char** argv) try {
  open_standard_files();
  const auto surroundings = real_surroundings();
  const int status = run({argv + 1, argv + argc}, surroundings);
  if (std::ferror(stdout) == 0) return status;
  std::fputs("gpuctl: the output cannot be written.\n", stderr);
  return static_cast<int>(Exit::failed);
} catch (const std::exception& error) {
  std::fprintf(stderr, "gpuctl: %s\n", error.what());
  return 1;
}
