// Wants a newer plugin ABI than any host has; its constructor must never run.
#include <plexus/plugin.hpp>

#include <cstdlib>

__attribute__((constructor)) static void mustNotRun() { std::abort(); }

PLX_RETAIN __attribute__((used, section(PLX_MANIFEST_SECTION))) static const char manifest[] =
    R"({"abi": [1, 999], "name": "newer", "version": "1.0.0",
        "provides": [{"kind": "strategy", "id": "newer"}]})";
extern "C" PLX_PLUGIN_EXPORT const plx_plugin plx_plugin_entry;
const plx_plugin plx_plugin_entry = {
    sizeof(plx_plugin), nullptr, 1, 999, nullptr, nullptr, nullptr};
