// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/boot_application.hpp"

#include <fmt/format.h>

namespace gpuctl {
namespace {

Problem not_moved(const BootAction& action, const std::string& why) {
  return {"boot-policy-not-applied", Severity::warning, action.gpu.str(),
          fmt::format("the GPU is not on the side \"{}\", where it belongs in this boot: {}",
                      to_string(action.to), why),
          action.to == BootSide::vm ? fmt::format("gpuctl check --gpu {}", action.gpu.str())
                                    : fmt::format("gpuctl release {}", action.gpu.str())};
}

Request request_for(const BootAction& action) {
  Request request{action.to == BootSide::vm ? Verb::attach : Verb::release, action.gpu.str(), ""};
  request.by_itself = true;  // a policy says where the card is, not what a domain's definition has
  return request;
}

}  // namespace

/// What one run() waits for.
struct BootApplication::Round {
  std::size_t left{};
  Problems problems;
  Answer answer;

  void ended() {
    if (--left == 0) answer(problems);
  }
  void failed(const BootAction& action, const std::string& why) {
    problems.push_back(not_moved(action, why));
    ended();
  }
};

BootApplication::BootApplication(OperationList& operations, Requests& requests)
    : operations_(operations), requests_(requests) {
  operations_.observe({[](const Operation&) {}, [](const Operation&) {},
                       [this](const Operation& operation) {
                         auto node = followed_.extract(operation.id);
                         if (!node.empty()) node.mapped()(operation);
                       },
                       [](unsigned) {}});
}

void BootApplication::run(BootActions wanted, std::uint32_t uid, Answer answer) {
  if (wanted.actions.empty()) return answer(wanted.problems);
  const auto round =
      std::make_shared<Round>(Round{wanted.actions.size(), std::move(wanted.problems), std::move(answer)});
  for (const auto& action : wanted.actions) move(action, uid, round);
}

void BootApplication::move(const BootAction& action, std::uint32_t uid, const std::shared_ptr<Round>& round) {
  try {
    requests_.start(requests_.resolve(request_for(action)), uid,
                    [this, action, round](std::variant<unsigned, Error> started) {
                      if (const auto* error = std::get_if<Error>(&started))
                        return round->failed(action, error->what());
                      follow(std::get<unsigned>(started), action, round);
                    });
  } catch (const Error& e) {
    round->failed(action, e.what());
  }
}

void BootApplication::follow(unsigned id, const BootAction& action, const std::shared_ptr<Round>& round) {
  const auto judge = [action, round](const Operation& operation) {
    if (operation.state == OperationState::succeeded) return round->ended();
    round->failed(action, operation.message);
  };
  const auto* operation = operations_.find(id);
  if (operation == nullptr) return round->failed(action, "its operation has gone");
  if (!operation->running()) return judge(*operation);
  followed_[id] = judge;
}

}  // namespace gpuctl
