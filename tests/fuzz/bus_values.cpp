// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/bus_values.hpp"

#include <array>
#include <bit>
#include <cstdlib>
#include <string>

#include "bus/wire.hpp"

namespace fuzz {
namespace {

constexpr std::array texts{
    "",
    "0000:01:00.0",
    "01:00",
    "0000:00:02.0",
    "10de:25a0",
    "vm",
    "attach",
    "release",
    "host",
    "last",
    "clear",
    "nobody",
    "0000:01:00.9",
    "ffffffff:ff:1f.7",
    "org.gpuctl1.Gpu",
    "org.gpuctl1.Manager",
    "State",
    "Busy",
    "<domain type=\"kvm\"><name>a</name><uuid>9f3c2b54-0d2e-4a7c-9a53-0b1c8c5b0c11</uuid></domain>",
    "\x1b[31m"};
constexpr std::array keys{"interactive",   "force",   "live",    "start",       "keep",
                          "reset",         "rescan",  "verb",    "gpu",         "rom",
                          "looking-glass", "battery", "dry-run", "passthrough", "drop-vfio-ids",
                          "migrate",       ""};
constexpr std::array paths{"/", "/org/gpuctl1", "/org/gpuctl1/gpus/0000_01_00", "/org/gpuctl1/operations/1"};
constexpr std::array<std::string_view, 22> signatures{
    "y", "b", "n",  "q",  "i",     "u",    "x",   "t",     "d",  "s",     "o",
    "g", "v", "as", "ay", "a{sv}", "(ss)", "aas", "a(sv)", "av", "a{ss}", "ssa{sv}"};
constexpr int deepest = 5;

void require(int result) {
  if (result < 0) std::abort();
}

std::size_t length_of_first(std::string_view types) {
  const auto opening = types[0];
  if (opening == 'a') return 1 + length_of_first(types.substr(1));
  if (opening != '(' && opening != '{') return 1;
  std::size_t at = 1;
  while (types[at] != ')' && types[at] != '}') at += length_of_first(types.substr(at));
  return at + 1;
}

/// As a bus would let it through: valid UTF-8 without NUL.
std::string bus_text(Bytes& bytes) {
  auto text = gpuctl::wire::utf8(bytes.text());
  std::erase(text, '\0');
  return text;
}

std::string some_text(Bytes& bytes) {
  const auto choice = bytes.next();
  if (choice == 255) return std::string(1000, 'x');
  return choice < 200 ? texts[choice % texts.size()] : bus_text(bytes);
}

std::uint64_t some_number(Bytes& bytes) {
  const auto choice = bytes.next();
  return choice < 128   ? choice
         : choice < 192 ? ~std::uint64_t{0}
                        : std::uint64_t{bytes.next()} << (choice % 64U);
}

void append_text(sd_bus_message* message, char type, Bytes& bytes) {
  const auto text = type == 'o'   ? std::string{paths[bytes.below(paths.size())]}
                    : type == 'g' ? std::string{signatures[bytes.below(signatures.size())]}
                                  : some_text(bytes);
  require(sd_bus_message_append_basic(message, type, text.c_str()));
}

void append_number(sd_bus_message* message, char type, Bytes& bytes) {
  static_assert(std::endian::native ==
                std::endian::little);  // the value's first bytes are those of any smaller type
  const auto value = some_number(bytes);
  const int truth = static_cast<int>(value & 1U);
  require(
      sd_bus_message_append_basic(message, type, type == 'b' ? static_cast<const void*>(&truth) : &value));
}

class Appending {
 public:
  Appending(sd_bus_message* message, Bytes& bytes) : message_(message), bytes_(bytes) {}

  void all(std::string_view types, int depth) {
    while (!types.empty()) {
      const auto length = length_of_first(types);
      one(types.substr(0, length), depth);
      types.remove_prefix(length);
    }
  }

 private:
  void one(std::string_view type, int depth) {
    switch (type[0]) {
      case 'a':
        return array(type.substr(1), depth);
      case 'v':
        return variant(depth);
      case '(':
        return inside('r', type.substr(1, type.size() - 2), [&](auto types) { all(types, depth + 1); });
      case 's':
      case 'o':
      case 'g':
        return append_text(message_, type[0], bytes_);
      default:
        append_number(message_, type[0], bytes_);
    }
  }

  template <class Fill>
  void inside(char kind, std::string_view contents, Fill fill) {
    require(sd_bus_message_open_container(message_, kind, std::string{contents}.c_str()));
    fill(contents);
    require(sd_bus_message_close_container(message_));
  }

  void array(std::string_view element, int depth) {
    const auto count = depth > deepest ? 0 : bytes_.below(4);
    inside('a', element, [&](auto) {
      for (std::size_t i = 0; i < count; ++i)
        element[0] == '{' ? entry(element.substr(1, element.size() - 2), depth) : one(element, depth + 1);
    });
  }

  void entry(std::string_view types, int depth) {
    inside('e', types, [&](auto) {
      const auto choice = bytes_.next();
      const auto key = choice < 240 ? std::string{keys[choice % keys.size()]} : bus_text(bytes_);
      require(sd_bus_message_append_basic(message_, 's', key.c_str()));
      all(types.substr(1), depth + 1);
    });
  }

  void variant(int depth) {
    const auto choice = bytes_.next();
    const auto type = choice < 100 || depth > deepest ? "b"
                      : choice < 160                  ? "s"
                                                      : signatures[choice % (signatures.size() - 1)];
    inside('v', type, [&](auto types) { one(types, depth + 1); });
  }

  sd_bus_message* message_;
  Bytes& bytes_;
};

}  // namespace

void append_values(sd_bus_message* message, std::string_view signature, Bytes& bytes) {
  Appending{message, bytes}.all(signature, 0);
}

std::string_view any_signature(Bytes& bytes) { return signatures[bytes.below(signatures.size())]; }

}  // namespace fuzz
