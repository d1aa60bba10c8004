// SPDX-License-Identifier: GPL-2.0-or-later
// Writes, their faults and their record; what happens to the machine from outside.
#include "kernel.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <iterator>

namespace fakesys {

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\n") - first + 1));
}

Kernel::Kernel(MachineSpec machine, UeventSink uevent)
    : machine_(std::move(machine)), uevent_(std::move(uevent)) {
  Lock lock(mutex_);
  restart(lock);
}

void Kernel::restart(Lock& lock) {
  faults_.clear();
  hanging_removes_.clear();
  probe_errors_.clear();
  owned_groups_.clear();
  changed_.notify_all();
  changed_.wait(lock, [&] {
    for (const auto& [address, f] : functions_)
      if (f.removing) return false;
    return true;
  });
  tree_ = NodeTree();
  functions_.clear();
  drivers_.clear();
  loaded_.clear();
  unplugged_.clear();
  record_.clear();
  show_statics();
  for (const auto& spec : machine_.functions) add_function(spec, lock, false);
  show_groups();
}

namespace {
/// The PCI address a write is about: of the device's directory, else the text.
std::string address_in(const std::string& path, std::string_view text) {
  const auto parts = components(path);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (part->size() >= 12 && part->find('.') == part->size() - 2) return *part;
  return trimmed(text);
}
}  // namespace

int Kernel::write(const std::string& path, std::string_view text, pid_t pid, Lock& lock) {
  const auto* node = tree_.find(path);
  if (!node) return -ENODEV;
  if (!node->write) return -EIO;
  const auto handler = node->write;
  int result = 0, late = 0;
  const auto name = path.substr(1);
  if (const auto* fault = faults_.take(name)) {
    switch (fault->kind) {
      case Fault::Kind::error:
        result = -fault->code;
        break;
      case Fault::Kind::late_error:
        late = -fault->code;
        break;
      case Fault::Kind::block:
        ++held_;
        changed_.wait(lock, [&] { return !faults_.blocks(name); });
        --held_;
        break;
      case Fault::Kind::delay:
        changed_.wait_for(lock, std::chrono::milliseconds(fault->code), [] { return false; });
        break;
      case Fault::Kind::vanish:
        remove_function(address_in(path, text), lock);
        break;
      case Fault::Kind::short_write:
        record_.push_back({name, std::string(text), static_cast<int>(text.size() / 2), pid});
        return static_cast<int>(text.size() / 2);
    }
  }
  if (result == 0) result = tree_.exists(path) ? handler(text, lock) : -ENODEV;
  if (result == 0) result = late;
  record_.push_back({name, std::string(text), result, pid});
  return result == 0 ? static_cast<int>(text.size()) : result;
}

std::string Kernel::read(const std::string& path, const Node& node) const {
  const auto parts = components(path);
  if (parts.empty()) return node.content;
  const auto f = parts.size() > 1 ? functions_.find(parts[parts.size() - 2]) : functions_.end();
  if (f == functions_.end()) return node.content;
  if (parts.back() == "config" && !f->second.present) return std::string(256, '\xff');
  return node.content;
}

void Kernel::unplug(const std::string& address, Lock& lock) {
  remove_function(address, lock);
  unplugged_.insert(address);
}

void Kernel::plug(const std::string& address, Lock& lock) {
  unplugged_.erase(address);
  for (const auto& spec : machine_.functions)
    if (spec.address == address && !functions_.contains(address)) add_function(spec, lock, true);
  show_groups();
}

void Kernel::set_present(const std::string& address, bool present) {
  if (auto* f = function(address)) f->present = present;
}

void Kernel::set_group_owned(int group, bool owned) {
  if (owned) {
    owned_groups_.insert(group);
  } else {
    owned_groups_.erase(group);
  }
  changed_.notify_all();
}

void Kernel::set_probe_error(const std::string& driver, const std::string& address, int code) {
  if (code == 0) {
    probe_errors_.erase({driver, address});
  } else {
    probe_errors_[{driver, address}] = code;
  }
}

void Kernel::set_hanging_remove(const std::string& driver, bool hangs) {
  if (hangs) {
    hanging_removes_.insert(driver);
  } else {
    hanging_removes_.erase(driver);
  }
  changed_.notify_all();
}

}  // namespace fakesys
