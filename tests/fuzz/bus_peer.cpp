// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/bus_peer.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace {

sd_bus* other_end = nullptr;
bool known_caller = true;

void require(int result) {
  if (result < 0) std::abort();
}

sd_bus* made(int fd) {
  sd_bus* bus = nullptr;
  require(sd_bus_new(&bus));
  require(sd_bus_set_fd(bus, fd, fd));
  require(sd_bus_set_anonymous(bus, 1));
  return bus;
}

}  // namespace

/// In place of libsystemd's own: both ends of a socket, already introduced to each other.
extern "C" int sd_bus_open_system(sd_bus** bus) {
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()));
  *bus = made(ends[0]);
  other_end = made(ends[1]);
  const sd_id128_t server_id{{1}};
  require(sd_bus_set_server(other_end, 1, server_id));
  for (auto* end : {*bus, other_end}) {
    require(sd_bus_negotiate_fds(end, 1));
    require(sd_bus_start(end));
  }
  while (sd_bus_is_ready(*bus) == 0 || sd_bus_is_ready(other_end) == 0)
    for (auto* end : {*bus, other_end}) require(sd_bus_process(end, nullptr));
  return 0;
}

/// There is no bus to ask: the caller is who sits at the other end.
extern "C" int sd_bus_query_sender_creds(sd_bus_message* message, std::uint64_t mask, sd_bus_creds** creds) {
  return known_caller ? sd_bus_get_owner_creds(sd_bus_message_get_bus(message), mask, creds) : -ENXIO;
}

namespace fuzz {

BusPeer::BusPeer() : bus_(std::exchange(other_end, nullptr)) {
  require(sd_bus_add_filter(bus_, nullptr, on_message, this));
}

BusPeer::~BusPeer() { sd_bus_flush_close_unref(bus_); }

void BusPeer::caller_is_known(bool known) { known_caller = known; }

std::uint64_t BusPeer::send(sd_bus_message* message) {
  std::uint64_t serial = 0;
  require(sd_bus_message_set_sender(message, ":1.7"));
  require(sd_bus_send(bus_, message, &serial));
  require(sd_bus_flush(bus_));
  return serial;
}

void BusPeer::receive() {
  while (sd_bus_process(bus_, nullptr) > 0) {
  }
}

std::vector<BusPeer::Reply> BusPeer::take_replies(std::uint64_t serial) {
  auto node = replies_.extract(serial);
  return node.empty() ? std::vector<Reply>{} : std::move(node.mapped());
}

int BusPeer::on_message(sd_bus_message* message, void* peer, sd_bus_error*) {
  std::uint64_t serial = 0;
  if (sd_bus_message_get_reply_cookie(message, &serial) < 0) return 1;  // a signal
  auto& reply = static_cast<BusPeer*>(peer)->replies_[serial].emplace_back();
  if (const auto* error = sd_bus_message_get_error(message))
    reply = {true, error->name, error->message == nullptr ? "" : error->message, {}};
  const char* path = nullptr;
  if (sd_bus_message_has_signature(message, "o") > 0 && sd_bus_message_read_basic(message, 'o', &path) > 0)
    reply.path = path;
  return 1;
}

}  // namespace fuzz
