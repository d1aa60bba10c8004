// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace fakesys {

namespace {
using nlohmann::json;

std::uint32_t hex(const std::string& text) {
  return static_cast<std::uint32_t>(std::stoul(text, nullptr, 16));
}

/// "10de:25a0"
std::pair<std::uint16_t, std::uint16_t> id_pair(const std::string& text) {
  if (text.size() != 9 || text[4] != ':') throw std::invalid_argument("not VVVV:DDDD: " + text);
  return {static_cast<std::uint16_t>(hex(text.substr(0, 4))),
          static_cast<std::uint16_t>(hex(text.substr(5)))};
}

std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

FunctionSpec function(const json& j, const std::filesystem::path& dir) {
  FunctionSpec f;
  f.address = j.at("address");
  f.parent = j.value("parent", "");
  std::tie(f.vendor, f.device) = id_pair(j.at("id"));
  std::tie(f.subsystem_vendor, f.subsystem_device) = id_pair(j.value("subsystem", "0000:0000"));
  f.class_code = hex(j.at("class"));
  f.revision = static_cast<std::uint8_t>(hex(j.value("revision", "0")));
  f.group = j.value("group", -1);
  f.driver = j.value("driver", "");
  f.reset_methods = j.value("reset", "");
  f.bridge = (f.class_code >> 8) == 0x0604;
  f.boot_vga = j.value("boot_vga", false);
  f.power_control = j.value("power_control", "on");
  if (j.contains("rom")) f.rom = file_bytes(dir / j.at("rom").get<std::string>());
  for (const auto& c : j.value("connectors", json::array()))
    f.connectors.push_back({c.at("name"), c.value("connected", false), c.value("enabled", false)});
  f.supplier = j.value("supplier", "");
  return f;
}

DriverSpec driver(const json& j) {
  return {j.at("name"),
          j.value("module", ""),
          j.value("match", std::vector<std::string>{}),
          j.value("override_only", false),
          j.value("vfio", false),
          j.value("managed_dma", false),
          j.value("creates", "")};
}

ModuleSpec module(const json& j) {
  return {j.at("name"),
          j.value("loaded", false),
          j.value("builtin", false),
          j.value("depends", std::vector<std::string>{}),
          j.value("parameters", std::map<std::string, std::string>{}),
          j.value("version", ""),
          j.value("pins", ""),
          j.value("needs_device", false)};
}

GroupSpec group(const json& j) {
  return {j.value("type", "DMA-FQ"), j.value("name", ""),
          j.value("reserved", std::vector<std::string>{"0x00000000fee00000 0x00000000feefffff msi"})};
}

MachineSpec parse(const json& j, const std::filesystem::path& dir) {
  MachineSpec spec;
  if (j.contains("base")) spec = load_machine(dir / j.at("base").get<std::string>());
  for (const auto& f : j.value("functions", json::array())) {
    auto parsed = function(f, dir);
    std::erase_if(spec.functions, [&](const auto& old) { return old.address == parsed.address; });
    spec.functions.push_back(std::move(parsed));
  }
  for (const std::string& address : j.value("without", std::vector<std::string>{}))
    std::erase_if(spec.functions, [&](const auto& old) { return old.address == address; });
  for (const auto& d : j.value("drivers", json::array())) spec.drivers.push_back(driver(d));
  for (const auto& m : j.value("modules", json::array())) {
    auto parsed = module(m);
    std::erase_if(spec.modules, [&](const auto& old) { return old.name == parsed.name; });
    spec.modules.push_back(std::move(parsed));
  }
  for (const auto& a : j.value("aliases", json::array())) spec.aliases.emplace_back(a.at(0), a.at(1));
  const auto groups = j.value("groups", json::object());
  for (const auto& [number, g] : groups.items()) spec.groups[std::stoi(number)] = group(g);
  for (const auto& [path, text] : j.value("files", std::map<std::string, std::string>{}))
    spec.files[path] = text;
  for (const auto& [path, target] : j.value("links", std::map<std::string, std::string>{}))
    spec.links[path] = target;
  if (j.value("no_iommu", false)) {
    for (auto& f : spec.functions) f.group = -1;
    std::erase_if(spec.links, [](const auto& l) { return l.first.starts_with("class/iommu/"); });
  }
  return spec;
}
}  // namespace

MachineSpec load_machine(const std::string& path) {
  try {
    return parse(json::parse(file_bytes(path), nullptr, true, true),
                 std::filesystem::path(path).parent_path());
  } catch (const std::exception& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

namespace {
void put(std::string& bytes, std::size_t at, std::uint32_t value, int width) {
  for (int i = 0; i < width; ++i)
    bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
}
}  // namespace

std::string config_space(const FunctionSpec& f) {
  std::string c(256, '\0');
  put(c, 0x00, f.vendor, 2);
  put(c, 0x02, f.device, 2);
  put(c, 0x04, 0x0007, 2);  // command: I/O, memory, bus master
  put(c, 0x06, 0x0010, 2);  // status: capability list
  put(c, 0x08, f.revision, 1);
  put(c, 0x09, f.class_code, 3);
  put(c, 0x0e, f.bridge ? 0x01 : 0x80, 1);
  if (!f.bridge) {
    put(c, 0x2c, f.subsystem_vendor, 2);
    put(c, 0x2e, f.subsystem_device, 2);
  }
  put(c, 0x34, 0x60, 1);
  put(c, 0x60, 0x7801, 2);  // power management, next 0x78
  put(c, 0x62, 0x0003, 2);
  put(c, 0x78, 0x0010, 2);  // PCI Express, last
  put(c, 0x7a, f.bridge ? 0x0042 : 0x0002, 2);
  const bool flr = f.reset_methods.find("flr") != std::string::npos;
  put(c, 0x7c, flr ? 1u << 28 : 0u, 4);
  return c;
}

}  // namespace fakesys
