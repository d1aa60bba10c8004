// SPDX-License-Identifier: GPL-2.0-or-later
#include "faults.hpp"

#include <fnmatch.h>

#include <cctype>
#include <cstring>

namespace fakesys {

namespace {
bool matches(const Fault& fault, const std::string& path) {
  return fnmatch(fault.pattern.c_str(), path.c_str(), 0) == 0;
}
}  // namespace

bool Faults::clear(const std::string& pattern) {
  return faults_.remove_if([&](const Fault& fault) { return fault.pattern == pattern; }) > 0;
}

const Fault* Faults::take(const std::string& path) {
  for (auto& fault : faults_) {
    if (!matches(fault, path) || fault.count == 0) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.count > 0) --fault.count;
    return &fault;
  }
  return nullptr;
}

bool Faults::blocks(const std::string& path) const {
  for (const auto& fault : faults_)
    if (fault.kind == Fault::Kind::block && matches(fault, path)) return true;
  return false;
}

int errno_of(const std::string& name) {
  if (!name.empty() && std::isdigit(static_cast<unsigned char>(name[0]))) return std::stoi(name);
  for (int code = 1; code < 134; ++code)
    if (const char* known = strerrorname_np(code); known && name == known) return code;
  return 0;
}

}  // namespace fakesys
