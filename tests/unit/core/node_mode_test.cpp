// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/node_mode.hpp"

#include <doctest/doctest.h>

#include "core/step.hpp"

using namespace gpuctl;

TEST_CASE("device files and their modes survive being a step's text") {
  const NodeModes nodes{{"/dev/nvidia0", 195, 0, 0666}, {"/dev/dri/card1", 226, 1, 0660}};
  CHECK(to_string(nodes) == "/dev/nvidia0 195:0 0666, /dev/dri/card1 226:1 0660");
  CHECK(node_modes(to_string(nodes)) == nodes);
  CHECK(node_modes("").empty());
}

TEST_CASE("what is no device file with a mode is left out, the rest is read") {
  const NodeModes one{{"/dev/nvidia0", 195, 0, 0666}};
  for (const auto* text :
       {"/dev/nvidia0 195:0 0666, /dev/x", "/dev/nvidia0 195:0 0666,",
        "/dev/x 1:2 99999999, /dev/nvidia0 195:0 0666", "/dev/x 1-2 0666, /dev/nvidia0 195:0 0666",
        "/dev/x 1:2 0666 more, /dev/nvidia0 195:0 0666"})
    CHECK(node_modes(text) == one);
}

TEST_CASE("a person reads which files are closed, not their numbers; opening them takes closing back") {
  const Step close{StepKind::close_nodes, "0000:01:00.0", "",
                   "/dev/nvidia0 195:0 0666, /dev/dri/card1 226:1 0660"};
  CHECK(close.detail() == "/dev/nvidia0, /dev/dri/card1");
  const Step many{StepKind::close_nodes, "0000:01:00.0", "",
                  "/dev/a 1:1 0600, /dev/b 1:2 0600, /dev/c 1:3 0600, /dev/d 1:4 0600"};
  CHECK(many.detail() == "/dev/a, /dev/b, /dev/c and 1 more");
  const Step open{StepKind::open_nodes, "0000:01:00.0", "", close.to};
  CHECK(inverse(close) == open);
  CHECK_FALSE(inverse(open));
}
