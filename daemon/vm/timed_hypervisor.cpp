// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/timed_hypervisor.hpp"

#include <future>
#include <thread>
#include <variant>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

Error no_answer(std::chrono::milliseconds time) {
  return {ErrorCode::libvirt_unavailable,
          fmt::format("libvirt has not answered in {:.0f} s; see 'systemctl status libvirtd' "
                      "(or 'virtqemud' where libvirt has a daemon a driver).",
                      std::chrono::duration<double>(time).count())};
}

std::optional<std::chrono::steady_clock::time_point> end_of(Patience patience,
                                                            std::chrono::milliseconds time) {
  if (patience == Patience::for_each_answer) return std::nullopt;
  return std::chrono::steady_clock::now() + time;
}

/// A refusal goes from thread to thread as a value: who lets an exception go last, only the C++ library
/// knows.
template <class Question>
auto with_refusal(Question question) {
  using Answer = std::variant<decltype(question()), Error>;
  return [question = std::move(question)]() -> Answer {
    try {
      return question();
    } catch (const Error& refusal) {
      return refusal;
    }
  };
}

template <class Result>
Result result_of(std::variant<Result, Error> answer) {
  if (const auto* refusal = std::get_if<Error>(&answer)) throw *refusal;
  return std::get<Result>(std::move(answer));
}

template <class Question>
auto answered(const TimedHypervisor::Time& time, Question question) {
  const auto now = std::chrono::steady_clock::now();
  const auto end = time.end.value_or(now + time.whole);
  if (now >= end) throw no_answer(time.whole);
  auto whole = with_refusal(std::move(question));
  const auto asked = std::make_shared<std::packaged_task<decltype(whole())()>>(std::move(whole));
  auto answer = asked->get_future();
  std::thread([asked] { (*asked)(); }).detach();
  if (answer.wait_until(end) == std::future_status::timeout) throw no_answer(time.whole);
  return result_of(answer.get());
}

}  // namespace

TimedHypervisor::TimedHypervisor(const Connect& connect, std::chrono::milliseconds time, Patience patience)
    : time_{time, end_of(patience, time)}, libvirt_(answered(time_, connect)) {}

std::vector<Vm> TimedHypervisor::vms() {
  return answered(time_, [libvirt = libvirt_] { return libvirt->vms(); });
}

Vm TimedHypervisor::vm(const std::string& name_or_uuid) {
  return answered(time_, [libvirt = libvirt_, name_or_uuid] { return libvirt->vm(name_or_uuid); });
}

unsigned long TimedHypervisor::version() {
  return answered(time_, [libvirt = libvirt_] { return libvirt->version(); });
}

}  // namespace gpuctl
