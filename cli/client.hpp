// SPDX-License-Identifier: GPL-2.0-or-later
// What the commands need from a daemon, in plain values. The bus is one implementation, tests bring another.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/values.hpp"

namespace gpuctl::cli {

/// A call that failed: `name` is the error name as on the bus ("org.gpuctl1.Error.Busy"), what() its
/// sentence.
class Failure : public std::runtime_error {
 public:
  Failure(std::string name, const std::string& message)
      : std::runtime_error(message), name_(std::move(name)) {}
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

/// What a pause of Client::wait() ended with.
enum class Wake { changed, interrupted, daemon_gone };

/// Every string that comes back is free of control characters: the public functions see to it, so that no
/// implementation and no command can forget. All of them throw Failure.
class Client {
 public:
  virtual ~Client() = default;

  Objects objects();
  Operation operation(const std::string& path);
  /// Path of the operation that has been started.
  std::string attach(const std::string& gpu, const std::string& vm, const RequestOptions& options);
  std::string release(const std::string& gpu, const RequestOptions& options);
  void cancel(const std::string& operation_path) { do_cancel(operation_path); }
  std::vector<Problem> check(const std::string& gpu, const std::string& vm, const RequestOptions& options);
  std::vector<Step> plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                         const RequestOptions& options);
  std::vector<Problem> diagnose();
  std::vector<User> users(const std::string& gpu);
  std::vector<Vm> vms();

  /// From now on wait() returns `changed` after any signal of `path` or what is below it.
  void listen(const std::string& path) { do_listen(path); }
  /// Sleeps until such a signal, the end of the daemon, or something to read on `interrupt_fd` (-1 =
  /// nothing).
  Wake wait(int interrupt_fd) { return do_wait(interrupt_fd); }

 private:
  virtual Objects do_objects() = 0;
  virtual Operation do_operation(const std::string& path) = 0;
  virtual std::string do_attach(const std::string& gpu, const std::string& vm,
                                const RequestOptions& options) = 0;
  virtual std::string do_release(const std::string& gpu, const RequestOptions& options) = 0;
  virtual void do_cancel(const std::string& operation_path) = 0;
  virtual std::vector<Problem> do_check(const std::string& gpu, const std::string& vm,
                                        const RequestOptions& options) = 0;
  virtual std::vector<Step> do_plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                                    const RequestOptions& options) = 0;
  virtual std::vector<Problem> do_diagnose() = 0;
  virtual std::vector<User> do_users(const std::string& gpu) = 0;
  virtual std::vector<Vm> do_vms() = 0;
  virtual void do_listen(const std::string& path) = 0;
  virtual Wake do_wait(int interrupt_fd) = 0;
};

}  // namespace gpuctl::cli
