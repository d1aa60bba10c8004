// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/error.hpp"
#include "fuzz/fuzz.hpp"
#include "vm/domain_demand.hpp"
#include "vm/domain_facts.hpp"
#include "vm/domain_xml.hpp"
#include "vm/unified_diff.hpp"

using namespace gpuctl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) try {
  const std::string xml(data, data + size);
  const auto document = parse_domain(xml);
  if (to_text(parse_domain(to_text(document))) != to_text(document)) std::abort();
  (void)domain_facts(xml);
  (void)domain_demand(xml, Snapshot{});
  (void)free_hotplug_ports(xml);
  (void)shares_guest_slot(xml, PciAddress{0, 1, 0, 0});
  return 0;
} catch (const Error&) {
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  std::vector<std::string> found;
  for (const auto& file : std::filesystem::directory_iterator{std::filesystem::path{TEST_DATA} / "domains"}) {
    std::ifstream in{file.path(), std::ios::binary};
    found.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
  }
  return found;
}
