// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cli/client.hpp"
#include "cli/output/console.hpp"

namespace gpuctl::cli {

/// What the program finds around it; main() brings the real things, tests their own.
struct Surroundings {
  bool out_is_terminal{};
  bool person_present{};  ///< somebody at a terminal could type a password
  bool root{};
  bool no_color{};      ///< NO_COLOR is set
  bool dumb{};          ///< the terminal knows no escape sequences
  std::size_t width{};  ///< columns of the terminal
  Console::Sink out, err;
  /// Something could not be written to `out`: nobody reads any more, or there is no room.
  std::function<bool()> out_is_lost;
  /// Connects to the system bus here ("") or on another host.
  std::function<std::unique_ptr<Client>(const std::string& host)> connect;
  /// Starts a text agent of polkit that asks on the terminal, and ends it with the returned handle.
  std::function<std::shared_ptr<void>()> start_agent;
  /// Starts the Looking Glass client; false if it is not installed.
  std::function<bool()> start_viewer;
  /// Files of the user, whom they are named by: read_whole_file(), write_whole_file().
  std::function<std::string(const std::string& path, std::size_t most)> read_file;
  std::function<void(const std::string& path, std::string_view bytes)> write_file;
};

/// What a command works with.
class Context {
 public:
  Context(const Surroundings& around, Console output, std::string host)
      : console(std::move(output)), surroundings_(around), host_(std::move(host)) {}

  const Console console;

  /// The daemon; connected when first asked for, so that wrong usage is told without it.
  Client& client();
  /// The same through another connection.
  Client& reconnect();
  bool remote() const { return !host_.empty(); }
  const std::string& host() const { return host_; }
  const Surroundings& surroundings() const { return surroundings_; }
  bool output_is_lost() const { return surroundings_.out_is_lost && surroundings_.out_is_lost(); }

  /// Runs `call(Interaction)`: first without letting polkit ask, and only if it wants to ask once more with a
  /// text agent at hand. So nobody waits for an agent who needs none.
  template <class Call>
  auto authorized(Call call) {
    if (!may_start_agent()) return call(Interaction::allowed);
    try {
      return call(Interaction::declined);
    } catch (const Failure& failure) {
      if (!wants_password(failure)) throw;
    }
    const auto agent = surroundings_.start_agent();
    return call(Interaction::allowed);
  }

  /// The text agent, for calls that have no option to decline interaction; nothing where it would be of no
  /// use.
  std::shared_ptr<void> agent() const { return may_start_agent() ? surroundings_.start_agent() : nullptr; }

 private:
  bool may_start_agent() const;
  static bool wants_password(const Failure& failure);

  const Surroundings& surroundings_;
  std::string host_;
  std::unique_ptr<Client> client_;
};

}  // namespace gpuctl::cli
