// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/pci_names.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
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
  /// `id_file`: another table than the system's, if not empty.
  explicit Access(const std::string& id_file) : access_(pci_alloc()) {
    access_->error = give_up;
    access_->warning = ignore_message;
    access_->debug = ignore_message;
    access_->id_lookup_mode = 0;  // no cache of DNS answers in anybody's home
    if (!id_file.empty()) pci_set_name_list_path(access_, ::strdup(id_file.c_str()), 1);
  }
  ~Access() {
    pci_free_name_list(access_);
    pci_cleanup(access_);
  }
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  template <class... Ids>
  std::string ask(int flags, Ids... ids) {
    std::array<char, 256> buffer{};
    const auto* name = look_up_name(access_, buffer.data(), static_cast<int>(buffer.size()),
                                    flags | PCI_LOOKUP_NO_NUMBERS, {ids...});
    return name != nullptr ? name : "";
  }

 private:
  pci_access* access_;
};

PciNameTable::PciNameTable(std::string id_file) : id_file_(std::move(id_file)) {}

/// Without it libpci would make a new udev context for each question, and keep them all (lib/names-hwdb.c).
bool has_hardware_database() {
  constexpr std::array places{"/etc/systemd/hwdb/hwdb.bin", "/etc/udev/hwdb.bin",
                              "/usr/lib/systemd/hwdb/hwdb.bin", "/usr/lib/udev/hwdb.bin",
                              "/lib/udev/hwdb.bin"};
  static const bool there =
      std::ranges::any_of(places, [](const char* place) { return ::access(place, R_OK) == 0; });
  return there;
}

/// The table is thousands of small blocks: without trimming they would stay in the daemon's resident set.
PciNameTable::~PciNameTable() {
  if (database_ == nullptr && table_ == nullptr) return;
  database_.reset();
  table_.reset();
  ::malloc_trim(0);
}

/// An empty table: PCI_LOOKUP_SKIP_LOCAL would spare the table, but leaves out the database as well
/// (id_lookup in lib/names.c).
PciNameTable::Access& PciNameTable::database() {
  if (database_ == nullptr) database_ = std::make_unique<Access>("/dev/null");
  return *database_;
}

PciNameTable::Access& PciNameTable::table() {
  if (table_ == nullptr) table_ = std::make_unique<Access>(id_file_);
  return *table_;
}

template <class... Ids>
std::string PciNameTable::look_up(int flags, Ids... ids) {
  const auto quick =
      id_file_.empty() && has_hardware_database() ? database().ask(flags, int{ids}...) : std::string{};
  return quick.empty() ? table().ask(flags | PCI_LOOKUP_NO_HWDB, int{ids}...) : quick;
}

/// Few cards have a subsystem name of their own, so a miss alone is no reason to load the table. The
/// hardware database answers with the device's name then.
std::string PciNameTable::subsystem(const PciIdentity& id, const std::string& device) {
  const auto in = [&](Access& source, int more) {
    return source.ask(PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_DEVICE | more, int{id.vendor}, int{id.device},
                      int{id.subsystem_vendor}, int{id.subsystem_device});
  };
  if (!id_file_.empty() || table_ != nullptr || !has_hardware_database())
    return in(table(), PCI_LOOKUP_NO_HWDB);
  const auto name = in(database(), 0);
  return name == device ? std::string{} : name;
}

PciNames PciNameTable::names(const PciIdentity& id) {
  PciNames names;
  names.vendor = look_up(PCI_LOOKUP_VENDOR, id.vendor);
  names.device = look_up(PCI_LOOKUP_DEVICE, id.vendor, id.device);
  names.class_name = look_up(PCI_LOOKUP_CLASS, pci_class(id));
  if (id.subsystem_vendor == 0 || id.subsystem_vendor == 0xffff) return names;
  names.subsystem_vendor = look_up(PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR, id.subsystem_vendor);
  names.subsystem_device = subsystem(id, names.device);
  return names;
}

}  // namespace gpuctl
