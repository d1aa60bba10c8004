// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/looking_glass_entry.hpp"

#include <doctest/doctest.h>

#include "vm/looking_glass.hpp"

using namespace gpuctl;

namespace {

const std::string alices = "f /dev/shm/looking-glass 0660 alice kvm -\n";
const std::string others = "# mine\n\nd /run/mine 0755 root root -\nz /dev/shm/looking-glass 0660 - kvm -\n";

}  // namespace

TEST_CASE("the entry is the line that makes the file, not one that only names it") {
  CHECK(looking_glass_entry(others).empty());
  CHECK(looking_glass_entry("f /dev/shm/looking-glass2 0660 alice kvm -\n# " + alices).empty());
  CHECK(looking_glass_entry(others + alices) + "\n" == alices);
  CHECK(looking_glass_entry("F!+\t/dev/shm/looking-glass") == "F!+\t/dev/shm/looking-glass");
}

TEST_CASE("the entry takes the place of the former ones, and all other lines stay") {
  const auto own = looking_glass_tmpfiles(1000);
  CHECK(with_looking_glass_entry("", 1000) == own);
  CHECK(with_looking_glass_entry(others, 1000) == others + own);
  CHECK(with_looking_glass_entry(alices + others + alices, 1000) == own + others);
  CHECK(with_looking_glass_entry(own + others, 1000) == own + others);
}

TEST_CASE("root keeps the entry that is there, and makes one where none is") {
  CHECK(with_looking_glass_entry(others + alices, 0) == others + alices);
  CHECK(with_looking_glass_entry(others, 0) == others + looking_glass_tmpfiles(0));
}
