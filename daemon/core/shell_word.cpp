// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/shell_word.hpp"

#include "core/quoted.hpp"

namespace gpuctl {
namespace {

constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
constexpr std::string_view special_in_double_quotes = "\"$`\\!";

std::string in_single_quotes(const std::string& text) {
  std::string word = "'";
  for (const char c : text)
    if (c == '\'')
      word += R"('\'')";
    else
      word += c;
  return word + "'";
}

}  // namespace

std::string shell_word(std::string_view text) {
  const auto shown = escaped(text);
  if (!shown.empty() && shown.find_first_not_of(plain) == std::string::npos) return shown;
  if (shown.find_first_of(special_in_double_quotes) == std::string::npos) return '"' + shown + '"';
  return in_single_quotes(shown);
}

}  // namespace gpuctl
