// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>

#include "os/unique_fd.hpp"

namespace gpuctl {

/// Services that open all the GPUs there are (nvidia-persistenced, nvidia-dcgm) are started for one GPU while
/// another process of gpuctl may be taking a second one from its driver, which would wait for them for ever.
/// So as long as any keeps them stopped none is started. Both ends with this object or with its process.
class ServicesLock {
 public:
  /// `dir`: of gpuctld alone, and the same for all.
  explicit ServicesLock(std::filesystem::path dir,
                        std::chrono::milliseconds patience = std::chrono::seconds{30})
      : dir_(std::move(dir)), patience_(patience) {}

  /// From before the first look at who holds the GPU. Waits while any is being started; after that time it
  /// goes on without: the looks find whom that has let in.
  void keep_stopped();
  void let_start() { file_.reset(); }
  /// Throws what `start` throws, and Error(busy) where others keep them stopped for too long.
  void start(const std::function<void()>& start);

 private:
  std::filesystem::path dir_;
  std::chrono::milliseconds patience_;
  UniqueFd file_;
};

}  // namespace gpuctl
