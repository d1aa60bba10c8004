// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/kernel_args_record.hpp"

#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "host/apply.hpp"
#include "os/replace_file.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

std::optional<std::string> whole(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

Json json_of(const FileEdits& edits) { return Json::parse(to_json(ApplyRequest{edits, {}})).at("edits"); }

FileEdits edits_from(const Json& json) {
  return apply_request(Json{{"edits", json}, {"tools", Json::array()}}.dump()).edits;
}

}  // namespace

std::filesystem::path record_file(const std::filesystem::path& state) { return state / "kernel-args.json"; }

std::vector<KernelArgumentsRecord> read_records(const std::filesystem::path& file) {
  const auto text = whole(file);
  if (!text) return {};
  try {
    const auto json = Json::parse(*text);
    std::vector<KernelArgumentsRecord> all;
    for (const auto& r : json.at("changes"))
      all.push_back({r.at("mechanism"),
                     {r.at("add"), r.at("remove")},
                     edits_from(r.at("edits")),
                     edits_from(r.at("watched"))});
    return all;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::internal, fmt::format("{}: {}", file.string(), e.what()));
  }
}

void keep_records(const std::filesystem::path& file, const std::vector<KernelArgumentsRecord>& all) {
  if (all.empty()) return remove_file(file);
  Json changes = Json::array();
  for (const auto& r : all)
    changes.push_back({{"mechanism", r.mechanism},
                       {"add", r.change.add},
                       {"remove", r.change.remove},
                       {"edits", json_of(r.edits)},
                       {"watched", json_of(r.watched)}});
  replace_file(file, Json{{"format", 1}, {"changes", changes}}.dump(1) + "\n", 0600);
}

}  // namespace gpuctl
