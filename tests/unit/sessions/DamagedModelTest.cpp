// A compiled model whose file was cut or altered: refused, or run with other numbers.
#include "runtime/artifact/Artifact.h"
#include "tests/support/TempDir.h"
#include "tests/unit/models/ModelFixture.h"

#include <fstream>
#include <iterator>
#include <random>

using namespace plexus;
using namespace plexus::test;

namespace {

class DamagedModel : public ::testing::Test {
protected:
  void SetUp() override {
    const std::string source = PLEXUS_TEST_MODELS "/kjv-draft.plx";
    auto artifact = Artifact::open(source);
    ASSERT_TRUE(artifact) << artifact.status().message()
                          << " (built by the target test_models of the release build)";
    for (const auto &section : (*artifact)->sections())
      sections.push_back({section.name, section.offset, section.size});
    std::ifstream in(source, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  struct Range {
    std::string name;
    size_t offset, size;
  };
  const Range &weights() const {
    return *std::find_if(sections.begin(), sections.end(),
                         [](const Range &range) { return range.name == "weights"; });
  }
  plexus::testing::TempDir dir;
  std::vector<Range> sections;
  std::string whole;
};

TEST_F(DamagedModel, CutAtEverySectionBoundaryItIsRefused) {
  for (const Range &section : sections)
    for (size_t cut :
         {section.offset, section.offset + section.size - 1, section.offset + section.size}) {
      if (cut >= whole.size())
        continue;
      const std::string path = dir.write("cut.plx", std::string_view(whole).substr(0, cut));
      EXPECT_FALSE(openModel(path)) << section.name << " cut at " << cut;
    }
}

TEST_F(DamagedModel, FlippedBitsOutsideTheWeightsAreDetected) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    size_t byte = weights().offset;
    while (byte >= weights().offset && byte < weights().offset + weights().size)
      byte = random() % whole.size();
    std::string bytes = whole;
    bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << random() % 8));
    EXPECT_FALSE(openModel(dir.write("flipped.plx", bytes))) << "byte " << byte;
  }
}

/// Exponents that overflow and embeddings that are not numbers included.
TEST_F(DamagedModel, FlippedBitsOfWeightsChangeNumbersOnly) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 20; ++round) {
    std::string bytes = whole;
    for (int flip = 0; flip < 1 << round / 2; ++flip) {
      const size_t byte = weights().offset + random() % weights().size;
      bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << random() % 8));
    }
    auto model = openModel(dir.write("weights.plx", bytes));
    ASSERT_TRUE(model) << model.status().message();
    for (const char *strategy : {"greedy", "sample", "beam"}) {
      GenerateRequest request = greedyRequest({1, 2, 3, 4, 5, 6, 7, 8}, 6);
      request.strategy = strategy;
      const GenerationResult result = generate(**model, request);
      EXPECT_TRUE(result.status || !result.status.message().empty());
    }
  }
}

} // namespace
