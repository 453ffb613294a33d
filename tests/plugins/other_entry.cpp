// Its entry point contradicts its manifest.
#include <plexus/plugin.h>

PLX_PLUGIN_MANIFEST("other_entry", "1.0.0", "[{\"kind\": \"strategy\", \"id\": \"other_entry\"}]");
const plx_plugin plx_plugin_entry = {sizeof(plx_plugin),
                                     nullptr,
                                     PLX_ABI_MAJOR,
                                     PLX_ABI_MINOR + 1,
                                     nullptr,
                                     nullptr,
                                     [](const char *) -> const void * { return nullptr; }};
