// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/console.hpp"

#include <utility>

namespace gpuctl::cli {
namespace {

std::string_view code(Colour colour) {
  switch (colour) {
    case Colour::red:
      return "\x1b[31m";
    case Colour::green:
      return "\x1b[32m";
    case Colour::yellow:
      return "\x1b[33m";
    case Colour::dim:
      return "\x1b[2m";
    case Colour::bold:
      return "\x1b[1m";
    case Colour::none:
      break;
  }
  return {};
}

}  // namespace

Console::Console(Format format, bool colour, std::size_t width, Sink out, Sink err, bool can_erase)
    : format_(format),
      colour_(colour),
      width_(width),
      out_(std::move(out)),
      err_(std::move(err)),
      can_erase_(can_erase) {}

std::string Console::paint(Colour colour, std::string_view text) const {
  if (!colour_ || colour == Colour::none) return std::string{text};
  return std::string{code(colour)}.append(text).append("\x1b[0m");
}

void Console::complain(std::string_view sentence, std::string_view remedy) const {
  auto text = std::string{"gpuctl: "}.append(sentence) + "\n";
  if (!remedy.empty()) text.append(remedy) += "\n";
  err_(text);
}

Colour severity_colour(std::string_view severity) {
  if (severity == "blocker") return Colour::red;
  if (severity == "warning") return Colour::yellow;
  return severity == "ok" ? Colour::green : Colour::none;
}

Colour gpu_state_colour(std::string_view state) {
  if (state == "host") return Colour::green;
  if (state == "stuck" || state == "mixed") return Colour::red;
  return Colour::yellow;
}

Colour step_state_colour(std::string_view state) {
  if (state == "done") return Colour::green;
  if (state == "failed") return Colour::red;
  return state == "undone" ? Colour::yellow : Colour::none;
}

Colour operation_state_colour(std::string_view state) {
  if (state == "succeeded") return Colour::green;
  return state == "running" ? Colour::yellow : Colour::red;
}

}  // namespace gpuctl::cli
