// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/report.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "host/redact.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::ordered_json;

bool is_text(std::string_view contents) {
  return std::ranges::none_of(contents,
                              [](unsigned char c) { return c < ' ' && c != '\t' && c != '\n' && c != '\r'; });
}

/// Also for texts that are not UTF-8: the document must always parse.
bool is_utf8(const std::string& contents) {
  try {
    static_cast<void>(Json(contents).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

Json value_of(const Redactor& redactor, const std::string& path, const std::string& contents) {
  if (!is_text(contents) || !is_utf8(contents))
    return {
        {"hex",
         fmt::format("{:02x}", fmt::join(std::vector<unsigned char>(contents.begin(), contents.end()), ""))}};
  return redactor.contents(path, contents);
}

/// Tables of every module ever built tell nothing about this machine; what is looked up in them is in the
/// findings.
bool is_wanted(const std::string& path) {
  return path.find("/modules.alias") == std::string::npos && path.find("pci.ids") == std::string::npos &&
         path.find("/modules.dep") == std::string::npos;
}

/// May everybody read the file, and enter every directory on the way? The report goes to anybody who asks.
bool is_public(const RootDir& root, const std::filesystem::path& path) {
  struct stat st {};
  auto place = root.path();
  for (const auto& part : path.parent_path()) {
    place /= part;
    if (::stat(place.c_str(), &st) != 0 || (st.st_mode & S_IXOTH) == 0) return false;
  }
  return ::stat((root.path() / path).c_str(), &st) == 0 && (st.st_mode & S_IROTH) != 0;
}

/// What an ordinary user gets of a PCI configuration space: no capabilities, thus no serial number.
std::string public_part(const std::string& path, const std::string& contents) {
  constexpr std::size_t header_size = 64;
  const bool config_space = path.starts_with("sys/") && path.ends_with("/config");
  return config_space ? contents.substr(0, header_size) : contents;
}

Json files(const Redactor& redactor, const RootDir& root, const Recording& recording) {
  auto json = Json::object();
  for (const auto& [path, contents] : recording.files)
    if (is_wanted(path) && is_public(root, path))
      json[redactor.path(path)] = value_of(redactor, path, public_part(path, contents));
  return json;
}

Json directories(const Redactor& redactor, const Recording& recording) {
  auto json = Json::object();
  for (const auto& [path, names] : recording.directories) {
    auto list = Json::array();
    for (const auto& name : names) list.push_back(redactor.path(name));
    json[redactor.path(path)] = list;
  }
  return json;
}

Json caller_json(const Caller& caller) {
  Json json{{"uid", caller.uid}};
  if (caller.groups) json["groups"] = *caller.groups;
  return json;
}

Json findings_json(const Redactor& redactor, const Problems& findings) {
  auto json = Json::array();
  for (const auto& f : findings)
    json.push_back({{"id", f.id},
                    {"severity", to_string(f.severity)},
                    {"subject", redactor.path(f.subject)},
                    {"message", redactor.text(f.message)},
                    {"remedy", redactor.text(f.remedy)}});
  return json;
}

}  // namespace

void Recording::on_read(const std::string& path, const std::optional<std::string>& contents) {
  if (contents) files[path] = *contents;
}

void Recording::on_link(const std::string& path, const std::optional<std::string>& target) {
  if (target) links[path] = *target;
}

void Recording::on_list(const std::string& path, const std::vector<std::string>& names) {
  if (!names.empty()) directories[path] = names;
}

void Recording::on_exists(const std::string& path, bool exists) {
  if (exists) present.insert(path);
}

std::string report(const RootDir& root, const Recording& recording, const Caller& caller,
                   const Problems& findings) {
  const Redactor redactor{root, caller.uid};
  Json links = Json::object();
  for (const auto& [path, target] : recording.links) links[redactor.path(path)] = redactor.path(target);
  Json present = Json::array();
  for (const auto& path : recording.present) present.push_back(redactor.path(path));
  const Json json{{"format", 1},
                  {"caller", caller_json(caller)},
                  {"files", files(redactor, root, recording)},
                  {"links", links},
                  {"directories", directories(redactor, recording)},
                  {"present", present},
                  {"findings", findings_json(redactor, findings)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gpuctl
