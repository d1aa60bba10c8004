// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/pci_names.hpp"

#include <malloc.h>

#include <array>
#include <csetjmp>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <utility>

extern "C" {
#include <pci/pci.h>
}

namespace gpuctl {
namespace {

void ignore_message(char*, ...) {}

std::jmp_buf* way_out = nullptr;

/// libpci's contract: its error handler must not return. It is reached for a damaged pci.ids
/// (lib/names-parse.c) and for failed allocations.
[[gnu::noreturn]] void give_up(char*, ...) {
  if (way_out != nullptr) std::longjmp(*way_out, 1);
  std::abort();
}

/// libpci in C, which a longjmp may leave: nothing here has a destructor. What was read of a damaged table
/// counts from then on.
const char* look_up_name(pci_access* access, char* buffer, int size, int flags,
                         const std::array<int, 4>& ids) {
  std::jmp_buf here;
  if (setjmp(here) != 0) {
    way_out = nullptr;
    return nullptr;
  }
  way_out = &here;
  const auto* name = pci_lookup_name(access, buffer, size, flags, ids[0], ids[1], ids[2], ids[3]);
  way_out = nullptr;
  return name;
}

}  // namespace

/// libpci without pci_init(), which would look for ways to the hardware: names need none.
class PciNameTable::Access {
 public:
  explicit Access(const std::string& id_file) : access_(pci_alloc()), own_file_(!id_file.empty()) {
    access_->error = give_up;
    access_->warning = ignore_message;
    access_->debug = ignore_message;
    access_->id_lookup_mode = 0;  // no cache of DNS answers in anybody's home
    if (own_file_) pci_set_name_list_path(access_, ::strdup(id_file.c_str()), 1);
  }
  ~Access() {
    pci_free_name_list(access_);
    pci_cleanup(access_);
  }
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  template <class... Ids>
  std::string look_up(int flags, Ids... ids) {
    const auto quick = own_file_ ? std::string{} : ask(flags | PCI_LOOKUP_SKIP_LOCAL, ids...);
    return quick.empty() ? from_table(flags, ids...) : quick;
  }

  template <class... Ids>
  std::string from_table(int flags, Ids... ids) {
    table_loaded_ = true;
    return ask(flags | PCI_LOOKUP_NO_HWDB, ids...);
  }

  /// Few cards have a subsystem name of their own, so a miss alone is no reason to load the table. The
  /// hardware database answers with the device's name then.
  std::string subsystem(const PciIdentity& id, const std::string& device) {
    const auto flags = PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_DEVICE;
    const auto look = [&](int more) {
      return ask(flags | more, int{id.vendor}, int{id.device}, int{id.subsystem_vendor},
                 int{id.subsystem_device});
    };
    if (own_file_ || table_loaded_) return look(PCI_LOOKUP_NO_HWDB);
    const auto name = look(PCI_LOOKUP_SKIP_LOCAL);
    return name == device ? std::string{} : name;
  }

 private:
  template <class... Ids>
  std::string ask(int flags, Ids... ids) {
    std::array<char, 256> buffer{};
    const auto* name = look_up_name(access_, buffer.data(), static_cast<int>(buffer.size()),
                                    flags | PCI_LOOKUP_NO_NUMBERS, {ids...});
    return name != nullptr ? name : "";
  }

  pci_access* access_;
  bool own_file_;
  bool table_loaded_{};
};

PciNameTable::PciNameTable(std::string id_file) : id_file_(std::move(id_file)) {}

/// The table is thousands of small blocks: without trimming they would stay in the daemon's resident set.
PciNameTable::~PciNameTable() {
  if (access_ == nullptr) return;
  access_.reset();
  ::malloc_trim(0);
}

PciNameTable::Access& PciNameTable::access() {
  if (access_ == nullptr) access_ = std::make_unique<Access>(id_file_);
  return *access_;
}

PciNames PciNameTable::names(const PciIdentity& id) {
  PciNames names;
  names.vendor = access().look_up(PCI_LOOKUP_VENDOR, int{id.vendor});
  names.device = access().look_up(PCI_LOOKUP_DEVICE, int{id.vendor}, int{id.device});
  names.class_name = access().look_up(PCI_LOOKUP_CLASS, int{pci_class(id)});
  if (id.subsystem_vendor == 0 || id.subsystem_vendor == 0xffff) return names;
  names.subsystem_vendor =
      access().look_up(PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR, int{id.subsystem_vendor});
  names.subsystem_device = access().subsystem(id, names.device);
  return names;
}

}  // namespace gpuctl
