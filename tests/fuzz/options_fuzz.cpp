// SPDX-License-Identifier: GPL-2.0-or-later
// What the bus hands to a method: options of any type and any texts.
#include <array>
#include <cstdlib>

#include <sdbus-c++/sdbus-c++.h>

#include "bus/wire.hpp"
#include "core/error.hpp"
#include "fuzz/bytes.hpp"
#include "fuzz/fuzz.hpp"

using namespace gpuctl;
using fuzz::Bytes;

namespace {

constexpr std::array<std::string_view, 7> names{"interactive", "force", "live", "start", "keep", "x", ""};

/// As a bus would let it through: valid UTF-8 without NUL.
std::string bus_text(Bytes& bytes) {
  auto text = wire::utf8(bytes.text());
  std::erase(text, '\0');
  return text;
}

sdbus::Variant variant(Bytes& bytes, int depth) {
  switch (bytes.next() % 8) {
    case 0:
    case 1:
      return sdbus::Variant{bytes.next() % 2 == 0};
    case 2:
      return sdbus::Variant{bus_text(bytes)};
    case 3:
      return sdbus::Variant{static_cast<std::uint32_t>(bytes.next())};
    case 4:
      return sdbus::Variant{std::vector<std::string>(bytes.next() % 5, bus_text(bytes))};
    case 5:
      return sdbus::Variant{static_cast<double>(bytes.next())};
    case 6:
      return depth > 8 ? sdbus::Variant{true} : sdbus::Variant{variant(bytes, depth + 1)};
    default:
      return sdbus::Variant{wire::Dict{{bus_text(bytes), sdbus::Variant{true}}}};
  }
}

void check(Bytes bytes) {
  wire::Dict dict;
  while (!bytes.empty()) {
    const auto which = bytes.next();
    dict[which < 250 ? std::string{names[which % names.size()]} : bus_text(bytes)] = variant(bytes, 0);
    if (dict.size() > 12) break;
  }
  const auto gpu = bus_text(bytes);
  const auto read = wire::options(dict, {"interactive", "force", "live", "start", "keep"});
  (void)wire::request(Verb::attach, gpu, gpu, read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto clean = wire::utf8(std::string(data, data + size));
  if (wire::utf8(clean) != clean) std::abort();
  try {
    check(Bytes{data, size});
  } catch (const Error& error) {  // refused, by a sentence that can go on the bus as it is
    (void)wire::error(error);
    if (wire::utf8(error.what()) != error.what()) std::abort();
  } catch (const sdbus::Error& error) {
    if (error.getMessage().empty()) std::abort();
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {std::string("\0\0\1\1\0\0\2\1\1", 9), std::string("\1\2\5hello\3\4\2\3abc", 15),
          std::string("\0\6\6\6\0\1\4\7\3key\6\5", 13)};
}
