// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/captured_machine.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuctl::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string whole_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) throw std::runtime_error(fmt::format("cannot read {}", path.string()));
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in{text};
  return {std::istream_iterator<std::string>(in), {}};
}

unsigned long number(const std::string& text, int base) { return std::stoul(text, nullptr, base); }

std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
    } else if (text[++i] == 'x') {
      result += static_cast<char>(number(text.substr(i + 1, 2), 16));
      i += 2;
    } else {
      result += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return result;
}

std::pair<std::string, std::string> halves(const std::string& text, const std::string& separator) {
  const auto at = text.find(separator);
  if (at == std::string::npos)
    throw std::runtime_error(fmt::format("\"{}\" missing in: {}", separator, text));
  return {text.substr(0, at), text.substr(at + separator.size())};
}

class TreeReader {
 public:
  explicit TreeReader(CapturedMachine& captured) : captured_(captured), m_(captured.machine) {}

  void read(const fs::path& path) {
    std::istringstream in{whole_file(path)};
    std::string pending;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("  ") && !block_.empty()) {
        block_text_ += line.substr(2) + "\n";
        continue;
      }
      end_block();
      if (!line.empty() && line.front() != '#') statement(line, path);
    }
    end_block();
  }

 private:
  void end_block() {
    if (!block_.empty()) m_.file(block_, block_text_);
    block_.clear();
    block_text_.clear();
  }

  void statement(const std::string& line, const fs::path& path) {
    const auto space = line.find(' ');
    const auto verb = line.substr(0, space);
    const auto rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (verb == "include") return TreeReader{captured_}.read(path.parent_path() / rest);
    const auto it = verbs_.find(verb);
    if (it == verbs_.end())
      throw std::runtime_error(fmt::format("{}: unknown statement: {}", path.string(), line));
    it->second(rest);
  }

  void file(const std::string& rest) {
    if (rest.find(" = ") == std::string::npos) {
      block_ = rest;
      return;
    }
    const auto [name, text] = halves(rest, " = ");
    m_.file(name, unescaped(text) + "\n");
  }

  void attribute(const std::string& rest) {
    const auto [left, text] = halves(rest, " = ");
    const auto w = words_of(left);
    m_.set(w.at(0), w.at(1), unescaped(text) + "\n");
  }

  static PciIdentity identity(const std::vector<std::string>& w) {
    const auto [vendor, device] = halves(w.at(1), ":");
    const auto [sub_vendor, sub_device] = halves(w.at(2), ":");
    return {static_cast<std::uint16_t>(number(vendor, 16)), static_cast<std::uint16_t>(number(device, 16)),
            static_cast<std::uint16_t>(number(sub_vendor, 16)),
            static_cast<std::uint16_t>(number(sub_device, 16)),
            static_cast<std::uint32_t>(number(w.at(3), 16))};
  }

  void pci(const std::string& rest) {
    const auto w = words_of(rest);
    std::map<std::string, std::string> keys;
    for (std::size_t i = 4; i < w.size(); ++i) keys.insert(halves(w[i], "="));
    FakeFunction f{.id = identity(w), .driver = keys["driver"]};
    f.reset_methods = keys["reset"];
    std::ranges::replace(f.reset_methods, ',', ' ');
    if (keys.contains("power")) f.power_state = keys["power"];
    if (keys.contains("runtime")) f.runtime_status = keys["runtime"];
    if (keys.contains("control")) f.power_control = keys["control"];
    if (keys.contains("boot_vga")) f.boot_vga = keys["boot_vga"] == "1";
    if (keys["rom"] == "yes") f.rom = "\x55\xaa";
    const bool bridge = (f.id.class_code >> 8U) == 0x0604;
    if (bridge)
      m_.bridge(w[0], f.driver.empty() ? "pcieport" : f.driver, f);
    else
      m_.function(w[0], f);
    if (keys.contains("group")) m_.group(static_cast<unsigned>(number(keys["group"], 10)), {w[0]});
  }

  void connector(const std::string& rest) {
    const auto w = words_of(rest);
    m_.connector(w.at(0), std::stoi(w.at(1)), w.at(2), w.at(3) == "connected", w.at(4) == "enabled");
  }

  void drm(const std::string& rest) {
    const auto w = words_of(rest);
    m_.drm(w.at(0), std::stoi(w.at(1)), std::stoi(w.at(2)));
  }

  void driver(const std::string& rest) {
    const auto w = words_of(rest);
    m_.driver(w.at(0), w.size() > 1 ? w[1] : "");
  }

  void link(const std::string& rest) {
    const auto [path, target] = halves(rest, " -> ");
    fs::create_directories((m_.root() / path).parent_path());
    fs::create_symlink(target, m_.root() / path);
  }

  void device_link(const std::string& rest) {
    const auto w = words_of(rest);
    m_.device_link(w.at(0), w.at(1));
  }

  void caller(const std::string& rest) {
    const auto w = words_of(rest);
    captured_.uid = static_cast<uid_t>(number(w.at(0), 10));
    captured_.groups.emplace();
    for (std::size_t i = 1; i < w.size(); ++i)
      captured_.groups->push_back(static_cast<gid_t>(number(w[i], 10)));
  }

  CapturedMachine& captured_;
  FakeMachine& m_;
  std::string block_, block_text_;  ///< a file whose indented lines are being collected
  const std::map<std::string, std::function<void(const std::string&)>> verbs_{
      {"file", [this](const auto& r) { file(r); }},
      {"attribute", [this](const auto& r) { attribute(r); }},
      {"pci", [this](const auto& r) { pci(r); }},
      {"connector", [this](const auto& r) { connector(r); }},
      {"drm", [this](const auto& r) { drm(r); }},
      {"driver", [this](const auto& r) { driver(r); }},
      {"module", [this](const auto& r) { m_.module(r); }},
      {"iommu", [this](const auto& r) { m_.iommu(r); }},
      {"mux", [this](const auto& r) { m_.gpu_mux_mode(std::stoi(r)); }},
      {"link", [this](const auto& r) { link(r); }},
      {"link-devices", [this](const auto& r) { device_link(r); }},
      {"absent", [this](const auto& r) { m_.erase(r); }},
      {"caller", [this](const auto& r) { caller(r); }},
  };
};

std::string bytes_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  const auto hex = value.at("hex").get<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(number(hex.substr(i, 2), 16));
  return bytes;
}

/// A link is made first, and where it leads a directory, so that what was read through it has a place.
void unpack_link(const fs::path& root, const std::string& path, const std::string& target) {
  const auto full = root / path;
  fs::create_directories(full.parent_path());
  if (fs::exists(fs::symlink_status(full))) return;
  const auto inside =
      target.starts_with('/') ? fs::relative(root / target.substr(1), full.parent_path()) : fs::path(target);
  const auto end = (full.parent_path() / inside).lexically_normal();
  if (end.string().starts_with(root.string())) fs::create_directories(end);
  fs::create_symlink(inside, full);
}

void unpack_report(const Json& json, CapturedMachine& captured) {
  const auto& root = captured.machine.root();
  captured.uid = json.at("caller").at("uid");
  if (const auto& caller = json.at("caller"); caller.contains("groups"))
    captured.groups = caller.at("groups").get<std::vector<gid_t>>();
  for (const auto& [path, target] : json.at("links").items()) unpack_link(root, path, target);
  for (const auto& [path, value] : json.at("files").items()) captured.machine.file(path, bytes_of(value));
  for (const auto& [path, names] : json.at("directories").items()) fs::create_directories(root / path);
  for (const auto& [path, names] : json.at("directories").items())
    for (const auto& name : names)
      if (const auto entry = root / path / name.get<std::string>(); !fs::exists(fs::symlink_status(entry)))
        std::ofstream{entry};
  for (const auto& path : json.at("present"))
    if (const auto full = root / path.get<std::string>(); !fs::exists(full)) captured.machine.file(path, "");
}

}  // namespace

CapturedMachine::CapturedMachine(const fs::path& file) {
  if (file.extension() == ".json")
    unpack_report(Json::parse(whole_file(file)), *this);
  else
    TreeReader{*this}.read(file);
}

}  // namespace gpuctl::test
