// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

/// One x86 image of 512 bytes for the reference laptop's GPU, with a good checksum.
std::string good_rom() {
  std::string rom(512, '\0');
  rom.replace(0, 3, "\x55\xaa\x01");
  rom[0x18] = 0x1c;
  rom.replace(0x1c, 4, "PCIR");
  rom.replace(0x20, 4, "\xde\x10\xa0\x25");
  rom[0x26] = 0x18;                            // length of the structure
  rom[0x1c + 0x0f] = 3;                        // base class: display
  rom[0x1c + 0x10] = 1;                        // 512 bytes
  rom[0x1c + 0x15] = static_cast<char>(0x80);  // the last image
  unsigned sum = 0;
  for (const char c : rom) sum += static_cast<unsigned char>(c);
  rom[511] = static_cast<char>(-sum & 0xff);
  return rom;
}

struct Directory {
  std::filesystem::path path;
  Directory() {
    auto name = (std::filesystem::temp_directory_path() / "gpuctl-rom-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream{path / name, std::ios::binary} << bytes;
    return path / name;
  }
  std::string get(const std::string& name) const {
    std::ifstream file{path / name, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
};

Program laptop_with(const std::string& rom) {
  Program program;
  program.daemon.objects = reference_laptop();
  program.daemon.rom = rom;
  return program;
}

Outcome dump_to(const std::filesystem::path& output) {
  return laptop_with(good_rom()).run({"rom", "dump", "01:00", "--output", output});
}

/// While it lives, what this process prints goes to a file.
class OutputInto {
 public:
  explicit OutputInto(const std::string& path) : before_(dup(STDOUT_FILENO)) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(file, STDOUT_FILENO);
    close(file);
  }
  ~OutputInto() {
    dup2(before_, STDOUT_FILENO);
    close(before_);
  }
  OutputInto(const OutputInto&) = delete;
  OutputInto& operator=(const OutputInto&) = delete;

 private:
  int before_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("rom show lists the images of a GPU's ROM") {
  auto program = laptop_with(good_rom());
  CHECK(program.run({"rom", "show", "01:00"}).out == "0x0\t512\tx86\t10de:25a0\t030000\tgood\tlast\n");
  CHECK(program.daemon.calls.back() == "read_rom '0000:01:00.0'");
  const auto json = nlohmann::json::parse(program.run({"rom", "show", "01:00", "--json"}).out);
  CHECK(json["rom"]["present"] == true);
  CHECK(json["rom"]["images"][0]["checksum_good"] == true);
  CHECK(json["rom"]["shows_picture_under_uefi"] == false);
}

TEST_CASE("a ROM file is read without a daemon") {
  const Directory here;
  Program program;
  const auto outcome = program.run({"rom", "show", here.put("card.rom", good_rom())});
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.out, "10de:25a0"));
  CHECK(program.connections == 0);
}

TEST_CASE("rom check compares the ROM with the card it was read from") {
  auto program = laptop_with(good_rom());
  const auto own = program.run({"rom", "check", "01:00"});
  CHECK(own.status == 0);
  CHECK_FALSE(contains(own.out, "rom-other-card"));
  CHECK(contains(program.run({"rom", "check", "8086:46a6"}).out, "rom-other-card"));
}

TEST_CASE("rom check refuses what is no ROM") {
  auto program = laptop_with(std::string(4096, '\xff'));
  const auto outcome = program.run({"rom", "check", "01:00"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.starts_with("blocker\trom-asleep\t"));
}

TEST_CASE("rom show of what is no ROM has nothing to show, and its exit status says so") {
  Directory here;
  const auto path = (here.path / "x").string();
  std::ofstream{path} << "no ROM at all";
  Program program;
  const auto outcome = program.run({"rom", "show", path});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.empty());
  CHECK_FALSE(outcome.err.empty());
  CHECK(program.run({"--json", "rom", "show", path}).status == 3);
}

TEST_CASE("a card without a ROM is no problem") {
  auto program = laptop_with("");
  program.daemon.failures.emplace("read_rom", refusal("NotSupported", "no ROM"));
  const auto outcome = program.run({"rom", "check", "01:00"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.starts_with("info\trom-none\t0000:01:00.0\t"));
  const auto shown = program.run({"rom", "show", "01:00"});
  CHECK(shown.status == 0);
  CHECK(shown.out.empty());
  CHECK(contains(shown.err, "has no ROM of its own: normal for a laptop"));
}

TEST_CASE("rom dump writes the ROM as a VM is to be given it, or with --raw as it is") {
  const Directory here;
  const auto padded = good_rom() + std::string(1024, '\xff');
  auto program = laptop_with(padded);
  CHECK(program.run({"rom", "dump", "01:00", "--output", here.path / "out"}).status == 0);
  CHECK(here.get("out") == good_rom());
  CHECK(program.run({"rom", "dump", "01:00", "--raw", "--output", here.path / "out"}).status == 0);
  CHECK(here.get("out") == padded);
  CHECK(program.run({"rom", "dump", "01:00"}).out == good_rom());
}

TEST_CASE("a ROM is no JSON document: with --json its file must be named") {
  auto program = laptop_with(good_rom());
  const auto outcome = program.run({"rom", "dump", "01:00", "--json"});
  CHECK(outcome.status == 2);
  CHECK(nlohmann::json::parse(outcome.out)["error"]["name"] == "InvalidArgument");
}

TEST_CASE("rom dump leaves a file alone when there is nothing good to write") {
  const Directory here;
  here.put("out", "kept");
  auto program = laptop_with("no ROM at all");
  CHECK(program.run({"rom", "dump", "01:00", "--output", here.path / "out"}).status == 3);
  CHECK(here.get("out") == "kept");
}

TEST_CASE("rom dump writes into a device or a FIFO and leaves it what it is") {
  const Directory here;
  const auto fifo = here.path / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  CHECK(dump_to(fifo).status == 0);
  REQUIRE(std::filesystem::is_fifo(fifo));
  std::array<char, 1024> read_back{};
  CHECK(read(reader, read_back.data(), read_back.size()) == 512);
  CHECK(std::string{read_back.data(), 512} == good_rom());
  close(reader);
  std::filesystem::create_symlink("/dev/null", here.path / "null");  // through a link, to lose no device
  CHECK(dump_to(here.path / "null").status == 0);
  CHECK(std::filesystem::is_character_file(here.path / "null"));
  std::filesystem::create_symlink("/dev/full", here.path / "full");
  const auto full = dump_to(here.path / "full");
  CHECK(full.status == 3);
  CHECK(contains(full.err, "full cannot be written: No space left on device"));
}

TEST_CASE("rom dump through a link replaces the file behind it, there already or not") {
  const Directory here;
  std::filesystem::create_directory(here.path / "real");
  here.put("real/card.rom", "older");
  for (const auto* target : {"real/card.rom", "real/new.rom"}) {
    const auto link = here.path / std::filesystem::path{target}.filename();
    std::filesystem::create_symlink(target, link);
    CHECK(dump_to(link).status == 0);
    CHECK(std::filesystem::is_symlink(link));
    CHECK(here.get(target) == good_rom());
  }
  const std::filesystem::directory_iterator left{here.path / "real"};
  CHECK(std::distance(begin(left), end(left)) == 2);
}

TEST_CASE("a link that leads to no file that can be written stays, and the reason is told") {
  const Directory here;
  std::filesystem::create_symlink("missing/card.rom", here.path / "astray");
  std::filesystem::create_symlink("circle", here.path / "circle");
  std::filesystem::create_symlink(".", here.path / "directory");
  CHECK(contains(dump_to(here.path / "astray").err, "astray cannot be written: No such file or directory"));
  CHECK(contains(dump_to(here.path / "circle").err, "circle cannot be written: Too many levels"));
  CHECK(contains(dump_to(here.path / "directory").err, "directory cannot be written: Is a directory"));
  CHECK(contains(dump_to(here.path).err, "cannot be written: Is a directory"));
  for (const auto* link : {"astray", "circle", "directory"})
    CHECK(std::filesystem::is_symlink(here.path / link));
}

TEST_CASE("rom dump to the file of the standard output adds to what is printed there") {
  const Directory here;
  std::filesystem::create_symlink("/dev/stdout", here.path / "stdout");
  Outcome outcome;
  {
    const OutputInto into{here.path / "out"};
    REQUIRE(write(STDOUT_FILENO, "before ", 7) == 7);
    outcome = dump_to(here.path / "stdout");
    REQUIRE(write(STDOUT_FILENO, " after", 6) == 6);
  }
  CHECK(outcome.status == 0);
  CHECK(here.get("out") == "before " + good_rom() + " after");
}

TEST_CASE("rom dump does not pour bytes over a terminal") {
  auto program = laptop_with(good_rom());
  program.terminal = true;
  CHECK(program.run({"rom", "dump", "01:00"}).status == 2);
}

TEST_CASE("a file without an end is not read for ever") {
  Program program;
  const auto endless = program.run({"rom", "check", "/dev/zero"});
  CHECK(endless.status == 2);
  CHECK(endless.err.starts_with("gpuctl: /dev/zero has more than 16 MiB, the most that is read"));
}

TEST_CASE("a file that cannot be read or written is told with its name") {
  Program program;
  const auto missing = program.run({"rom", "show", "/nonexistent/card.rom"});
  CHECK(missing.status == 5);
  CHECK(missing.err.starts_with("gpuctl: /nonexistent/card.rom cannot be read: No such file"));
  auto laptop = laptop_with(good_rom());
  CHECK(laptop.run({"rom", "dump", "01:00", "--output", "/nonexistent/card.rom"}).status == 3);
}

TEST_CASE("a directory is no ROM file") {
  const Directory here;
  Program program;
  CHECK(program.run({"rom", "show", here.path}).status == 5);
}
