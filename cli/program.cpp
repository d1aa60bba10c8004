// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/program.hpp"

#include <algorithm>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/clean_text.hpp"
#include "cli/error_text.hpp"
#include "cli/output/json.hpp"
#include "cli/verbs.hpp"

namespace gpuctl::cli {
namespace {

void define(CLI::App& app, Request& r) {
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", std::string{"gpuctl "} + GPUCTL_VERSION);
  app.add_flag("--json", r.json, "One JSON document instead of text");
  app.add_option("--host", r.host, "Talk to gpuctld on another machine, through ssh")
      ->type_name("[USER@]HOST");
  app.add_flag("--no-color", r.no_color, "No colour");
  add_verbs(app, r);
}

Console console_for(const Request& r, const Surroundings& s) {
  const auto format = r.json ? Format::json : s.out_is_terminal ? Format::terminal : Format::plain;
  const bool colour = format == Format::terminal && !s.no_color && !r.no_color && !s.dumb;
  return {format, colour, s.width, s.out, s.err, !s.dumb};
}

Json error_document(std::string_view name, const std::string& message) {
  return {{"error", {{"name", name}, {"message", message}}}};
}

/// Help and version are answers; all else is wrong usage. What was parsed before the error is not known, so
/// `json` is whether the words have it anywhere.
int usage(const CLI::App& app, const CLI::ParseError& error, const Surroundings& s, bool json) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream text;
    app.exit(error, text, text);
    s.out(text.str().ends_with('\n') ? text.str() : text.str() + "\n");
    return static_cast<int>(Exit::done);
  }
  const Console console{json ? Format::json : Format::plain, false, 0, s.out, s.err};
  const auto sentence = clean(error.what());
  console.complain(sentence, "gpuctl --help shows how it is used.");
  if (json) print_json(console, error_document("InvalidArgument", sentence));
  return static_cast<int>(Exit::usage);
}

int report(const Failure& failure, const Console& console) {
  const auto explanation = explain(failure.name());
  const auto sentence = clean(failure.what(), Newlines::keep);
  const bool remedy_inside = sentence.find('\n') != std::string::npos;
  console.complain(sentence, remedy_inside ? std::string_view{} : explanation.remedy);
  if (console.json()) print_json(console, error_document(short_name(failure.name()), sentence));
  return static_cast<int>(explanation.status);
}

}  // namespace

int run(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  Request request;
  CLI::App app{"Hand a GPU to a virtual machine and get it back", "gpuctl"};
  define(app, request);
  try {
    std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage(app, error, surroundings, std::ranges::find(arguments, "--json") != arguments.end());
  }
  Context context{surroundings, console_for(request, surroundings), request.host};
  try {
    return static_cast<int>(request.command(context));
  } catch (const Failure& failure) {
    return report(failure, context.console);
  }
}

}  // namespace gpuctl::cli
