// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/change.hpp"

#include "cli/output/diff.hpp"
#include "cli/output/json.hpp"

namespace gpuctl::cli {
namespace {

void print_sentence(const Console& console, const std::string& sentence) {
  if (!sentence.empty()) console.print(sentence + "\n");
}

}  // namespace

Exit show_and_make_change(Context& context, const std::string& diff, bool dry_run,
                          const std::function<std::string(Interaction)>& make) {
  const auto& console = context.console;
  const bool apply = !dry_run && !diff.empty();
  if (!console.json()) console.print(diff_text(console, diff));
  const auto sentence = apply ? context.authorized(make) : std::string{};
  if (console.json()) {
    print_json(console, {{"diff", diff}, {"applied", apply}, {"message", json_text(sentence)}});
  } else if (console.terminal()) {
    print_sentence(console, diff.empty() ? "There is nothing to change." : sentence);
  }
  return Exit::done;
}

Exit make_change(Context& context, const std::function<std::string(Interaction)>& make) {
  const auto sentence = context.authorized(make);
  if (context.console.json())
    print_json(context.console, {{"message", json_text(sentence)}});
  else
    print_sentence(context.console, sentence);
  return Exit::done;
}

}  // namespace gpuctl::cli
