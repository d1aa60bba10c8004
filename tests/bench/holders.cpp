// SPDX-License-Identifier: GPL-2.0-or-later
// Who holds a device: gpuctl's scan beside `fuser` and `lsof`, in one run on one machine, with thousands of
// processes started for it. Two more processes hold the device in ways that others miss. Needs root, psmisc
// and lsof.
//   bench_holders [RUNS [--json]]
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/process_scan.hpp"

using namespace gpuctl;

namespace {

constexpr auto node_path = "/dev/zero";  // any driver's node would do; this one can be mapped

GpuNodes nodes() {
  GpuNodes all;
  all.nodes.push_back({node_path, NodeKind::drm, {}, 1, 5, 5, false});
  return all;
}

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "{}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

/// Descriptors of the kinds that desktop processes have: files, pipes, sockets, event counters, devices.
void open_descriptors(int count) {
  std::array<int, 2> ends{};
  for (int i = 0; i < count; ++i) switch (i % 5) {
      case 0:
        (void)!::open("/etc/hostname", O_RDONLY);
        break;
      case 1:
        (void)!::eventfd(0, 0);
        break;
      case 2:
        (void)!::pipe(ends.data()), ++i;
        break;
      case 3:
        (void)!::socket(AF_UNIX, SOCK_STREAM, 0);
        break;
      default:
        (void)!::open("/dev/null", O_RDONLY);
    }
}

void only_a_mapping() {
  const int fd = ::open(node_path, O_RDWR);
  if (::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) fail("mmap");
  ::close(fd);
}

/// As libvirt gives each QEMU: its own /dev with its own inode of the same device.
void in_a_private_dev() {
  if (::unshare(CLONE_NEWNS) != 0) fail("unshare");
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tmpfs", "/dev", "tmpfs", 0, nullptr) != 0) fail("mount");
  ::mknod(node_path, S_IFCHR | 0600, ::makedev(1, 5));
  if (::open(node_path, O_RDONLY) < 0) fail("open");
}

class Crowd {
 public:
  Crowd(int processes, int descriptors) {
    for (int i = 0; i < processes; ++i)
      start(
          [&] {
            open_descriptors(descriptors);
            if (i % 50 == 0) (void)!::open(node_path, O_RDONLY);
          },
          i % 50 == 0);
    mapping_ = start(only_a_mapping, true);
    foreign_ = start(in_a_private_dev, true);
  }
  ~Crowd() {
    for (const auto pid : pids_) ::kill(pid, SIGKILL);
    for (const auto pid : pids_) ::waitpid(pid, nullptr, 0);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  pid_t mapping() const { return mapping_; }
  pid_t foreign() const { return foreign_; }
  const std::set<pid_t>& holders() const { return holders_; }

 private:
  template <class Prepare>
  pid_t start(Prepare prepare, bool holder) {
    std::array<int, 2> ready{};
    if (::pipe(ready.data()) != 0) fail("pipe");
    const auto pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ready[0]);
      prepare();
      ::close(ready[1]);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char end{};
    (void)!::read(ready[0], &end, 1);  // end of file: it is prepared
    ::close(ready[0]);
    pids_.push_back(pid);
    if (holder) holders_.insert(pid);
    return pid;
  }

  std::vector<pid_t> pids_;
  std::set<pid_t> holders_;
  pid_t mapping_{}, foreign_{};
};

double median(std::vector<double> times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

struct Result {
  std::vector<double> times, cpu;  ///< milliseconds
  std::set<pid_t> found;
};

/// Processor time of this process and of the programs it has run, in milliseconds.
double cpu_time() {
  double all = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const auto& t : {used.ru_utime, used.ru_stime})
      all += static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  }
  return all;
}

template <class Work>
void timed(Result& result, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  const auto cpu = cpu_time();
  result.found = work();
  result.cpu.push_back(cpu_time() - cpu);
  result.times.push_back(
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
}

std::set<pid_t> scan_here() {
  std::set<pid_t> pids;
  for (const auto& hold : scan_processes(RootDir{"/"}, nodes()).holds) pids.insert(hold.pid);
  return pids;
}

/// Numbers in the standard output of a program.
std::set<pid_t> pids_of(const char* command) {
  std::set<pid_t> pids;
  auto* output = ::popen(command, "re");
  std::array<char, 64> word{};
  while (std::fscanf(output, "%63s", word.data()) == 1) pids.insert(std::atoi(word.data()));
  ::pclose(output);
  pids.erase(0);
  return pids;
}

std::string found_of(const Result& result, const Crowd& crowd) {
  std::size_t count = 0;
  for (const auto pid : crowd.holders()) count += result.found.contains(pid);
  return fmt::format("{}/{}, mapping {}, own /dev {}", count, crowd.holders().size(),
                     result.found.contains(crowd.mapping()) ? "yes" : "no",
                     result.found.contains(crowd.foreign()) ? "yes" : "no");
}

/// One line for tests/bench/run: every sample, and how many holders each did not find.
void print_json(int processes, int descriptors, const Crowd& crowd,
                const std::vector<std::pair<const char*, const Result*>>& results) {
  std::string wall, missed;
  for (const auto& [name, result] : results) {
    const auto* comma = wall.empty() ? "" : ",";
    const auto found =
        std::ranges::count_if(crowd.holders(), [&](pid_t pid) { return result->found.contains(pid); });
    wall += fmt::format(R"({}"{}":[{:.3f}])", comma, name, fmt::join(result->times, ","));
    missed += fmt::format(R"({}"{}":[{}])", comma, name, static_cast<long>(crowd.holders().size()) - found);
  }
  fmt::print(R"({{"processes":{},"descriptors":{},"wall":{{{}}},"missed":{{{}}}}})"
             "\n",
             processes, descriptors, wall, missed);
}

/// True when gpuctl found all and the goals hold: at most 0.8 of fuser's time and 0.2 of lsof's.
bool compare(int processes, int descriptors, int runs, bool json) {
  const Crowd crowd{processes, descriptors};
  Result here, fuser, lsof;
  for (int run = 0; run < runs; ++run) {
    timed(here, scan_here);
    timed(fuser, [] { return pids_of("fuser /dev/zero 2>/dev/null"); });
    timed(lsof, [] { return pids_of("lsof -w -t /dev/zero 2>/dev/null"); });
  }
  const std::vector<std::pair<const char*, const Result*>> all{
      {"gpuctl", &here}, {"fuser", &fuser}, {"lsof", &lsof}};
  if (json) return print_json(processes, descriptors, crowd, all), true;
  fmt::print("{} processes, {} descriptors each, medians of {} runs\n", processes, descriptors, runs);
  fmt::print("  {:<8}{:>9} {:>9} {:>9} {:>9}  {}\n", "", "ms", "gpuctl/x", "cpu ms", "gpuctl/x",
             "holders found");
  const auto wall = median(here.times), cpu = median(here.cpu);
  for (const auto& [name, result] : all)
    fmt::print("  {:<8}{:>9.1f} {:>9.2f} {:>9.1f} {:>9.2f}  {}\n", name, median(result->times),
               wall / median(result->times), median(result->cpu), cpu / median(result->cpu),
               found_of(*result, crowd));
  const bool complete = std::ranges::includes(here.found, crowd.holders());
  return complete && wall <= 0.8 * median(fuser.times) && wall <= 0.2 * median(lsof.times);
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 11;
  rlimit files{4096, 4096};
  ::setrlimit(RLIMIT_NOFILE, &files);
  const bool json = argc > 2 && std::string_view{argv[2]} == "--json";
  const bool small = compare(300, 40, runs, json);
  const bool large = compare(1000, 100, runs, json);
  return small && large ? 0 : 1;
}
