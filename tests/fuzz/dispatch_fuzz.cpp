// SPDX-License-Identifier: GPL-2.0-or-later
// Calls as they come from the bus, through libsystemd, sdbus-c++ and the daemon's own objects, in one
// process: any member with any values, while polkit and the workers say anything. Each call gets one answer;
// an error has a name of ours or of D-Bus, and a text.
#include <algorithm>
#include <cstdlib>

#include <pugixml.hpp>

#include "fuzz/bus_values.hpp"
#include "fuzz/dispatch_world.hpp"
#include "fuzz/fuzz.hpp"

namespace {

struct Member {
  std::string interface, name, signature;
};

constexpr auto properties_interface = "org.freedesktop.DBus.Properties";

std::string signature_in(const pugi::xml_node& method) {
  std::string types;
  for (const auto& argument : method.children("arg"))
    if (std::string_view{argument.attribute("direction").as_string("in")} == "in")
      types += argument.attribute("type").as_string();
  return types;
}

/// Everything that the daemon exports, from the files that its adaptors are made of.
std::vector<Member> all_members() {
  std::vector<Member> found{{properties_interface, "Get", "ss"},
                            {properties_interface, "Set", "ssv"},
                            {properties_interface, "GetAll", "s"},
                            {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""},
                            {"org.freedesktop.DBus.Introspectable", "Introspect", ""}};
  for (const auto* name : {"Gpu", "Host", "IommuGroup", "Manager", "Operation", "Vms"}) {
    pugi::xml_document document;
    if (!document.load_file((std::string{INTERFACES} + "/org.gpuctl1." + name + ".xml").c_str()))
      std::abort();
    for (const auto& interface : document.child("node").children("interface"))
      for (const auto& method : interface.children("method"))
        found.push_back({interface.attribute("name").as_string(), method.attribute("name").as_string(),
                         signature_in(method)});
  }
  return found;
}

class Caller {
 public:
  explicit Caller(fuzz::Bytes& bytes) : bytes_(bytes) {}

  void call() {
    static const auto members = all_members();
    const auto& member = members[bytes_.below(members.size())];
    const auto how = bytes_.next();
    fuzz::BusPeer::caller_is_known(how % 32 != 31);
    auto* message = new_call(member);
    fuzz::append_values(message, how % 8 == 7 ? fuzz::any_signature(bytes_) : member.signature, bytes_);
    expect_answer(world().peer().send(message));
    sd_bus_message_unref(message);
  }

  static fuzz::DispatchWorld& world() {
    static fuzz::DispatchWorld made;
    return made;
  }

 private:
  std::string path_for(const Member& member) {
    const auto choice = bytes_.next();
    if (member.interface == "org.gpuctl1.Gpu" || choice % 16 == 13) return "/org/gpuctl1/gpus/0000_01_00";
    if (member.interface == "org.gpuctl1.IommuGroup" || choice % 16 == 14) return "/org/gpuctl1/groups/15";
    if (member.interface == "org.gpuctl1.Operation" || choice % 16 == 15) return operation_;
    return "/org/gpuctl1";
  }

  sd_bus_message* new_call(const Member& member) {
    sd_bus_message* message = nullptr;
    if (sd_bus_message_new_method_call(world().peer().bus(), &message, nullptr, path_for(member).c_str(),
                                       member.interface.c_str(), member.name.c_str()) < 0)
      std::abort();
    return message;
  }

  void expect_answer(std::uint64_t serial) {
    std::vector<fuzz::BusPeer::Reply> replies;
    for (int rounds = 0; replies.empty(); ++rounds) {
      if (rounds == most_rounds) std::abort();
      world().turn();
      replies = world().peer().take_replies(serial);
    }
    if (replies.size() != 1 || !is_proper(replies[0])) std::abort();
    if (replies[0].path.starts_with("/org/gpuctl1/operations/")) operation_ = replies[0].path;
  }

  static bool is_proper(const fuzz::BusPeer::Reply& reply) {
    return !reply.failed ||
           (!reply.message.empty() && (reply.error.starts_with("org.gpuctl1.Error.") ||
                                       reply.error.starts_with("org.freedesktop.DBus.Error.")));
  }

  static constexpr int most_rounds = 100;
  fuzz::Bytes& bytes_;
  std::string operation_{"/org/gpuctl1/operations/1"};  ///< the latest that was started
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto& world = Caller::world();
  world.script() = {data, size};
  Caller caller{world.script()};
  do caller.call();
  while (!world.script().empty());
  for (int rounds = 0; world.busy(); ++rounds) {
    if (rounds == 100) std::abort();
    world.turn();
  }
  world.forget();
  return 0;
}

/// A member's number, how it is called, where, and values; long enough to reach the answers of polkit and of
/// the workers.
std::vector<std::string> fuzz::seeds() {
  std::vector<std::string> found;
  for (char member = 0; member < 32; ++member)
    for (const char* rest : {"\0\0\1\5\0\1\0\0\2\1\0", "\1\0\2\1\3\2\1\3\2\7\5\4", "\7\0\3\2\1\5\2\3\2"})
      found.push_back(member + std::string(rest, 9));
  return found;
}
