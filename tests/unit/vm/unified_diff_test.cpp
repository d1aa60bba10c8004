// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/unified_diff.hpp"

#include <doctest/doctest.h>

#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("equal texts have no difference") {
  CHECK(unified_diff("a\nb\n", "a\nb\n", "vm").empty());
  CHECK(unified_diff("", "", "vm").empty());
}

TEST_CASE("a change is shown with three lines around it and its place on either side") {
  CHECK(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nfive\n6\n7\n8\n", "vm") ==
        "--- vm (now)\n+++ vm (changed)\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST_CASE("changes far apart are hunks of their own, and the second counts the lines the first added") {
  std::string before, after;
  for (int i = 1; i <= 30; ++i) {
    before += std::to_string(i) + "\n";
    after += std::to_string(i) + (i == 2 ? "\nnew\n" : "\n");
  }
  after.resize(after.size() - 3);  // "30\n"
  const auto diff = unified_diff(before, after, "vm");
  CHECK(contains(diff, "@@ -1,5 +1,6 @@\n 1\n 2\n+new\n 3\n 4\n 5\n"));
  CHECK(contains(diff, "@@ -27,4 +28,3 @@\n 27\n 28\n 29\n-30\n"));
}

TEST_CASE("everything new and everything gone") {
  CHECK(unified_diff("", "a\n", "vm") == "--- vm (now)\n+++ vm (changed)\n@@ -0,0 +1,1 @@\n+a\n");
  CHECK(unified_diff("a\n", "", "vm") == "--- vm (now)\n+++ vm (changed)\n@@ -1,1 +0,0 @@\n-a\n");
}

TEST_CASE("texts with tens of thousands of differences are still told apart in bounded time") {
  std::string before, after;
  for (int i = 0; i < 30000; ++i) {
    before += "a" + std::to_string(i) + "\n";
    after += "b" + std::to_string(i) + "\n";
  }
  CHECK(count(unified_diff(before, after, "vm"), "\n-a") == 30000);
}
