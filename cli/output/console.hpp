// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace gpuctl::cli {

/// terminal: for people. plain: one record a line, fields separated by tabs, no header. json: one document.
enum class Format { terminal, plain, json };

enum class Colour { none, red, green, yellow, dim, bold };

/// Where output goes and how it may look. Text given to it has been cleaned before (Client does that).
class Console {
 public:
  using Sink = std::function<void(std::string_view)>;

  /// `can_erase`: a line can be taken back, which a dumb terminal cannot.
  Console(Format format, bool colour, std::size_t width, Sink out, Sink err, bool can_erase = true);

  Format format() const { return format_; }
  bool terminal() const { return format_ == Format::terminal; }
  bool json() const { return format_ == Format::json; }
  bool can_erase() const { return terminal() && can_erase_; }
  /// Columns of the terminal; 0 = do not cut.
  std::size_t width() const { return width_; }

  /// The same for text on the error stream: for people, without colour or cutting.
  Console for_errors() const { return {Format::terminal, false, 0, err_, err_}; }

  std::string paint(Colour colour, std::string_view text) const;
  void print(std::string_view text) const { out_(text); }
  /// "gpuctl: <sentence>", and what to do about it on the next line.
  void complain(std::string_view sentence, std::string_view remedy = {}) const;

 private:
  Format format_;
  bool colour_;
  std::size_t width_;
  Sink out_, err_;
  bool can_erase_;
};

/// Red for what stands in the way, yellow for warnings, green for what is well.
Colour severity_colour(std::string_view severity);
Colour gpu_state_colour(std::string_view state);
Colour step_state_colour(std::string_view state);
Colour operation_state_colour(std::string_view state);

}  // namespace gpuctl::cli
