// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/process_scan.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "host/node_match.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

struct Entry64 {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[1];
};

/// Names that start with a digit, in one system call for most directories. `visit` must not use `buffer`.
template <std::size_t Size, class Visit>
void for_each_number(int directory, std::array<char, Size>& buffer, Visit visit) {
  for (;;) {
    const auto got = ::syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (got <= 0) return;
    for (long at = 0; at < got;) {
      const char* entry = buffer.data() + at;
      unsigned short length{};
      std::memcpy(&length, entry + offsetof(Entry64, length), sizeof length);
      const char* name = entry + offsetof(Entry64, name);
      if (*name >= '0' && *name <= '9') visit(name);
      at += length;
    }
  }
}

bool refused(int error) { return error == EACCES || error == EPERM; }

constexpr int dir_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr std::size_t max_threads = 4;
constexpr std::size_t processes_worth_a_thread = 16;

using Buffer = std::array<char, 65536>;

/// No: a kernel thread, or a process whose memory has gone.
bool has_program(int proc, const std::string& directory) {
  std::array<char, 1> first{};
  return ::readlinkat(proc, (directory + "/exe").c_str(), first.data(), first.size()) >= 0 || errno != ENOENT;
}

/// Most of what a machine runs are kernel threads, which hold no files: the children of kthreadd without a
/// program. (Programs that the kernel itself starts are its children as well.) Nothing where the kernel does
/// not list children; then each is looked into.
std::set<pid_t> children_of_kthreadd(const RootDir& root) {
  std::set<pid_t> pids;
  if (root.text("proc/2/comm") != "kthreadd") return pids;
  std::istringstream children{root.text("proc/2/task/2/children")};
  for (pid_t pid{}; children >> pid;) pids.insert(pid);
  return pids;
}

/// As this /proc counts: one of another PID namespace, or of a test, has somebody else under that number.
pid_t own_pid(const RootDir& root) { return std::atoi(root.link_name("proc/self").c_str()); }

std::vector<pid_t> pids_with_files(const RootDir& root, int proc) {
  const auto names = std::make_unique<Buffer>();
  std::vector<pid_t> pids;
  for_each_number(proc, *names, [&](const char* name) { pids.push_back(std::atoi(name)); });
  std::erase(pids, own_pid(root));
  const auto of_kernel = children_of_kthreadd(root);
  std::erase_if(
      pids, [&](pid_t pid) { return of_kernel.contains(pid) && !has_program(proc, std::to_string(pid)); });
  return pids;
}

/// Looks at one process after another; several of these share a list.
class Scanner {
 public:
  Scanner(int proc, const NodeMatch& match) : match_(match), proc_(proc) {}

  void run(const std::vector<pid_t>& pids, std::atomic<std::size_t>& next) {
    for (auto i = next++; i < pids.size(); i = next++) process(pids[i]);
  }
  ProcessScan take() { return std::move(found_); }

 private:
  void process(pid_t pid) {
    pid_ = pid;
    denied_ = false;
    const auto directory = std::to_string(pid);
    const auto descriptors = scan_task(directory);
    // A leader that has ended leaves its descriptors visible under its other threads only.
    if (descriptors == 0) other_threads(directory);
    if (denied_) found_.unreadable.push_back(pid);
  }

  void other_threads(const std::string& directory) {
    const UniqueFd tasks{::openat(proc_, (directory + "/task").c_str(), dir_flags)};
    if (!tasks) return;
    std::vector<std::string> threads;
    for_each_number(tasks.get(), names_, [&](const char* name) { threads.emplace_back(name); });
    for (const auto& thread : threads)
      if (thread != directory && scan_task(directory + "/task/" + thread) > 0) return;
  }

  std::size_t scan_task(const std::string& directory) {
    const auto count = scan_descriptors(directory);
    if (count > 0 || has_program(proc_, directory)) scan_maps(directory);
    return count;
  }

  std::size_t scan_descriptors(const std::string& directory) {
    const UniqueFd fds{::openat(proc_, (directory + "/fd").c_str(), dir_flags)};
    if (!fds) {
      denied_ |= refused(errno);
      return 0;
    }
    std::size_t count = 0;
    for_each_number(fds.get(), names_, [&](const char* name) {
      ++count;
      descriptor(directory, fds.get(), name);
    });
    return count;
  }

  void descriptor(const std::string& directory, int fds, const char* name) {
    struct statx is {};
    // Not synchronised: a file on a file system whose server hangs must not hang the scan.
    if (::statx(fds, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &is) != 0) {
      if (refused(errno))
        denied_ = true;
      else
        by_path(fds, name);
    } else if (S_ISCHR(is.stx_mode) || S_ISBLK(is.stx_mode)) {
      by_number(directory, fds, name, is);
    } else if (match_.may_be_attribute(is)) {
      by_path(fds, name);
    } else if (match_.may_be_vfio_device(is) && target(fds, name) == "anon_inode:[vfio-device]") {
      by_fdinfo(directory, name);
    }
  }

  void by_number(const std::string& directory, int fds, const char* name, const struct statx& is) {
    if (const auto* node = match_.by_number(is.stx_rdev_major, is.stx_rdev_minor, S_ISBLK(is.stx_mode)))
      found(*node, node->is_run() ? node->path + std::to_string(is.stx_rdev_minor) : node->path, Via::fd);
    else if (match_.is_drm(is.stx_rdev_major))
      by_fdinfo(directory, name);  // opened before the card was plugged out and came back under another minor
    else if (match_.may_be_unnumbered(is.stx_rdev_major))
      by_path(fds, name);
  }

  std::string_view target(int fds, const char* name) {
    const auto length = ::readlinkat(fds, name, link_.data(), link_.size());
    return {link_.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
  }

  void by_path(int fds, const char* name) {
    if (const auto hit = match_.by_path(target(fds, name))) found(*hit->node, hit->path, Via::fd);
  }

  void by_fdinfo(const std::string& directory, const char* name) {
    const UniqueFd file{::openat(proc_, (directory + "/fdinfo/" + name).c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return;
    std::array<char, 2048> text{};
    const auto length = ::read(file.get(), text.data(), text.size());
    if (length <= 0) return;
    if (const auto hit = match_.by_fdinfo({text.data(), static_cast<std::size_t>(length)}))
      found(*hit->node, hit->path, Via::fdinfo);
  }

  void scan_maps(const std::string& directory) {
    const UniqueFd maps{::openat(proc_, (directory + "/maps").c_str(), O_RDONLY | O_CLOEXEC)};
    if (!maps) {
      denied_ |= refused(errno);
      return;
    }
    std::size_t kept = 0;
    for (;;) {
      const auto got = ::read(maps.get(), text_.data() + kept, text_.size() - kept);
      if (got < 0 && refused(errno)) denied_ = true;
      if (got <= 0) return;
      kept = mapped_lines({text_.data(), kept + static_cast<std::size_t>(got)});
    }
  }

  /// Looks at the whole lines of `text`, moves the rest to the front of the buffer and says how long it is.
  std::size_t mapped_lines(std::string_view text) {
    const auto end = text.rfind('\n');
    if (end == std::string_view::npos) return text.size() < text_.size() ? text.size() : 0;
    for (const auto path : match_.device_paths(text.substr(0, end)))
      if (const auto hit = match_.by_path(path)) found(*hit->node, hit->path, Via::map);
    const auto rest = text.substr(end + 1);
    std::memmove(text_.data(), rest.data(), rest.size());
    return rest.size();
  }

  void found(const DeviceNode& node, std::string what, Via via) {
    found_.holds.push_back({pid_, std::move(what), node.kind, node.function, node.shared, via});
  }

  const NodeMatch& match_;
  int proc_;
  pid_t pid_{};
  bool denied_{};
  ProcessScan found_;
  std::array<char, 512> link_{};
  Buffer names_{};
  Buffer text_{};
};

/// The caller's thread and as many more as there are processors and work for.
ProcessScan scan_with_threads(int proc, const NodeMatch& match, const std::vector<pid_t>& pids) {
  const auto useful = std::min({max_threads, std::size_t{std::thread::hardware_concurrency()},
                                pids.size() / processes_worth_a_thread + 1});
  std::atomic<std::size_t> next{0};
  std::vector<std::unique_ptr<Scanner>> scanners;
  std::vector<std::jthread> threads;
  scanners.push_back(std::make_unique<Scanner>(proc, match));
  while (scanners.size() < useful) {
    auto* scanner = scanners.emplace_back(std::make_unique<Scanner>(proc, match)).get();
    try {
      threads.emplace_back([=, &pids, &next] { scanner->run(pids, next); });
    } catch (const std::system_error&) {
      break;  // no more threads to be had: slower, not less
    }
  }
  scanners.front()->run(pids, next);
  threads.clear();
  ProcessScan all;
  for (const auto& scanner : scanners) {
    auto part = scanner->take();
    std::ranges::move(part.holds, std::back_inserter(all.holds));
    std::ranges::move(part.unreadable, std::back_inserter(all.unreadable));
  }
  return all;
}

void order(ProcessScan& scan) {
  std::ranges::sort(scan.holds);
  const auto same = [](const Hold& a, const Hold& b) {
    return a.pid == b.pid && a.what == b.what;  // sorted: the strongest evidence stays
  };
  scan.holds.erase(std::unique(scan.holds.begin(), scan.holds.end(), same), scan.holds.end());
  std::ranges::sort(scan.unreadable);
}

}  // namespace

std::string_view to_string(Via via) {
  switch (via) {
    case Via::fd:
      return "fd";
    case Via::map:
      return "map";
    case Via::fdinfo:
      return "fdinfo";
    case Via::kernel:
      return "kernel";
    case Via::mount:
      return "mount";
    case Via::unreadable:
      return "unreadable";
  }
  return "fd";
}

ProcessScan scan_processes(const RootDir& root, const GpuNodes& nodes) {
  const UniqueFd proc{::openat(root.fd(), "proc", dir_flags)};
  if (!proc) return {{}, {0}};
  const NodeMatch match{root, nodes};
  auto scan = scan_with_threads(proc.get(), match, pids_with_files(root, proc.get()));
  order(scan);
  return scan;
}

}  // namespace gpuctl
