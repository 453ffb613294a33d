// What quantized weights, keys and values cost: perplexity of a slice of a text against f32.
#include "tests/unit/models/ModelFixture.h"

using namespace plexus;
using namespace plexus::test;

namespace {

double perplexityWith(const CompileChoices &choices) {
  OpenOptions options;
  options.compile = choices;
  options.jit = true;
  auto model = openModel(sourcePath("examples/models/kjv-llama"), options);
  EXPECT_TRUE(model) << model.status().message();
  if (!model)
    return 0;
  auto ids = fileIds(**model, sourcePath("examples/models/kjv-valid.txt"));
  ids.resize(1024);
  auto value = perplexity(**model, *(*model)->info().bos, ids, 256);
  EXPECT_TRUE(value) << value.status().message();
  return value ? *value : 0;
}

CompileChoices choice(const char *weights, const char *compute, const char *kv = "f32") {
  CompileChoices c;
  c.weights = weights;
  c.compute = compute;
  c.kv = kv;
  return c;
}

TEST(Quantized, PerplexityStaysWithinItsBounds) {
  double exact = perplexityWith(choice("f32", "f32"));
  struct Case {
    const char *weights, *compute, *kv;
    double bound; ///< Relative.
  };
  for (const Case &c : {Case{"bf16", "auto", "f32", 0.001}, Case{"q8", "int8", "f32", 0.005},
                        Case{"q4", "auto", "f32", 0.03}, Case{"f32", "f32", "bf16", 0.001},
                        Case{"bf16", "auto", "auto", 0.001}, Case{"f32", "f32", "int8", 0.002},
                        Case{"f32", "f32", "int4", 0.003}})
    EXPECT_NEAR(perplexityWith(choice(c.weights, c.compute, c.kv)) / exact, 1, c.bound)
        << c.weights << " " << c.compute << " kv " << c.kv;
}

} // namespace
