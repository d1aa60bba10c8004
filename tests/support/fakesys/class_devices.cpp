// SPDX-License-Identifier: GPL-2.0-or-later
// What drivers make of a function: DRM cards with connectors, sound cards, VFIO devices.
#include <cerrno>

#include "kernel.hpp"

namespace fakesys {

namespace {
/// cardN: the iGPU is card0 where it is the first function of its class.
int class_index(const std::map<std::string, Function>& functions, const std::string& address,
                unsigned base_class) {
  int index = 0;
  for (const auto& [other, f] : functions)
    if (other != address && other < address && f.spec.class_code >> 16 == base_class && !f.spec.bridge)
      ++index;
  return index;
}
}  // namespace

void Kernel::show_class_devices(Function& f, const Driver& driver) {
  const auto index = class_index(functions_, f.spec.address, f.spec.class_code >> 16);
  const auto number = std::to_string(index);
  if (driver.spec.vfio) {
    tree_.file(f.path + "/vfio-dev/vfio" + number + "/dev", "511:" + number + "\n");
  } else if (driver.spec.creates == "drm") {
    const auto card = f.path + "/drm/card" + number;
    tree_.file(card + "/dev", "226:" + number + "\n");
    tree_.file(f.path + "/drm/renderD" + std::to_string(128 + index) + "/dev",
               "226:" + std::to_string(128 + index) + "\n");
    const auto pci = f.spec.address;
    tree_.file(card + "/uevent",
               "MAJOR=226\nMINOR=" + number + "\nDEVNAME=dri/card" + number + "\nDEVTYPE=drm_minor\n", 0644,
               [this, card, number](std::string_view text, Lock&) {
                 const auto action = trimmed(text).substr(0, trimmed(text).find(' '));
                 if (action != "add" && action != "remove" && action != "change") return -EINVAL;
                 if (uevent_)
                   uevent_(action, card, {"SUBSYSTEM=drm", "DEVTYPE=drm_minor", "DEVNAME=dri/card" + number});
                 return 0;
               });
    tree_.link_to(card + "/device", f.path);
    tree_.link_to("/class/drm/card" + number, card);
    for (const auto& c : f.spec.connectors) {
      const auto dir = card + "/card" + number + "-" + c.name;
      tree_.file(dir + "/status", c.connected ? "connected\n" : "disconnected\n", 0644);
      tree_.file(dir + "/enabled", c.enabled ? "enabled\n" : "disabled\n");
      tree_.link_to("/class/drm/card" + number + "-" + c.name, dir);
    }
  } else if (driver.spec.creates == "sound") {
    const auto card = f.path + "/sound/card" + number;
    tree_.file(card + "/number", number + "\n");
    tree_.file(card + "/controlC" + number + "/dev", "116:" + std::to_string(index * 32) + "\n");
    tree_.file(card + "/pcmC" + number + "D3p/dev", "116:" + std::to_string(index * 32 + 3) + "\n");
    tree_.link_to("/class/sound/card" + number, card);
  }
}

void Kernel::hide_class_devices(Function& f) {
  for (const auto* kind : {"drm", "sound"}) {
    const auto* devices = tree_.find(f.path + "/" + kind);
    if (!devices) continue;
    std::vector<std::string> links;
    for (const auto& [name, node] : devices->children) {
      links.push_back(name);
      for (const auto& [inner, ignored] : node.children) links.push_back(inner);
    }
    for (const auto& name : links) tree_.erase(std::string("/class/") + kind + "/" + name);
    tree_.erase(f.path + "/" + kind);
  }
  tree_.erase(f.path + "/vfio-dev");
}

}  // namespace fakesys
