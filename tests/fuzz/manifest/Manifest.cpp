// Fuzzes what reads a plugin before it is trusted: the ELF reader, then the manifest's JSON.
#include "runtime/plugins/Manifest.h"

#include <cstddef>
#include <cstdint>

using namespace plexus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (auto text = findManifest({data, size}, "fuzzed"))
    (void)parseManifest(*text, "fuzzed");
  // The JSON alone as well, which mutated ELF files seldom reach.
  if (auto manifest = parseManifest({reinterpret_cast<const char *>(data), size}, "fuzzed"))
    (void)checkManifestAbi(*manifest, 1, 0);
  return 0;
}
