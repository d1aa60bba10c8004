// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/error.hpp"

namespace gpuctl::test {

/// What `call` throws; internal, which nothing here does, if it throws nothing.
template <class Call>
ErrorCode error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

}  // namespace gpuctl::test
