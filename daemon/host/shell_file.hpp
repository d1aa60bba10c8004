// SPDX-License-Identifier: GPL-2.0-or-later
// Files that a shell reads as configuration (/etc/default/grub): what they assign, and where it stands.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// A character of a value, or an expansion in it.
struct ShellPiece {
  enum class Kind { character, variable, unknown };
  Kind kind{Kind::character};
  std::string text;  ///< the character; the name in $NAME and ${NAME}; "" of $(command) and the like
  std::size_t begin{}, end{};  ///< in the file, a backslash included
  char quote{};                ///< ' or " around it, or none
};

struct ShellAssignment {
  std::string name;
  bool appends{};              ///< NAME+=
  bool conditional{};          ///< may be left out: within if, case, a loop or a function, or after && or ||
  std::size_t begin{}, end{};  ///< of the value in the file, with its quotes
  std::vector<ShellPiece> pieces;
};

struct ShellFile {
  std::vector<ShellAssignment> assignments;
  bool whole{true};  ///< every quote and bracket is closed
};

ShellFile read_shell_file(std::string_view text);

/// What a shell holds in its variables.
using ShellVariables = std::map<std::string, std::string, std::less<>>;

/// As if a shell had read the file: conditional assignments count, the output of commands is taken for empty.
void read_into(ShellVariables& variables, const ShellFile& file);

}  // namespace gpuctl
