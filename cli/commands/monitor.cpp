// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/clean_text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/differences.hpp"
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
    // a daemon that is gone is not asked, lest the question start it again
    auto now = wake == Wake::daemon_gone ? Objects{} : client.objects();
    if (wake == Wake::daemon_gone)
      print(console, {{"daemon-gone", names::service, ""}});
    else
      print(console, differences(before, now));
    // a service's SIGPIPE is ignored, and a reader that has gone then ends nobody
    if (context.output_is_lost()) return Exit::failed;
    before = std::move(now);
  }
}

}  // namespace gpuctl::cli
