// The artifact's container on disk, version 1 (docs/artifact-format.md). Little endian throughout.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace plexus::artifact {

inline constexpr std::string_view kMagic{"PLEXUS\x1a\n", 8};
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kAlignment = 4096; ///< Of each section; the first follows the header page.
inline constexpr size_t kHashChunk = size_t(1) << 20; ///< Bytes of weights under one hash.

using Hash128 = std::array<uint8_t, 16>; ///< XXH3-128, canonical (big endian) form.

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t sectionCount;
  uint64_t fileSize;
  Hash128 tableHash;
};
static_assert(sizeof(Header) == 40);

enum class SectionKind : uint32_t {
  Manifest = 1,     ///< The program, JSON.
  Code = 2,         ///< ELF shared object, named "code.<isa>".
  Text = 3,         ///< tokenizer, chat_template, ir.
  Weights = 4,      ///< Its entry's hash is that of the section of hashes.
  WeightHashes = 5, ///< XXH3-64 of each chunk of the weights, canonical form.
};

struct SectionEntry {
  char name[32]; ///< Zero padded; at most 31 characters.
  uint64_t offset, size;
  Hash128 hash;
  uint32_t kind;
  uint32_t flags; ///< 0.
};
static_assert(sizeof(SectionEntry) == 72);

/// Header and table fit the first page.
inline constexpr uint32_t kMaxSections = (kAlignment - sizeof(Header)) / sizeof(SectionEntry);

inline constexpr std::string_view kManifest = "manifest";
inline constexpr std::string_view kCodePrefix = "code.";
inline constexpr std::string_view kTokenizer = "tokenizer";
inline constexpr std::string_view kChatTemplate = "chat_template";
inline constexpr std::string_view kIr = "ir";
inline constexpr std::string_view kWeights = "weights";
inline constexpr std::string_view kWeightHashes = "weights.hashes";

Hash128 hash128(const void *bytes, size_t size);
/// XXH3-64 as it stands in the section of hashes: eight bytes, big endian.
std::array<uint8_t, 8> hash64(const void *bytes, size_t size);

inline uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

} // namespace plexus::artifact
