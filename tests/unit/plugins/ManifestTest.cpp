#include "runtime/plugins/Manifest.h"

#include "runtime/io/MappedFile.h"

#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>

namespace plexus {
namespace {

const std::string greedyPath = PLEXUS_BINARY_DIR "/lib/plexus/plugins/strategy_greedy.so";

std::vector<uint8_t> bytesOf(const std::string &path) {
  auto file = MappedFile::open(path);
  return file ? std::vector<uint8_t>((*file)->data(), (*file)->data() + (*file)->size())
              : std::vector<uint8_t>();
}

TEST(Manifest, IsReadWithoutLoading) {
  auto manifest = readManifest(greedyPath);
  ASSERT_TRUE(manifest) << manifest.status().message();
  EXPECT_EQ(manifest->name, "strategy_greedy");
  ASSERT_EQ(manifest->provides.size(), 1u);
  EXPECT_EQ(manifest->provides[0].kind, "strategy");
  EXPECT_EQ(manifest->provides[0].id, "greedy");
  EXPECT_TRUE(manifest->provides[0].lossless);
}

TEST(Manifest, TruncatedFilesAreErrorsThatNameTheFile) {
  const std::vector<uint8_t> whole = bytesOf(greedyPath);
  ASSERT_GT(whole.size(), 1000u);
  for (size_t size = 0; size < whole.size(); size += size < 4096 ? 1 : 997) {
    const std::vector<uint8_t> cut(whole.begin(),
                                   whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto text = findManifest(cut, "cut.so");
    ASSERT_FALSE(text) << size;
    EXPECT_EQ(text.status().message().rfind("cut.so: ", 0), 0u) << text.status().message();
  }
}

TEST(Manifest, FlippedBytesNeverCrashTheReader) {
  const std::vector<uint8_t> whole = bytesOf(greedyPath);
  const auto *header = reinterpret_cast<const Elf64_Ehdr *>(whole.data());
  // The header and the section table: what the reader follows.
  std::vector<size_t> places;
  for (size_t i = 0; i < sizeof(Elf64_Ehdr); ++i)
    places.push_back(i);
  for (size_t i = header->e_shoff; i < whole.size(); ++i)
    places.push_back(i);
  for (const size_t place : places)
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> bytes = whole;
      bytes[place] ^= flip;
      if (auto text = findManifest(bytes, "flipped.so"))
        (void)parseManifest(*text, "flipped.so");
    }
}

TEST(Manifest, OtherMachinesAndFileTypesAreRefused) {
  std::vector<uint8_t> bytes = bytesOf(greedyPath);
  auto *header = reinterpret_cast<Elf64_Ehdr *>(bytes.data());
  header->e_machine = EM_S390;
  EXPECT_EQ(findManifest(bytes, "p").status().code(), Code::Mismatch);
  bytes = bytesOf(greedyPath);
  header = reinterpret_cast<Elf64_Ehdr *>(bytes.data());
  header->e_type = ET_REL;
  EXPECT_EQ(findManifest(bytes, "p").status().code(), Code::Mismatch);
  const std::string text =
      "not an ELF file at all, but long enough to hold a header of one........";
  EXPECT_EQ(findManifest({reinterpret_cast<const uint8_t *>(text.data()), text.size()}, "p")
                .status()
                .code(),
            Code::Corrupt);
}

TEST(Manifest, WhatIsWrongInTheJsonIsNamed) {
  struct Case {
    const char *json, *message;
  };
  const std::string longName(65, 'n');
  for (const Case &each : std::initializer_list<Case>{
           {"[]", "manifest: expected an object"},
           {"{", "no valid JSON"},
           {R"({"abi": [1], "name": "n", "version": "1", "provides": []})", "manifest.abi"},
           {R"({"abi": [1, -1], "name": "n", "version": "1", "provides": []})", "manifest.abi"},
           {R"({"abi": [1, 0], "version": "1", "provides": []})", "manifest.name"},
           {R"({"abi": [1, 0], "name": "a b", "version": "1", "provides": []})", "manifest.name"},
           {R"({"abi": [1, 0], "name": "n", "version": 1, "provides": []})", "manifest.version"},
           {R"({"abi": [1, 0], "name": "n", "version": "1"})", "manifest.provides"},
           {R"({"abi": [1, 0], "name": "n", "version": "1", "provides": [3]})", "provides[0]"},
           {R"({"abi": [1, 0], "name": "n", "version": "1", "provides": [{"kind": "strategy"}]})",
            "provides[0].id"},
           {R"({"abi": [1, 0], "name": "n", "version": "1",
                "provides": [{"kind": "strategy", "id": "x", "lossless": 1}]})",
            "provides[0].lossless: expected true or false"},
           {R"({"abi": [1, 0], "name": "n", "version": "1",
                "provides": [{"kind": "family", "id": "x", "model_types": "llama"}]})",
            "provides[0].model_types"},
           {R"({"abi": [1, 0], "name": "n", "name": "m", "version": "1", "provides": []})",
            "twice"}}) {
    const auto manifest = parseManifest(each.json, "p.so");
    ASSERT_FALSE(manifest) << each.json;
    EXPECT_NE(manifest.status().message().find(each.message), std::string::npos)
        << manifest.status().message();
  }
  std::string deep = R"({"abi": [1, 0], "name": "n", "version": "1", "provides": [], "x": )";
  deep += std::string(2000, '[') + std::string(2000, ']') + "}";
  EXPECT_FALSE(parseManifest(deep, "p.so"));
}

TEST(Manifest, NewerVersionsAreRefusedAndOlderOnesAreNot) {
  PluginManifest manifest;
  manifest.name = "p";
  const auto check = [&](uint32_t major, uint32_t minor) {
    manifest.abiMajor = major;
    manifest.abiMinor = minor;
    return checkManifestAbi(manifest, 1, 3);
  };
  EXPECT_TRUE(check(1, 0));
  EXPECT_TRUE(check(1, 3));
  EXPECT_EQ(check(1, 4).message(),
            "plugin 'p' wants plugin ABI 1.4, this Plexus has 1.3: use a newer "
            "Plexus, or build the plugin for this one");
  EXPECT_FALSE(check(2, 0));
  EXPECT_NE(check(0, 9).message().find("build the plugin again"), std::string::npos);
}

} // namespace
} // namespace plexus
