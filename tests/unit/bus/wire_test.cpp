// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/wire.hpp"

#include <optional>

#include <doctest/doctest.h>

using namespace gpuctl;

namespace {

ErrorCode refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("options are booleans with known names") {
  const auto options = wire::options({{"live", sdbus::Variant{true}}, {"interactive", sdbus::Variant{false}}},
                                     {"live", "interactive"});
  CHECK(options.live);
  CHECK_FALSE(options.interactive);
  CHECK_FALSE(options.force);
}

TEST_CASE("an unknown option is refused by name") {
  try {
    wire::options({{"turbo", sdbus::Variant{true}}}, {"live"});
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::invalid_argument);
    CHECK(std::string_view{e.what()}.find("turbo") != std::string_view::npos);
  }
}

TEST_CASE("an option of the wrong type is refused, and so is a hostile name") {
  CHECK(refusal([] {
          wire::options({{"live", sdbus::Variant{std::string{"yes"}}}}, {"live"});
        }) == ErrorCode::invalid_argument);
  CHECK(refusal([] {
          wire::options({{"\x1b[31m", sdbus::Variant{true}}}, {"live"});
        }) == ErrorCode::invalid_argument);
  CHECK(refusal([] {
          wire::options({{std::string(100'000, 'x'), sdbus::Variant{true}}}, {"live"});
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("arguments with control characters or of monstrous length are refused") {
  for (const std::string& text : {std::string(257, 'a'), std::string(1'000'000, 'a'), std::string{"a\nb"},
                                  std::string{"\x1b]0;x\x07"}, std::string{"a\x7f"}, std::string("a\0b", 3)})
    CHECK(refusal([&] { wire::request(Verb::attach, {}, text, {}); }) == ErrorCode::invalid_argument);
  CHECK(wire::request(Verb::attach, "01:00", "Windows 11 – Spiele", {}).vm == "Windows 11 – Spiele");
}

TEST_CASE("what is about a VM needs one, and a release takes none") {
  const auto code = [](Verb verb, const char* vm, const wire::Options& options) -> std::optional<ErrorCode> {
    try {
      wire::request(verb, "01:00", vm, options);
      return std::nullopt;
    } catch (const Error& e) {
      return e.code();
    }
  };
  CHECK(code(Verb::attach, "", {.start = true}) == ErrorCode::invalid_argument);
  CHECK(code(Verb::attach, "", {.live = true}) == ErrorCode::invalid_argument);
  CHECK_FALSE(code(Verb::attach, "win11", {.live = true, .start = true}));
  CHECK_FALSE(code(Verb::release, "", {.live = true}));
  CHECK(code(Verb::release, "win11", {}) == ErrorCode::invalid_argument);
}

TEST_CASE("text that is not UTF-8 never reaches the bus") {
  CHECK(wire::utf8("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
  CHECK(wire::utf8("a\xff"
                   "b") == "a?b");
  CHECK(wire::utf8("\xc3") == "?");
  CHECK(wire::utf8("\xed\xa0\x80").find("\xed\xa0\x80") == std::string::npos);  // a surrogate
  CHECK(wire::utf8("\xc0\x80") == "??");
  for (const auto* noncharacter : {"\xef\xbf\xbe", "\xef\xbf\xbf", "\xef\xb7\x90", "\xef\xb7\xaf"})
    CHECK(wire::utf8(noncharacter) == "???");
  CHECK(wire::utf8("\xf2\xbf\xbf\xbf") == "????");
  for (const auto* character : {"\xef\xbf\xbd", "\xef\xb7\x8f", "\xf2\xbf\xbf\xbd"})
    CHECK(wire::utf8(character) == character);
  CHECK(wire::utf8("\xe0\x80\x80").find('\0') == std::string::npos);
}

TEST_CASE("object paths are those of the contract") {
  CHECK(wire::gpu_path({0, 1, 0}) == "/org/gpuctl1/gpus/0000_01_00");
  CHECK(wire::gpu_path({0x10000, 0xe1, 0x1f}) == "/org/gpuctl1/gpus/10000_e1_1f");
  CHECK(wire::group_path(15) == "/org/gpuctl1/groups/15");
  CHECK(wire::operation_path(7) == "/org/gpuctl1/operations/7");
}
