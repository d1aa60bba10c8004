// SPDX-License-Identifier: GPL-2.0-or-later
#include "control.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace fakesys {

namespace {
using nlohmann::json;
using Words = std::vector<std::string>;
using Command = std::function<json(Kernel&, const Words&, Lock&)>;

json done() { return {{"ok", true}}; }
json result(int code) { return code == 0 ? done() : json{{"error", strerrorname_np(-code)}}; }

std::string word(const Words& words, std::size_t i) {
  if (i >= words.size()) throw std::invalid_argument("too few words");
  return words[i];
}
int number(const Words& words, std::size_t i, int otherwise) {
  return i < words.size() ? std::stoi(words[i]) : otherwise;
}

json state(Kernel& kernel, const Words&, Lock&) {
  json functions = json::object();
  for (const auto& [address, f] : kernel.functions())
    functions[address] = {{"driver", f.driver},
                          {"uevent_driver", f.uevent_driver},
                          {"override", f.override_},
                          {"power_control", f.power_control},
                          {"power_state", f.power_state},
                          {"d3cold_allowed", f.d3cold_allowed},
                          {"group", f.spec.group},
                          {"removing", f.removing},
                          {"resets", f.resets}};
  return {{"ok", true}, {"functions", functions}};
}

json writes(Kernel& kernel, const Words&, Lock&) {
  json list = json::array();
  for (const auto& w : kernel.record())
    list.push_back({{"path", w.path}, {"text", w.text}, {"result", w.result}, {"pid", w.pid}});
  return {{"ok", true}, {"writes", list}, {"held", kernel.held()}};
}

/// Adds a fault; `with_code`: the word after the pattern is its errno or its milliseconds.
Command fault(Fault::Kind kind, bool with_code) {
  return [kind, with_code](Kernel& kernel, const Words& words, Lock&) {
    Fault fault{kind, word(words, 1)};
    if (with_code)
      fault.code = kind == Fault::Kind::delay ? std::stoi(word(words, 2)) : errno_of(word(words, 2));
    if (with_code && fault.code == 0) throw std::invalid_argument("unknown errno " + words[2]);
    const std::size_t next = with_code ? 3 : 2;
    fault.skip = number(words, next, 0);
    fault.count = number(words, next + 1, -1);
    kernel.faults().add(fault);
    return done();
  };
}

json clear(Kernel& kernel, const Words& words, Lock&) {
  if (words.size() > 1) {
    kernel.faults().clear(words[1]);
  } else {
    kernel.faults().clear();
  }
  kernel.faults_changed();
  return done();
}

/// A command without an answer of its own.
template <class Act>
Command act(Act what) {
  return [what](Kernel& kernel, const Words& words, Lock& lock) {
    what(kernel, words, lock);
    return done();
  };
}

const std::map<std::string, Command>& commands() {
  using Kind = Fault::Kind;
  static const std::map<std::string, Command> table{
      {"state", state},
      {"writes", writes},
      {"forget", act([](Kernel& k, const Words&, Lock&) { k.forget_record(); })},
      {"fail", fault(Kind::error, true)},
      {"late-fail", fault(Kind::late_error, true)},
      {"block", fault(Kind::block, false)},
      {"delay", fault(Kind::delay, true)},
      {"vanish", fault(Kind::vanish, false)},
      {"short", fault(Kind::short_write, false)},
      {"clear", clear},
      {"probe-error", act([](Kernel& k, const Words& w, Lock&) {
         k.set_probe_error(word(w, 1), word(w, 2), errno_of(word(w, 3)));
       })},
      {"hang-remove",
       act([](Kernel& k, const Words& w, Lock&) { k.set_hanging_remove(word(w, 1), word(w, 2) == "1"); })},
      {"own", act([](Kernel& k, const Words& w, Lock&) {
         k.set_group_owned(std::stoi(word(w, 1)), word(w, 2) == "1");
       })},
      {"load", [](Kernel& k, const Words& w, Lock& lock) { return result(k.load_module(word(w, 1), lock)); }},
      {"unload",
       [](Kernel& k, const Words& w, Lock& lock) { return result(k.unload_module(word(w, 1), lock)); }},
      {"unplug", act([](Kernel& k, const Words& w, Lock& lock) { k.unplug(word(w, 1), lock); })},
      {"plug", act([](Kernel& k, const Words& w, Lock& lock) { k.plug(word(w, 1), lock); })},
      {"dead", act([](Kernel& k, const Words& w, Lock&) { k.set_present(word(w, 1), word(w, 2) != "1"); })},
      {"restart", act([](Kernel& k, const Words&, Lock& lock) { k.restart(lock); })},
  };
  return table;
}

void converse(Kernel& kernel, int fd) {
  std::string pending;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    pending.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      const auto reply = run_command(kernel, pending.substr(0, end)) + "\n";
      if (write(fd, reply.data(), reply.size()) < 0) break;
    }
  }
  close(fd);
}
}  // namespace

std::string run_command(Kernel& kernel, const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string w; in >> w;) words.push_back(w);
  try {
    const auto command = commands().find(word(words, 0));
    if (command == commands().end()) throw std::invalid_argument("unknown command " + words[0]);
    Lock lock(kernel.mutex());
    return command->second(kernel, words, lock).dump(-1, ' ', false, json::error_handler_t::replace);
  } catch (const std::exception& e) {
    return json{{"error", e.what()}}.dump();
  }
}

void start_control(Kernel& kernel, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::invalid_argument("socket path too long: " + path);
  path.copy(address.sun_path, path.size());
  unlink(path.c_str());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener, 16) < 0)
    throw std::runtime_error("cannot listen at " + path + ": " + std::strerror(errno));
  std::thread([&kernel, listener] {
    for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
      std::thread([&kernel, fd] { converse(kernel, fd); }).detach();
  }).detach();
}

}  // namespace fakesys
