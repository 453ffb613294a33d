// A manifest that is no JSON; its constructor must never run.
#include <plexus/plugin.h>

#include <cstdlib>

__attribute__((constructor)) static void mustNotRun() { std::abort(); }

PLX_PLUGIN_MANIFEST("bad_manifest", "1.0.0", "[{\"kind\": ");
const plx_plugin plx_plugin_entry = {
    sizeof(plx_plugin), nullptr, PLX_ABI_MAJOR, PLX_ABI_MINOR, nullptr, nullptr, nullptr};
