// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/timed_hypervisor.hpp"

#include <future>
#include <thread>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

Error no_answer(std::chrono::milliseconds patience) {
  return {ErrorCode::libvirt_unavailable,
          fmt::format("libvirt has not answered in {:.0f} s; see 'systemctl status libvirtd' "
                      "(or 'virtqemud' where libvirt has a daemon a driver).",
                      std::chrono::duration<double>(patience).count())};
}

template <class Question>
auto answered(const TimedHypervisor::Patience& patience, Question question) {
  if (std::chrono::steady_clock::now() >= patience.end) throw no_answer(patience.whole);
  const auto asked = std::make_shared<std::packaged_task<decltype(question())()>>(std::move(question));
  auto answer = asked->get_future();
  std::thread([asked] { (*asked)(); }).detach();
  if (answer.wait_until(patience.end) == std::future_status::timeout) throw no_answer(patience.whole);
  return answer.get();
}

}  // namespace

TimedHypervisor::TimedHypervisor(const Connect& connect, std::chrono::milliseconds patience)
    : patience_{patience, std::chrono::steady_clock::now() + patience},
      libvirt_(answered(patience_, connect)) {}

std::vector<Vm> TimedHypervisor::vms() {
  return answered(patience_, [libvirt = libvirt_] { return libvirt->vms(); });
}

Vm TimedHypervisor::vm(const std::string& name_or_uuid) {
  return answered(patience_, [libvirt = libvirt_, name_or_uuid] { return libvirt->vm(name_or_uuid); });
}

unsigned long TimedHypervisor::version() {
  return answered(patience_, [libvirt = libvirt_] { return libvirt->version(); });
}

}  // namespace gpuctl
