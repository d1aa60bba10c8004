// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/quoted.hpp"

#include <doctest/doctest.h>

using gpuctl::quoted;

TEST_CASE("printable text, in any language, is quoted as it is") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("RTX 3050") == "\"RTX 3050\"");
  CHECK(quoted("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

TEST_CASE("control characters and bytes that are no UTF-8 are shown by their code") {
  CHECK(quoted("a\n\t\x1b\x7f") == "\"a\\x0a\\x09\\x1b\\x7f\"");
  CHECK(quoted("\xc2\x9b") == "\"\\xc2\\x9b\"");           // a C1 control starts an escape sequence too
  CHECK(quoted("\xff\xc3") == "\"\\xff\\xc3\"");           // no start byte; cut off
  CHECK(quoted("\xc0\xaf") == "\"\\xc0\\xaf\"");           // overlong
  CHECK(quoted("\xed\xa0\x80") == "\"\\xed\\xa0\\x80\"");  // surrogate
}

TEST_CASE("the middle of long text is left out") {
  CHECK(quoted("0123456789", 4) == "\"01...89\"");
  CHECK(quoted(std::string(1 << 20, 'x')).size() == 64 + 5);
}
