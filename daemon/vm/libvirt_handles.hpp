// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdlib>
#include <memory>
#include <string>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "core/error.hpp"

namespace gpuctl::libvirt {

template <auto Release>
struct Releaser {
  template <class T>
  void operator()(T* handle) const noexcept {
    Release(handle);
  }
};
using Connection = std::unique_ptr<virConnect, Releaser<virConnectClose>>;
using Domain = std::unique_ptr<virDomain, Releaser<virDomainFree>>;
using CString = std::unique_ptr<char, Releaser<std::free>>;

/// The error of the last call, as an Error that carries libvirt's sentence.
Error last_error(const std::string& doing, const std::string& uri);

/// Which code the last call failed with; VIR_ERR_OK if it told none.
inline int last_code() {
  const auto* error = virGetLastError();
  return error ? error->code : VIR_ERR_OK;
}

}  // namespace gpuctl::libvirt
