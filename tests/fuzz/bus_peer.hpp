// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <string>
#include <vector>

#include <systemd/sd-bus.h>

namespace fuzz {

/// The other end of the daemon's bus connection, in the same process: libsystemd hands a direct connection to
/// who asks for the system bus (see bus_peer.cpp), so that a message goes the whole way through sd-bus and
/// sdbus-c++ without a bus. One in a process.
class BusPeer {
 public:
  struct Reply {
    bool failed{};
    std::string error, message;
    std::string path;  ///< if that is all it says
  };

  BusPeer();
  ~BusPeer();
  BusPeer(const BusPeer&) = delete;
  BusPeer& operator=(const BusPeer&) = delete;

  sd_bus* bus() const { return bus_; }
  /// As the bus would deliver it from ":1.7".
  std::uint64_t send(sd_bus_message* message);
  /// Takes what has come.
  void receive();
  /// All that came for this call; more than one would be a fault.
  std::vector<Reply> take_replies(std::uint64_t serial);
  /// Whether libsystemd can tell who calls: not, when the caller has gone.
  static void caller_is_known(bool known);

 private:
  static int on_message(sd_bus_message* message, void* peer, sd_bus_error*);
  sd_bus* bus_{};
  std::map<std::uint64_t, std::vector<Reply>> replies_;
};

}  // namespace fuzz
