// SPDX-License-Identifier: GPL-2.0-or-later
#include <optional>

#include "cli/clean_text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/differences.hpp"
#include "cli/error_text.hpp"
#include "cli/interrupts.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

/// One line an event; with --json one document a line, for there is no end to put a single one at.
std::string line(const Console& console, const Event& event) {
  const auto detail = clean(event.detail);
  if (console.json())
    return Json{{"event", event.kind}, {"subject", event.subject}, {"detail", detail}}.dump() + "\n";
  if (console.terminal())
    return console.paint(Colour::bold, event.kind) + " " + event.subject + " " + detail + "\n";
  return record({event.kind, event.subject, detail});
}

void print(const Console& console, const std::vector<Event>& events) {
  for (const auto& event : events) console.print(line(console, event));
}

/// Nothing where the daemon does not answer: that it has gone is told next.
std::optional<Objects> look(Client& client) try { return client.objects(); } catch (const Failure& failure) {
  if (explain(failure.name()).status != Exit::unreachable) throw;
  return std::nullopt;
}

/// A daemon that is gone is not asked, lest the question start it again.
std::optional<Objects> news(Client& client, const Console& console, Wake wake, const Objects& before) {
  if (wake == Wake::daemon_gone) {
    print(console, {{"daemon-gone", names::service, ""}});
    return Objects{};
  }
  auto now = look(client);
  if (now) print(console, differences(before, *now));
  return now;
}

}  // namespace

Exit monitor(Context& context) {
  auto& client = context.client();
  const auto& console = context.console;
  const Interrupts interrupts;
  client.listen(names::root_path);
  auto before = client.objects();
  for (;;) {
    const auto wake = client.wait(interrupts.fd());
    if (wake == Wake::interrupted) return Exit::done;
    auto now = news(client, console, wake, before);
    // a service's SIGPIPE is ignored, and a reader that has gone then ends nobody
    if (context.output_is_lost()) return Exit::failed;
    if (now) before = *std::move(now);
  }
}

}  // namespace gpuctl::cli
