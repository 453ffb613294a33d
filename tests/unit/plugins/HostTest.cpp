#include "runtime/plugins/Host.h"

#include <plexus/strategy.h>

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace fs = std::filesystem;

namespace plexus {
namespace {

const std::string builtPlugins = PLEXUS_BINARY_DIR "/lib/plexus/plugins";
const std::string zoo = PLEXUS_BINARY_DIR "/tests/zoo/";

/// Only the paths given.
PluginHostOptions only(std::vector<std::string> paths) {
  PluginHostOptions options;
  options.paths = std::move(paths);
  options.environment = options.userDirectory = options.installed = false;
  return options;
}

Status refusal(const std::string &file) {
  PluginHost host(only({zoo + file}));
  const auto records = host.list(true);
  return records.size() == 1 ? records[0].refused : Status(Code::Internal, "not listed");
}

TEST(PluginHost, FindsAndLoadsWhatManifestsOffer) {
  PluginHost host(only({builtPlugins}));
  EXPECT_NE(host.provision("strategy", "greedy"), nullptr);
  for (const PluginRecord &record : host.list())
    EXPECT_EQ(record.loaded, nullptr) << "code is loaded when it is needed";
  auto provider = host.find("strategy", "greedy");
  ASSERT_TRUE(provider) << provider.status().message();
  EXPECT_NE(provider->plugin->factory(PLX_STRATEGY_FACTORY_ID), nullptr);
  EXPECT_EQ(provider->plugin->factory("plexus.unheard-of/1"), nullptr);
}

TEST(PluginHost, ANewerAbiIsRefusedBeforeItsCodeRuns) {
  // Its constructor aborts.
  const Status status = refusal("newer_abi.so");
  EXPECT_EQ(status.code(), Code::Mismatch);
  EXPECT_NE(status.message().find("plugin 'newer' wants plugin ABI 1.999, this Plexus has 1.0"),
            std::string::npos)
      << status.message();
}

TEST(PluginHost, FilesThatAreNoPluginsAreRefusedBeforeTheirCodeRuns) {
  EXPECT_NE(refusal("no_manifest.so").message().find("no section .plexus.manifest"),
            std::string::npos);
  EXPECT_NE(refusal("no_entry.so").message().find("does not export plx_plugin_entry"),
            std::string::npos);
  EXPECT_EQ(refusal("bad_manifest.so").code(), Code::Corrupt);
  EXPECT_EQ(refusal("there_is_no_such_file.so").code(), Code::NotFound);
}

TEST(PluginHost, EntryPointsThatContradictOrFailAreRefused) {
  EXPECT_NE(refusal("other_entry.so").message().find("its entry point says ABI"),
            std::string::npos);
  EXPECT_NE(refusal("failing_init.so").message().find("the licence file is missing"),
            std::string::npos);
}

TEST(PluginHost, TheFirstPluginWithAnIdWinsAndTheOtherSaysWhy) {
  PluginHost host(only({builtPlugins, zoo + "second_greedy.so"}));
  auto greedy = host.find("strategy", "greedy");
  ASSERT_TRUE(greedy) << greedy.status().message();
  EXPECT_EQ(greedy->plugin->manifest().name, "strategy_greedy");
  EXPECT_TRUE(host.find("strategy", "seven")) << "its other provisions are used";
  const PluginRecord record = host.list().back();
  ASSERT_EQ(record.shadowed.size(), 3u);
  EXPECT_NE(record.shadowed[0].message().find("already provided by"), std::string::npos);
  EXPECT_TRUE(record.shadowed[1]);

  PluginHost other(only({zoo + "second_greedy.so", builtPlugins}));
  EXPECT_EQ(other.find("strategy", "greedy")->plugin->manifest().name, "second_greedy");
}

TEST(PluginHost, MissingIdsListWhatThereIsAndWhatWasRefused) {
  PluginHost host(only({builtPlugins, zoo + "newer_abi.so"}));
  const Status status = host.find("strategy", "newer").status();
  EXPECT_EQ(status.code(), Code::NotFound);
  EXPECT_NE(status.message().find("greedy"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("wants plugin ABI 1.999"), std::string::npos) << status.message();
}

TEST(PluginHost, PlacesAreSearchedInOrderAndFilesMetTwiceCountOnce) {
  const fs::path home = fs::temp_directory_path() / "plexus-host-test";
  const fs::path folder = home / "plexus" / "plugins";
  fs::remove_all(home);
  fs::create_directories(folder);
  fs::copy(zoo + "second_greedy.so", folder / "mine.so");
  ::setenv("XDG_DATA_HOME", home.c_str(), 1);
  ::setenv("PLEXUS_PLUGIN_PATH", (zoo + "misbehaving.so::" + builtPlugins).c_str(), 1);
  {
    PluginHostOptions options;
    options.paths = {zoo + "probes.so"};
    PluginHost host(options);
    const auto records = host.list();
    ASSERT_GE(records.size(), 4u);
    EXPECT_EQ(records[0].manifest.name, "probes");
    EXPECT_EQ(records[1].manifest.name, "misbehaving");
    EXPECT_EQ(records.back().manifest.name, "second_greedy");
    // The installed folder is the built one, which the environment named already.
    EXPECT_EQ(installedPluginDirectory(), fs::canonical(builtPlugins).string());
    EXPECT_EQ(host.find("strategy", "greedy")->plugin->manifest().name, "strategy_greedy");
    EXPECT_TRUE(host.add(zoo + "probes.so")) << "met again";
    EXPECT_EQ(host.list().size(), records.size());
  }
  ::unsetenv("PLEXUS_PLUGIN_PATH");
  ::unsetenv("XDG_DATA_HOME");
  fs::remove_all(home);
}

TEST(PluginHost, APathThatSomebodyNamedIsListedThoughItDoesNotExist) {
  PluginHost host(only({"/no/such/plugin.so"}));
  ASSERT_EQ(host.list().size(), 1u);
  EXPECT_EQ(host.list()[0].refused.code(), Code::NotFound);
  EXPECT_FALSE(host.add("/no/such/other.so"));
}

} // namespace
} // namespace plexus
