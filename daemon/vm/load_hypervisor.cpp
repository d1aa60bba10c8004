// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/load_hypervisor.hpp"

#include <dlfcn.h>

#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"
#include "vm/libvirt_module.hpp"

namespace gpuctl {
namespace {

[[noreturn]] void unavailable(const std::string& sentence) {
  throw Error(ErrorCode::libvirt_unavailable, sentence);
}

std::string loader_error() {
  const auto* text = ::dlerror();
  return text ? text : "unknown error";
}

void* open_module(const std::string& path) {
  auto* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module)
    unavailable(
        fmt::format("libvirt is not usable here ({}); install libvirt-daemon-system (Debian, Ubuntu) or "
                    "libvirt-daemon-kvm (Fedora) to use VMs.",
                    loader_error()));
  return module;
}

template <class Function>
Function* symbol(void* module, const char* name) {
  auto* found = ::dlsym(module, name);
  if (!found) unavailable(fmt::format("{} is no module of gpuctl; reinstall the gpuctl package.", name));
  return reinterpret_cast<Function*>(found);
}

}  // namespace

std::unique_ptr<Hypervisor> load_hypervisor(const HypervisorOptions& options) {
  auto* module = open_module(options.module.empty() ? GPUCTL_LIBVIRT_MODULE : options.module);
  const std::string_view version = symbol<gpuctl_module_version_function>(module, "gpuctl_module_version")();
  if (version != GPUCTL_VERSION)
    unavailable(fmt::format("gpuctl was upgraded to {} while version {} runs; systemctl restart gpuctld.",
                            version, GPUCTL_VERSION));
  auto* make = symbol<gpuctl_make_hypervisor_function>(module, "gpuctl_make_hypervisor");
  return std::unique_ptr<Hypervisor>{make(options.uri.c_str())};
}

}  // namespace gpuctl
