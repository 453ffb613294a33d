// Loads a plugin whose manifest was accepted, and checks what its entry point says.
#pragma once

#include "runtime/plugins/Host.h"

namespace plexus {

/// Loads the file, checks `plx_plugin_entry` against the manifest and calls init. Errors name the
/// plugin; nothing stays loaded then.
Expected<std::shared_ptr<LoadedPlugin>>
loadSharedObject(const std::string &path, const PluginManifest &manifest,
                 const decltype(PluginHostOptions::log) &log);

} // namespace plexus
