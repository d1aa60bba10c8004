// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "core/pci_address.hpp"

namespace gpuctl::test {

inline constexpr std::array domain_files{"windows11", "linux", "hand-made", "two-gpus", "stale-hostdev"};

/// tests/domains/NAME.xml
inline std::string domain_file(const std::string& name) {
  std::ifstream in{std::filesystem::path{TEST_DATA} / "domains" / (name + ".xml")};
  if (!in) throw std::runtime_error("no domain file " + name);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

inline PciAddress pci(const char* text) { return PciAddress::parse(text).value(); }

/// A domain definition around `devices`, in libvirt's own layout.
inline std::string q35(const std::string& devices, const std::string& machine = "q35") {
  return "<domain type='kvm'>\n  <name>vm</name>\n  <uuid>11111111-2222-3333-4444-555555555555</uuid>\n"
         "  <memory unit='KiB'>65536</memory>\n  <os>\n    <type arch='x86_64' machine='" +
         machine + "'>hvm</type>\n  </os>\n  <devices>\n" + devices + "  </devices>\n</domain>\n";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

}  // namespace gpuctl::test
