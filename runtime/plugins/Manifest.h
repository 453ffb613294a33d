// A plugin's manifest: found in the ELF file without loading it, parsed and checked.
#pragma once

#include "runtime/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// One thing that a plugin provides; the keys are described in include/plexus/plugin.h.
struct Provision {
  std::string kind; ///< "strategy", "family", "sampler", ...
  std::string id;
  std::string summary;
  bool lossless = false;
  std::vector<std::string> modelTypes;
  std::vector<std::string> options;
};

struct PluginManifest {
  uint32_t abiMajor = 0, abiMinor = 0;
  std::string name, version;
  std::vector<Provision> provides;
};

struct ManifestLimits {
  static constexpr size_t maxBytes = 64 << 10;
  static constexpr int maxDepth = 8;
  static constexpr size_t maxProvisions = 256;
  static constexpr size_t maxNameLength = 64;
};

/// The text of the section `.plexus.manifest` of a shared object for this machine, without trailing
/// NULs. Errors: Corrupt (not ELF, or tables that point outside the file), Mismatch (another
/// machine, not a shared object), NotFound (no manifest, or no exported entry point).
Expected<std::string_view> findManifest(std::span<const uint8_t> file, std::string_view path);

/// Parses the JSON. Errors: Corrupt or ResourceExhausted, naming the key.
Expected<PluginManifest> parseManifest(std::string_view text, std::string_view path);

/// Mismatch unless a host of this ABI version can load the plugin; the message says which version
/// it wants and which the host has.
Status checkManifestAbi(const PluginManifest &manifest, uint32_t hostMajor, uint32_t hostMinor);

/// findManifest and parseManifest on a file.
Expected<PluginManifest> readManifest(const std::string &path);

} // namespace plexus
