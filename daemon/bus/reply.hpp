// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <exception>
#include <memory>
#include <utility>

#include "bus/wire.hpp"
#include "core/error.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// Answers one method call, now or later. A caller that has gone is no error of ours.
template <class... Results>
class Reply {
 public:
  explicit Reply(sdbus::Result<Results...>&& result)
      : result_(std::make_shared<sdbus::Result<Results...>>(std::move(result))) {}

  void value(const Results&... results) const {
    quietly([&] { result_->returnResults(results...); });
  }
  void error(const Error& e) const {
    quietly([&] { result_->returnError(wire::error(e)); });
  }

 private:
  template <class Send>
  static void quietly(Send&& send) {
    try {
      send();
    } catch (const sdbus::Error&) {
    }
  }
  std::shared_ptr<sdbus::Result<Results...>> result_;
};

/// Runs a handler so that whatever it throws becomes the call's error reply: nothing but sdbus::Error may
/// cross into sd-bus (sdbus-c++ 1.2 ends the process otherwise).
template <class ReplyType, class Handler>
void answer(const ReplyType& reply, Handler&& handler) {
  try {
    handler();
  } catch (const Error& e) {
    reply.error(e);
  } catch (const std::exception& e) {
    reply.error(Error{ErrorCode::internal, e.what()});
  }
}

}  // namespace gpuctl
