// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/shell_word.hpp"

#include <doctest/doctest.h>

using namespace gpuctl;

TEST_CASE("a plain name stays as it is; what a shell would take apart is quoted") {
  CHECK(shell_word("win11") == "win11");
  CHECK(shell_word("debian-12_a.b+c") == "debian-12_a.b+c");
  CHECK(shell_word("my vm") == "\"my vm\"");
  CHECK(shell_word("it's; reboot") == "\"it's; reboot\"");
  CHECK(shell_word("a $(reboot)") == "'a $(reboot)'");
  CHECK(shell_word("it's $5") == R"('it'\''s $5')");
  CHECK(shell_word("") == "\"\"");
}
