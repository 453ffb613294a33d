// The driver, end to end on a small trained model: artifact, JIT, cache and library give the ids
// that the reference gives.
#include "compiler/Compile.h"
#include "compiler/embed/Library.h"
#include "frontends/ImportModel.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/exec/Model.h"
#include "runtime/exec/Session.h"
#include "runtime/plugins/Host.h"
#include "tests/support/TempDir.h"

#include <algorithm>
#include <dlfcn.h>
#include <fstream>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace plexus;
using namespace plexus::compiler;
using ::testing::HasSubstr;

namespace {

const std::string kModel = std::string(PLEXUS_SOURCE_DIR) + "/examples/models/kjv-llama";

class Driver : public ::testing::Test {
protected:
  static void SetUpTestSuite() {
    context = makeContext().release();
    auto imported =
        frontends::importModel(*context, kModel, frontends::familyFinder(PluginHost::shared()));
    ASSERT_TRUE(imported) << imported.status().message();
    source = new ModelSource(*std::move(imported));
    std::ifstream file(kModel + "/expected.json");
    expected = nlohmann::json::parse(file);
  }
  static CompileOptions exact() {
    CompileOptions options;
    options.cpu.compute = Compute::F32;
    return options;
  }

  /// Greedy ids by running the whole sequence again for each.
  static std::vector<int64_t> greedy(std::shared_ptr<const ModelImage> image,
                                     std::vector<int64_t> ids, size_t count) {
    auto model = Model::create(std::move(image));
    EXPECT_TRUE(model) << model.status().message();
    auto session = Session::create(*model);
    EXPECT_TRUE(session);
    std::vector<int64_t> out;
    while (out.size() < count) {
      auto input = Tensor::zeros(DType::I64, {1, static_cast<int64_t>(ids.size())});
      EXPECT_TRUE(input);
      std::copy(ids.begin(), ids.end(), input->as<int64_t>());
      NamedTensor named{"input_ids", *input};
      auto result = (*session)->runNamed({&named, 1});
      if (!result) {
        ADD_FAILURE() << result.status().message();
        return out;
      }
      const Tensor &logits = (*result)[0].tensor;
      int64_t columns = logits.shape.back();
      const float *last = logits.as<float>() + (static_cast<int64_t>(ids.size()) - 1) * columns;
      out.push_back(std::max_element(last, last + columns) - last);
      ids.push_back(out.back());
    }
    return out;
  }
  static std::vector<int64_t> promptOf(int i) { return expected["greedy"][i]["prompt_ids"]; }
  static std::vector<int64_t> idsOf(int i, size_t count) {
    std::vector<int64_t> ids = expected["greedy"][i]["ids"];
    ids.resize(count);
    return ids;
  }

  static mlir::MLIRContext *context;
  static ModelSource *source;
  static nlohmann::json expected;
  plexus::testing::TempDir dir;
};
mlir::MLIRContext *Driver::context;
ModelSource *Driver::source;
nlohmann::json Driver::expected;

TEST_F(Driver, ArtifactGivesTheReferencesIds) {
  auto result = compileToFile(*source, exact(), dir / "m.plx");
  ASSERT_TRUE(result) << result.status().message();
  EXPECT_GT(result->stats.lower, 0);
  EXPECT_EQ(result->program.model.layers, 8);
  EXPECT_FALSE(result->program.report.empty());
  auto artifact = Artifact::open(dir / "m.plx");
  ASSERT_TRUE(artifact) << artifact.status().message();
  EXPECT_EQ((*artifact)->isas().size(), 2u);
  EXPECT_TRUE((*artifact)->verify());
  auto image = (*artifact)->load();
  ASSERT_TRUE(image) << image.status().message();
  EXPECT_EQ(greedy(*image, promptOf(0), 12), idsOf(0, 12));
}

TEST_F(Driver, JitGivesTheReferencesIds) {
  CompileStats stats;
  auto image = compileInMemory(*source, exact(), {}, &stats);
  ASSERT_TRUE(image) << image.status().message();
  EXPECT_GT(stats.codegen, 0);
  EXPECT_EQ(greedy(*image, promptOf(1), 8), idsOf(1, 8));
}

TEST_F(Driver, CacheCompilesOnceAndPacksOnce) {
  auto cache = CompileCache::open(dir / "cache");
  ASSERT_TRUE(cache) << cache.status().message();
  auto first = compileThroughCache(*source, exact(), *cache);
  ASSERT_TRUE(first) << first.status().message();
  EXPECT_FALSE(first->stats.codeCached || first->stats.weightsCached);
  auto second = compileThroughCache(*source, exact(), *cache);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->path, first->path);
  EXPECT_TRUE(second->stats.codeCached && second->stats.weightsCached);
  EXPECT_EQ(second->stats.lower, 0);
  CompileOptions other = exact();
  other.cpu.products = Products::Generated;
  auto third = compileThroughCache(*source, other, *cache);
  ASSERT_TRUE(third);
  EXPECT_NE(third->path, first->path);
  EXPECT_TRUE(third->stats.weightsCached);
  EXPECT_FALSE(third->stats.codeCached);
  // A damaged entry is made anew.
  std::ofstream(first->path, std::ios::trunc) << "damaged";
  auto fourth = compileThroughCache(*source, exact(), *cache);
  ASSERT_TRUE(fourth);
  EXPECT_TRUE(fourth->stats.codeCached);
  EXPECT_TRUE(Artifact::open(fourth->path));
}

TEST_F(Driver, PrintsTheModuleAfterAnyPass) {
  auto imported = printModule(*source, exact(), "import");
  ASSERT_TRUE(imported);
  EXPECT_THAT(*imported, HasSubstr("plx.linear"));
  auto graph = printModule(*source, exact(), "");
  ASSERT_TRUE(graph) << graph.status().message();
  EXPECT_THAT(*graph, HasSubstr("#plx.packed"));
  mlir::MLIRContext &again = *context;
  EXPECT_TRUE(parseModule(again, *graph, "graph.mlir"));
  auto planned = printModule(*source, exact(), "plx-plan-scratch");
  ASSERT_TRUE(planned) << planned.status().message();
  EXPECT_THAT(*planned, HasSubstr("memref"));
  EXPECT_FALSE(printModule(*source, exact(), "no-such-pass"));
}

TEST_F(Driver, ProgressMayCancelAndLeavesNoFile) {
  CompileOptions options = exact();
  options.isas = {"x86-64-v3"};
  auto result =
      compileToFile(*source, options, dir / "m.plx",
                    [](std::string_view phase, uint64_t, uint64_t) { return phase != "pack"; });
  EXPECT_EQ(result.status().code(), Code::Cancelled);
  EXPECT_EQ(dir.entries(), 0u);
}

TEST_F(Driver, LibraryRunsWithoutTheLoader) {
  auto paths = emitLibrary(*source, exact(), {}, dir / "kjv.so");
  ASSERT_TRUE(paths) << paths.status().message();
  EXPECT_THAT(dir.read("kjv.h"), HasSubstr("int kjv_forward(kjv_session *session"));
  void *library = dlopen((*paths)[0].c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto *open = reinterpret_cast<int (*)(void **)>(dlsym(library, "kjv_open"));
  auto *close = reinterpret_cast<void (*)(void *)>(dlsym(library, "kjv_close"));
  auto *forward = reinterpret_cast<int (*)(void *, const int32_t *, int, float *)>(
      dlsym(library, "kjv_forward"));
  EXPECT_EQ(dlsym(library, "plx_embed_open"), nullptr);
  void *session = nullptr;
  ASSERT_EQ(open(&session), 0);
  std::vector<int64_t> prompt = promptOf(2), out;
  std::vector<int32_t> next(prompt.begin(), prompt.end());
  std::vector<float> logits(4096);
  while (out.size() < 40) { // past a page of states
    ASSERT_EQ(forward(session, next.data(), static_cast<int>(next.size()), logits.data()), 0);
    next = {static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    out.push_back(next[0]);
  }
  EXPECT_EQ(out, idsOf(2, 40));
  std::vector<int32_t> tooMany(600, 1);
  EXPECT_EQ(forward(session, tooMany.data(), 600, logits.data()), 6);
  close(session);
  dlclose(library);

  // The example's program, built as its README says, gives the same ids.
  std::string program = dir / "kjv", output = dir / "ids";
  std::string build = std::string(PLEXUS_C_COMPILER) + " -O2 -I" + dir.path() + " " +
                      PLEXUS_SOURCE_DIR + "/examples/embed-c/main.c " + (dir / "kjv.so") + " -o " +
                      program + " -Wl,-rpath," + dir.path();
  ASSERT_EQ(std::system(build.c_str()), 0);
  std::string arguments;
  for (int64_t id : prompt)
    arguments += " " + std::to_string(id);
  ASSERT_EQ(std::system((program + arguments + " > " + output).c_str()), 0);
  std::string ids;
  for (int64_t id : idsOf(2, 32))
    ids += std::to_string(id) + " ";
  EXPECT_EQ(dir.read("ids"), ids + "\n");
}

} // namespace
