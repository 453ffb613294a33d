// The cache's folder: size, leftovers, keys' ingredients.
#include "compiler/cache/Cache.h"
#include "compiler/cache/Evict.h"
#include "compiler/cache/Keys.h"
#include "tests/support/TempDir.h"

#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>

using namespace plexus;
using namespace plexus::compiler;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

namespace {

namespace fs = std::filesystem;

class Eviction : public ::testing::Test {
protected:
  /// An entry last used `age` ago.
  std::string entry(const std::string &name, size_t bytes, std::chrono::seconds age) {
    std::string path = dir.write(name, std::string(bytes, 'x'));
    fs::last_write_time(path, fs::file_time_type::clock::now() - age);
    return path;
  }
  plexus::testing::TempDir dir;
};

TEST_F(Eviction, LongestUnusedGoesFirstUntilTheRestFits) {
  auto oldest = entry("code/a", 400, 3h), old = entry("models/b.plx", 400, 2h),
       latest = entry("code/c", 400, 1h);
  evict(dir.path(), 900, "");
  EXPECT_FALSE(fs::exists(oldest));
  EXPECT_TRUE(fs::exists(old));
  EXPECT_TRUE(fs::exists(latest));
}

TEST_F(Eviction, AnEntryThatWasUsedAgainStays) {
  auto used = entry("code/a", 400, 3h), unused = entry("code/b", 400, 2h);
  touchEntry(used);
  evict(dir.path(), 500, "");
  EXPECT_TRUE(fs::exists(used));
  EXPECT_FALSE(fs::exists(unused));
}

TEST_F(Eviction, TheKeptEntryStaysThoughItAloneIsTooLarge) {
  auto kept = entry("models/a.plx", 4000, 3h), other = entry("models/b.plx", 10, 1h);
  evict(dir.path(), 100, kept);
  EXPECT_TRUE(fs::exists(kept));
  EXPECT_FALSE(fs::exists(other));
}

TEST_F(Eviction, TemporaryFilesOfKilledWritersGoWhenOldAndNeverBefore) {
  auto leftover = entry("models/.a.plx.Xy12", 10, 30h);
  auto written = entry("models/.b.plx.Zw34", 10, 1h), good = entry("models/c.plx", 10, 30h);
  evict(dir.path(), 0, good);
  EXPECT_FALSE(fs::exists(leftover));
  EXPECT_TRUE(fs::exists(written)) << "somebody may still be writing it";
  EXPECT_TRUE(fs::exists(good));
}

TEST_F(Eviction, FilesBesideTheEntriesAreLeftAlone) {
  auto note = entry("README", 4000, 100h);
  evict(dir.path(), 0, "");
  EXPECT_TRUE(fs::exists(note));
}

class CacheSize : public ::testing::Test {
protected:
  ~CacheSize() override { ::unsetenv("PLEXUS_CACHE_SIZE"); }
  Status openWith(const char *size) {
    ::setenv("PLEXUS_CACHE_SIZE", size, 1);
    auto cache = CompileCache::open(dir / "cache");
    return cache ? Status::ok() : cache.status();
  }
  plexus::testing::TempDir dir;
};

TEST_F(CacheSize, StoringHoldsTheFolderWithinIt) {
  ASSERT_TRUE(openWith("20K").isOk());
  auto cache = CompileCache::open(dir / "cache");
  ASSERT_TRUE(cache);
  CompiledCode code;
  code.images = {{"x86-64-v3", std::string(12000, 'c')}};
  ASSERT_TRUE(cache->storeCode("first", code));
  fs::last_write_time(dir / "cache/code/first", fs::file_time_type::clock::now() - 1h);
  ASSERT_TRUE(cache->storeCode("second", code));
  EXPECT_FALSE(cache->findCode("first"));
  auto found = cache->findCode("second");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->images[0].second, code.images[0].second);
}

TEST_F(CacheSize, UnitsAreReadAndNonsenseIsRefusedByName) {
  for (const char *good : {"0", "123", "500M", "20G", "1T"})
    EXPECT_TRUE(openWith(good).isOk()) << good;
  for (const char *bad : {"-1", "G", "10 G", "10GB", "1e9", "99999999999999T"})
    EXPECT_THAT(openWith(bad).message(), HasSubstr(std::string("PLEXUS_CACHE_SIZE is '") + bad));
}

TEST(CacheKeys, TheCompilersBuildIsKnown) {
  EXPECT_GE(compilerBuild().size(), 16u);
  EXPECT_EQ(compilerBuild(), compilerBuild());
}

} // namespace
