// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/shell_file.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace gpuctl {
namespace {

constexpr std::string_view ends_a_word = " \t\n;&|<>()";

bool begins_name(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& all, std::string_view word) {
  return std::ranges::find(all, word) != all.end();
}

bool opens_block(std::string_view word) {
  return is_one_of(std::array<std::string_view, 6>{"if", "case", "for", "while", "until", "{"}, word);
}
bool closes_block(std::string_view word) {
  return is_one_of(std::array<std::string_view, 4>{"fi", "esac", "done", "}"}, word);
}
/// A command or an assignment may come after it.
bool leads(std::string_view word) {
  return is_one_of(
      std::array<std::string_view, 9>{"if", "then", "else", "elif", "while", "until", "do", "{", "!"}, word);
}
/// Options, names and assignments come after it; these hold.
bool declares(std::string_view word) {
  return is_one_of(std::array<std::string_view, 5>{"export", "readonly", "declare", "local", "typeset"},
                   word);
}
bool is_number(std::string_view word) {
  return word.find_first_not_of("0123456789") == std::string_view::npos;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  ShellFile read() {
    while (at_ < text_.size()) step();
    return std::move(file_);
  }

 private:
  char here(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool continues() const { return here() == '\\' && here(1) == '\n'; }

  void step() {
    if (here() == ' ' || here() == '\t') {
      ++at_;
    } else if (continues()) {
      at_ += 2;
    } else if (here() == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (ends_a_word.find(here()) != std::string_view::npos) {
      separator();
    } else if (!begins_command_ || !assignment()) {
      command_word();
    }
  }

  void separator() {
    if (here() == '\n' || here() == ';') guarded_ = false;
    if ((here() == '&' || here() == '|') && here(1) == here()) guarded_ = true;
    begins_command_ = !is_redirection();
    if (begins_command_) declares_ = false;
    if (begins_command_) before_command_ = file_.assignments.size();
    ++at_;
  }

  bool is_redirection() const { return here() == '<' || here() == '>'; }

  void command_word() {
    const auto begin = at_;
    word();
    const auto text = text_.substr(begin, at_ - begin);
    if (begins_command_ && !declares_ && !(is_number(text) && is_redirection())) command(text);
  }

  void command(std::string_view name) {
    if (opens_block(name)) ++depth_;
    if (closes_block(name) && depth_ > 0) --depth_;
    declares_ = declares(name);
    begins_command_ = declares_ || leads(name);
    if (!begins_command_) file_.assignments.resize(before_command_);  // they are for that command only
  }

  bool assignment() {
    auto end = at_;
    while (end < text_.size() && is_name(text_[end])) ++end;
    const bool appends = text_.substr(end).starts_with("+=");
    if (!begins_name(here()) || (!appends && !text_.substr(end).starts_with('='))) return false;
    ShellAssignment found{
        std::string(text_.substr(at_, end - at_)), appends, guarded_ || depth_ > 0, 0, 0, {}};
    found.begin = at_ = end + (appends ? 2 : 1);
    found.pieces = word();
    found.end = at_;
    file_.assignments.push_back(std::move(found));
    return true;
  }

  std::vector<ShellPiece> word() {
    pieces_.clear();
    while (at_ < text_.size() && ends_a_word.find(here()) == std::string_view::npos)
      if (here() == '\'' || here() == '"')
        quoted(here());
      else
        piece('\0');
    return std::move(pieces_);
  }

  void quoted(char quote) {
    ++at_;
    while (at_ < text_.size() && here() != quote) piece(quote);
    close();
  }

  /// The bracket or quote at this place; at the end of the file there is none.
  void close() {
    if (at_ < text_.size())
      ++at_;
    else
      file_.whole = false;
  }

  void piece(char quote) {
    if (quote != '\'' && continues())
      at_ += 2;
    else if (quote != '\'' && here() == '\\')
      escaped(quote);
    else if (quote != '\'' && here() == '`')
      command_output(quote);
    else if (quote != '\'' && here() == '$')
      expansion(quote);
    else
      character(1, 0, quote);
  }

  void add(ShellPiece::Kind kind, std::string_view text, std::size_t begin, char quote) {
    pieces_.push_back({kind, std::string(text), begin, at_, quote});
  }

  void character(std::size_t length, std::size_t backslash, char quote) {
    const auto begin = at_;
    at_ = std::min(at_ + backslash + length, text_.size());
    add(ShellPiece::Kind::character, text_.substr(begin + backslash, length), begin, quote);
  }

  /// Between double quotes a backslash is one before few characters only.
  void escaped(char quote) {
    const bool escapes = quote == '\0' || std::string_view("\"\\$`").find(here(1)) != std::string_view::npos;
    character(1, escapes && at_ + 1 < text_.size() ? 1 : 0, quote);
  }

  void command_output(char quote) {
    const auto begin = at_++;
    while (at_ < text_.size() && here() != '`') at_ += here() == '\\' ? 2 : 1;
    at_ = std::min(at_, text_.size());
    close();
    add(ShellPiece::Kind::unknown, "", begin, quote);
  }

  void expansion(char quote) {
    const auto begin = at_;
    if (const auto name = variable(); !name.empty())
      return add(ShellPiece::Kind::variable, name, begin, quote);
    if (here(1) != '(' && here(1) != '{') return special(quote);
    at_ += 2;
    skip_to(text_[at_ - 1] == '(' ? ')' : '}');
    add(ShellPiece::Kind::unknown, "", begin, quote);
  }

  /// The name in $NAME or ${NAME} here, which is passed; "" for anything else.
  std::string_view variable() {
    const bool braces = here(1) == '{';
    const auto begin = at_ + (braces ? 2 : 1);
    auto end = begin;
    while (end < text_.size() && is_name(text_[end])) ++end;
    if (begin >= text_.size() || !begins_name(text_[begin]) ||
        (braces && !text_.substr(end).starts_with('}')))
      return {};
    at_ = end + (braces ? 1 : 0);
    return text_.substr(begin, end - begin);
  }

  /// $1, $? and the like; else a $ that is only that.
  void special(char quote) {
    const char next = here(1);
    if (next == '\0' || std::string_view("0123456789?#@*!-$").find(next) == std::string_view::npos)
      return character(1, 0, quote);
    const auto begin = at_;
    at_ += 2;
    add(ShellPiece::Kind::unknown, "", begin, quote);
  }

  /// Passes the bracket that closes the one before.
  void skip_to(char closing) {
    const char opening = closing == ')' ? '(' : '{';
    char quote = '\0';
    for (int open = 1; at_ < text_.size(); ++at_) {
      if (here() == '\\' && quote != '\'')
        ++at_;
      else if (quote != '\0' ? here() == quote : here() == '\'' || here() == '"')
        quote = quote == '\0' ? here() : '\0';
      else if (quote == '\0' && (here() == opening || here() == closing))
        open += here() == opening ? 1 : -1;
      if (open == 0) break;
    }
    at_ = std::min(at_, text_.size());
    close();
  }

  std::string_view text_;
  std::size_t at_{};
  bool begins_command_{true};
  bool declares_{};               ///< after export and the like
  std::size_t before_command_{};  ///< assignments
  bool guarded_{};                ///< after && or ||
  int depth_{};                   ///< of if, case, loops and functions
  std::vector<ShellPiece> pieces_;
  ShellFile file_;
};

std::string value(const ShellAssignment& assignment, const ShellVariables& variables) {
  std::string text;
  for (const auto& piece : assignment.pieces) {
    if (piece.kind == ShellPiece::Kind::character) text += piece.text;
    if (const auto known = variables.find(piece.text);
        piece.kind == ShellPiece::Kind::variable && known != variables.end())
      text += known->second;
  }
  return text;
}

}  // namespace

ShellFile read_shell_file(std::string_view text) { return Reader(text).read(); }

void read_into(ShellVariables& variables, const ShellFile& file) {
  for (const auto& assignment : file.assignments) {
    const auto added = value(assignment, variables);
    auto& held = variables[assignment.name];
    held = assignment.appends ? held + added : added;
  }
}

}  // namespace gpuctl
