// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/queries.hpp"

#include <algorithm>
#include <exception>

#include "operations/fair_share.hpp"
#include "operations/messages.hpp"

namespace gpuctl {
namespace {

/// First byte tells what follows.
constexpr char answered = 'A';
constexpr char refused = 'E';

void run_body(const Queries::Body& body, WorkerChannel& channel) {
  try {
    channel.send(answered + body());
  } catch (const Error& e) {
    channel.send(refused + messages::error(e));
  } catch (const std::exception& e) {
    channel.send(refused + messages::error(Error{ErrorCode::internal, e.what()}));
  }
}

std::variant<std::string, Error> decode(const std::string& message) {
  if (!message.empty() && message[0] == answered) return message.substr(1);
  const auto json =
      messages::Json::parse(message.substr(std::min<std::size_t>(1, message.size())), nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::internal, "the worker ended without an answer"};
  return messages::error(json);
}

Error too_many() {
  return {ErrorCode::limits_exceeded, "too many requests of this user are in flight; try again later"};
}

}  // namespace

void Queries::require_room(std::uint32_t uid) const {
  if (over_limit(uid)) throw too_many();
}

bool Queries::over_limit(std::uint32_t uid) const {
  return FairShare{max_per_uid, max_in_all}.is_used_up(uid, queries_);
}

void Queries::ask(const std::string& name, std::uint32_t uid, Body body, Answer answer,
                  std::chrono::milliseconds timeout) {
  if (over_limit(uid)) return loop_.defer([answer = std::move(answer)] { answer(too_many()); });
  const unsigned id = next_id_++;
  auto& query = queries_[id];
  query.uid = uid;
  query.answer = std::move(answer);
  query.timeout = loop_.after(timeout, [this, id, name] {
    finish(id, Error{ErrorCode::timed_out,
                     "no answer in time from " + name + "; look at the journal of gpuctld"});
  });
  try {
    query.worker =
        workers_.start(name, [body = std::move(body)](WorkerChannel& channel) { run_body(body, channel); },
                       {[this, id](std::string message) { queries_.at(id).received = std::move(message); },
                        [this, id](int) { exited(id); }});
  } catch (const Error& error) {
    loop_.defer([this, id, error] { finish(id, error); });
  }
}

void Queries::exited(unsigned id) { finish(id, decode(queries_.at(id).received)); }

void Queries::finish(unsigned id, std::variant<std::string, Error> result) {
  auto node = queries_.extract(id);
  if (!node.empty()) node.mapped().answer(std::move(result));
}

}  // namespace gpuctl
