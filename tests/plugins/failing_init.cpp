// Refuses to start.
#include <plexus/plugin.hpp>

PLX_PLUGIN_MANIFEST("failing_init", "1.0.0", R"([{"kind": "strategy", "id": "failing_init"}])");
const plx_plugin plx_plugin_entry = {sizeof(plx_plugin),
                                     nullptr,
                                     PLX_ABI_MAJOR,
                                     PLX_ABI_MINOR,
                                     [](const plx_host_api *, plx_error *error) {
                                       return plexus::sdk::report(error, PLX_NOT_FOUND,
                                                                  "the licence file is missing");
                                     },
                                     nullptr,
                                     [](const char *) -> const void * { return nullptr; }};
