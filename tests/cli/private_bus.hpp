// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

namespace gpuctl::test {

/// A child process that ends with its parent, and at the latest with this object.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_;
};

/// A dbus-daemon of our own, which is the system bus for this process and its children.
class PrivateBus {
 public:
  PrivateBus();
  ~PrivateBus();
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;

 private:
  std::string directory_;
  std::unique_ptr<Child> daemon_;
};

}  // namespace gpuctl::test
