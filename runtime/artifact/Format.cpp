// Hashes of the artifact's container.
#include "runtime/artifact/Format.h"

#include <cstring>
#include <xxhash.h>

namespace plexus::artifact {

Hash128 hash128(const void *bytes, size_t size) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
  Hash128 hash;
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

std::array<uint8_t, 8> hash64(const void *bytes, size_t size) {
  XXH64_canonical_t canonical;
  XXH64_canonicalFromHash(&canonical, XXH3_64bits(bytes, size));
  std::array<uint8_t, 8> hash;
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

} // namespace plexus::artifact
