// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "host/boot_files.hpp"
#include "host/shell_file.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

/// Pieces [first, last) of an assignment.
struct Word {
  std::size_t first{}, last{};
};

/// To be put in place of [begin, end) of the file.
struct Splice {
  std::size_t begin{}, end{};
  std::string text;
};

bool is_white(const ShellPiece& piece) {
  return piece.kind == ShellPiece::Kind::character &&
         (piece.text == " " || piece.text == "\t" || piece.text == "\n");
}

/// As the kernel splits them: white space that is not between double quotes.
std::vector<Word> words_of(const ShellAssignment& assignment) {
  std::vector<Word> found;
  bool quoted = false, inside = false;
  for (std::size_t i = 0; i < assignment.pieces.size(); ++i) {
    const auto& piece = assignment.pieces[i];
    if (piece.kind == ShellPiece::Kind::character && piece.text == "\"") quoted = !quoted;
    const bool separates = is_white(piece) && !quoted;
    if (!separates && !inside) found.push_back({i, i});
    if (!separates) found.back().last = i + 1;
    inside = !separates;
  }
  return found;
}

/// Its text; nothing where that depends on an expansion.
std::optional<std::string> text_of(const ShellAssignment& assignment, const Word& word) {
  std::string text;
  for (auto i = word.first; i < word.last; ++i) {
    if (assignment.pieces[i].kind != ShellPiece::Kind::character) return std::nullopt;
    text += assignment.pieces[i].text;
  }
  return text;
}

bool is_among(const std::vector<std::string>& all, const std::optional<std::string>& one) {
  return one && std::ranges::find(all, *one) != all.end();
}

/// Each piece by itself, so that quotes and continued lines between them stay as they are.
void erase(std::vector<Splice>& splices, const ShellAssignment& assignment, std::size_t first,
           std::size_t last) {
  for (auto i = first; i < last; ++i)
    splices.push_back({assignment.pieces[i].begin, assignment.pieces[i].end, ""});
}

/// Each word goes with the white space before it, the first ones with that behind: what stands at both ends
/// stays.
void remove_words(std::vector<Splice>& splices, const ShellAssignment& assignment,
                  const std::vector<std::string>& remove) {
  const auto all = words_of(assignment);
  bool kept = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_among(remove, text_of(assignment, all[i])))
      kept = true;
    else if (kept)
      erase(splices, assignment, all[i - 1].last, all[i].last);
    else
      erase(splices, assignment, all[i].first, i + 1 < all.size() ? all[i + 1].first : all[i].last);
  }
}

std::string escaped(const std::string& text, char quote) {
  std::string safe;
  for (const char c : text)
    if (quote == '\'' && c == '\'')
      safe += "'\\''";
    else if (quote == '"' && std::string_view("\"\\$`").find(c) != std::string_view::npos)
      safe += {'\\', c};
    else
      safe += c;
  return safe;
}

std::string between_quotes(const std::string& text) { return '"' + escaped(text, '"') + '"'; }

/// In a value without words: NAME=, NAME="", NAME+=" ".
Splice first_words(const std::string& file, const ShellAssignment& assignment, const std::string& added) {
  const auto text = assignment.appends && assignment.pieces.empty() ? " " + added : added;
  const auto source = file.substr(assignment.begin, assignment.end - assignment.begin);
  if (!source.ends_with('"') && !source.ends_with('\''))
    return {assignment.end, assignment.end, between_quotes(text)};
  return {assignment.end - 1, assignment.end - 1, escaped(text, source.back())};
}

/// Behind the last word, within its quotes; NAME=word gets some.
void add_words(std::vector<Splice>& splices, const std::string& file, const ShellAssignment& assignment,
               const std::string& added) {
  const auto all = words_of(assignment);
  if (all.empty()) return splices.push_back(first_words(file, assignment, added));
  const auto& last = assignment.pieces[all.back().last - 1];
  const auto source = file.substr(assignment.begin, assignment.end - assignment.begin);
  if (source.find_first_of("\"'\\") == std::string::npos) {
    splices.push_back({assignment.begin, assignment.begin, "\""});
    splices.push_back({assignment.end, assignment.end, escaped(" " + added, '"') + "\""});
  } else {
    const auto text = " " + added;
    splices.push_back(
        {last.end, last.end, last.quote == '\0' ? between_quotes(text) : escaped(text, last.quote)});
  }
}

std::string spliced(std::string file, std::vector<Splice> splices) {
  std::ranges::stable_sort(splices, std::greater<>{}, &Splice::begin);
  for (const auto& splice : splices) file.replace(splice.begin, splice.end - splice.begin, splice.text);
  return file;
}

std::string with_line(const std::string& file, const std::string& line) {
  return fmt::format("{}{}{}\n", file, file.empty() || file.ends_with('\n') ? "" : "\n", line);
}

std::string without_words(const std::string& file, std::string_view variable,
                          const std::vector<std::string>& remove) {
  std::vector<Splice> splices;
  for (const auto& assignment : read_shell_file(file).assignments)
    if (assignment.name == variable) remove_words(splices, assignment, remove);
  return spliced(file, std::move(splices));
}

std::vector<std::string> missing(const ShellAssignment& assignment, std::vector<std::string> wanted) {
  for (const auto& word : words_of(assignment))
    std::erase_if(wanted, [text = text_of(assignment, word)](const auto& w) { return text == w; });
  return wanted;
}

bool is_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool has_name(const std::string& line, std::string_view name) {
  const auto text = " " + line + " ";
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
    if (!is_of_name(text[at - 1]) && !is_of_name(text[at + name.size()])) return true;
  return false;
}

/// Outside of comments, in whatever way.
bool mentions(const std::string& file, std::string_view name) {
  const auto all = lines(file);
  return std::ranges::any_of(
      all, [&](const auto& line) { return !trimmed(line).starts_with('#') && has_name(line, name); });
}

/// Adds to what the variable holds by then, whatever gives it that.
std::string with_more(const std::string& file, std::string_view variable, const std::string& added) {
  return with_line(file, fmt::format("{0}=\"${0} {1}\"", variable, escaped(added, '"')));
}

std::string with_added(const std::string& file, std::string_view variable,
                       const std::vector<std::string>& add) {
  const auto all = read_shell_file(file).assignments;
  const auto found =
      std::find_if(all.rbegin(), all.rend(), [&](const auto& a) { return a.name == variable; });
  if (found == all.rend() && mentions(file, variable)) return with_more(file, variable, joined(add));
  if (found == all.rend())
    return with_line(file, fmt::format("{}={}", variable, between_quotes(joined(add))));
  const auto added = joined(missing(*found, add));
  if (added.empty()) return file;
  if (found->conditional) return with_more(file, variable, added);
  std::vector<Splice> splices;
  add_words(splices, file, *found, added);
  return spliced(file, std::move(splices));
}

}  // namespace

std::string with_shell_words(const std::string& text, std::string_view variable,
                             const ArgumentChange& change) {
  const auto less = change.remove.empty() ? text : without_words(text, variable, change.remove);
  return change.add.empty() ? less : with_added(less, variable, change.add);
}

}  // namespace gpuctl
