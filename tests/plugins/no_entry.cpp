// A manifest, but no entry point; its constructor must never run.
#include <plexus/plugin.h>

#include <cstdlib>

__attribute__((constructor)) static void mustNotRun() { std::abort(); }

PLX_PLUGIN_MANIFEST("no_entry", "1.0.0", "[]");
