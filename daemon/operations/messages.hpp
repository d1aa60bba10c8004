// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "operations/operation.hpp"
#include "operations/request.hpp"
#include "operations/survey.hpp"

/// What workers tell the daemon: one JSON document a message, with its kind in "type".
namespace gpuctl::messages {

using Json = nlohmann::json;

/// To a worker: stop before the next step and take all back.
inline constexpr auto cancel = "cancel";
/// To a worker: the running step counts as failed, even if it should end well after all.
inline constexpr auto given_up = "given-up";

Json step(const Step& step);
Step step(const Json& json);
Json problem(const Problem& problem);
Problem problem(const Json& json);

std::string prepared(const Prepared& prepared);
/// The look is over: from now on something is written.
std::string looked();
std::string plan(const Plan& plan);
std::string progress(std::size_t index, StepState state);
std::string undo(const Step& step, StepState state);
std::string end(OperationState state, const std::string& error, const std::string& message);
std::string error(const Error& error);

/// The parts of a parsed message.
Prepared prepared(const Json& json);
Plan plan(const Json& json);
Error error(const Json& json);

}  // namespace gpuctl::messages
