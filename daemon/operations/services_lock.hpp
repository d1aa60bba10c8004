// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "os/unique_fd.hpp"

namespace gpuctl {

/// Services that open all the GPUs of a driver (nvidia-persistenced, nvidia-dcgm) are started for one GPU
/// while another process of gpuctl may be taking a second one from its driver, which would wait for them for
/// ever. So as long as any keeps them stopped none is started. Both ends with this object or with its
/// process.
class ServicesLock {
 public:
  /// Each is waited once: what is not to be had then is not in the next step either.
  struct Patience {
    std::chrono::milliseconds keep, start;
  };

  /// `dir` is made if need be, and is root's alone: whoever can open a lock's file can hold it.
  ServicesLock(std::filesystem::path dir, Patience patience) : dir_(std::move(dir)), patience_(patience) {}

  /// From before the first look at who holds a GPU of this driver. Waits while any service is being started;
  /// after that time it goes on without: the looks find whom that has let in.
  void keep_stopped(const std::string& driver);
  void let_start() { file_.reset(); }
  /// Throws what `start` throws, and Error(busy) where others keep them stopped for too long. Without a
  /// driver nobody is in the way.
  void start(const std::string& driver, const std::function<void()>& start);

 private:
  std::filesystem::path dir_;
  Patience patience_;
  UniqueFd file_;
};

}  // namespace gpuctl
