// Damaged artifacts: cut at every boundary and with flipped bits, they are refused or differ in
// weight values alone.
#include "tests/support/TempDir.h"
#include "tests/unit/artifact/TestModel.h"

#include <gmock/gmock.h>
#include <random>

using namespace plexus;
using namespace plexus::test;

namespace {

class Damage : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(writeSmallArtifact(path));
    whole = readFile(path);
    sections = (*Artifact::open(path))->sections();
  }
  plexus::testing::TempDir dir;
  std::string path = dir / "damaged.plx";
  std::string whole;
  std::vector<Container::Section> sections;
};

TEST_F(Damage, CutAnywhereItIsRefusedAndTheSectionNamed) {
  std::vector<size_t> cuts = {0, 1, 8, 12, 39, 40, 41, 112, 4095, 4096};
  for (const auto &section : sections)
    for (size_t cut : {section.offset, section.offset + 1, section.offset + section.size - 1,
                       section.offset + section.size})
      cuts.push_back(cut);
  for (size_t cut : cuts) {
    if (cut >= whole.size())
      continue;
    writeFile(path, whole.substr(0, cut));
    auto artifact = Artifact::open(path);
    ASSERT_FALSE(artifact) << "cut at " << cut;
    if (cut < artifact::kAlignment)
      continue;
    std::string first;
    for (const auto &section : sections)
      if (first.empty() && section.offset + section.size > cut)
        first = section.name;
    EXPECT_THAT(artifact.status().message(), ::testing::HasSubstr("section '" + first + "'"))
        << "cut at " << cut;
  }
}

TEST_F(Damage, BytesAppendedAreRefused) {
  writeFile(path, whole + std::string(4096, '\0'));
  EXPECT_FALSE(Artifact::open(path));
}

TEST_F(Damage, AThousandFlippedBitsAreDetectedOrConfinedToWeights) {
  auto weights = std::find_if(sections.begin(), sections.end(),
                              [](const auto &s) { return s.name == "weights"; });
  std::mt19937_64 random(7);
  int accepted = 0;
  for (int round = 0; round < 1000; ++round) {
    // Every second one outside the weights, which are most of the file.
    size_t byte = random() % whole.size();
    while (round % 2 && byte >= weights->offset && byte < weights->offset + weights->size)
      byte = random() % whole.size();
    std::string bytes = whole;
    bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << random() % 8));
    writeFile(path, bytes);
    auto image = loadArtifact(path);
    if (!image)
      continue;
    ++accepted;
    EXPECT_GE(byte, weights->offset);
    EXPECT_LT(byte, weights->offset + weights->size);
    EXPECT_FALSE((*Artifact::open(path))->verify()) << "flip in byte " << byte;
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LE(accepted, 500);
}

} // namespace
