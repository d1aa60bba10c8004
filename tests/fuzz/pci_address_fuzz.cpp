// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>

#include "core/pci_address.hpp"
#include "core/quoted.hpp"
#include "fuzz/fuzz.hpp"

using namespace gpuctl;

namespace {

/// What is accepted comes back the same from its own text.
template <class Parsed>
void check(const std::string& text) {
  if (const auto value = Parsed::parse(text); value && Parsed::parse(value->str()) != value) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  check<PciAddress>(text);
  check<PciSlot>(text);
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {"0000:01:00.0", "01:00", "0000:01:00", "00010000:ff:1f.7", "ffffffff:00:00.0"};
}
