// Forms of packed weights: spelling, what exists, and the bytes of blocks.
#include "runtime/io/PackedForm.h"
#include "runtime/io/BlockParts.h"

#include <gmock/gmock.h>

using namespace plexus;
using ::testing::HasSubstr;

namespace {

TEST(PackedForm, IsSpelledAndParsed) {
  for (const char *text : {"f32", "bf16", "f16", "q8", "q8:channel", "q8:64", "q4", "q4z:128",
                           "q4m", "q4m:32/256", "q6:16/256", "q5", "fp8", "fp8_e5m2:64", "fp4"}) {
    auto form = PackedForm::parse(text);
    ASSERT_TRUE(form) << text;
    EXPECT_EQ(form->spelling(), text);
    EXPECT_EQ(form->problem(), "");
  }
  EXPECT_EQ(PackedForm::parse("q4:32")->spelling(), "q4");
}

TEST(PackedForm, WhatDoesNotExistIsNotParsed) {
  for (const char *text : {"",
                           "q",
                           "q3",
                           "q4:",
                           "q4:0",
                           "q4:33",
                           "q4:-32",
                           "q4x",
                           "q4:32/",
                           "q8:8",
                           "q5:16",
                           "q4z:32/256",
                           "fp8z",
                           "bf16:32",
                           "q4:32/32",
                           "q4:32/512",
                           "q4:999999999999",
                           "q4:32/100",
                           "channel",
                           "q8:channel/256"})
    EXPECT_FALSE(PackedForm::parse(text)) << text;
}

TEST(PackedForm, SaysWhatIsWrong) {
  PackedForm form{PackedValues::Q4, PackedZeros::None, 48, 0};
  EXPECT_THAT(form.problem(), HasSubstr("groups are 16, 32, 64, 128 or the whole channel, not 48"));
  form = {PackedValues::Q5, PackedZeros::None, 16, 0};
  EXPECT_THAT(form.problem(), HasSubstr("q5 comes in units of 32, the group is 16"));
}

TEST(PackedGeometry, CountsBytesOfABlock) {
  auto bytes = [](const char *text, int64_t k) {
    return PackedGeometry(*PackedForm::parse(text), k).blockBytes;
  };
  EXPECT_EQ(bytes("f32", 17), 64 * 32 * 4);
  EXPECT_EQ(bytes("bf16", 33), 64 * 64 * 2);
  EXPECT_EQ(bytes("q8", 64), 2 * (128 + 64 * 32));
  EXPECT_EQ(bytes("q8:channel", 65), 128 + 64 * 96);
  EXPECT_EQ(bytes("q4", 33), 2 * (128 + 32 * 32));
  EXPECT_EQ(bytes("q4m:128", 128), 256 + 32 * 128);
  // GGUF's own block of 256 and 64 rows, 144 and 210 bytes a row, but for whole bytes of scales.
  EXPECT_EQ(bytes("q4m:32/256", 256), 64 * (144 + 4));
  EXPECT_EQ(bytes("q6:16/256", 256), 64 * 210);
}

TEST(PackedGeometry, RecordsFollowOneAnother) {
  for (const char *text : {"q8", "q4m:64", "q4m:32/256", "q6:16/256"}) {
    PackedGeometry place(*PackedForm::parse(text), 1000);
    int64_t at = 0;
    for (int64_t g = 0; g < place.groups; ++g) {
      if (place.superGroups && g % place.superGroups == 0) {
        EXPECT_EQ(place.superOffset(g), at) << text;
        at += place.superBytes;
      }
      EXPECT_EQ(place.recordOffset(g), at) << text;
      at += place.recordBytes;
    }
    EXPECT_EQ(at, place.blockBytes) << text;
  }
}

/// Blocks of K-quants by their definitions, element by element.
TEST(BlockFormat, DecodesKQuants) {
  constexpr uint8_t halfTwo[2] = {0x00, 0x40}, halfOne[2] = {0x00, 0x3c};
  std::vector<float> out(256);

  std::vector<uint8_t> q4k(144, 0x3f); // Scales 63 or 15 | 0 << 4 | ..., nibbles 15 and 3.
  std::copy_n(halfTwo, 2, q4k.begin());
  std::copy_n(halfOne, 2, q4k.begin() + 2);
  findBlockFormat("Q4_K")->decode(q4k.data(), 1, out.data());
  EXPECT_EQ(out[0], 2.0f * 63 * 15 - 63);
  EXPECT_EQ(out[32], 2.0f * 63 * 3 - 63);
  EXPECT_EQ(out[128], 2.0f * 15 * 15 - 3); // Group 4: low nibble and no upper bits; high nibble.

  std::vector<uint8_t> q5k(176, 0);
  std::copy_n(halfTwo, 2, q5k.begin());
  std::fill_n(q5k.begin() + 4, 4, 1); // Scales of groups 0..3.
  q5k[16 + 5] = 0b0101;               // Element 5 of groups 0 and 2.
  q5k[48 + 5] = 0x21;
  findBlockFormat("Q5_K")->decode(q5k.data(), 1, out.data());
  EXPECT_EQ(out[5], 2.0f * 17);
  EXPECT_EQ(out[32 + 5], 2.0f * 2);
  EXPECT_EQ(out[64 + 5], 2.0f * 16);
  EXPECT_EQ(out[6], 0.0f);

  std::vector<uint8_t> q6k(210, 0);
  std::copy_n(halfTwo, 2, q6k.begin() + 208);
  for (int i = 0; i < 16; ++i)
    q6k[192 + i] = static_cast<uint8_t>(i - 8);
  q6k[64 + 32 + 7] = 0xa5; // Second half: elements 128 + 32 + 7 and 128 + 96 + 7.
  q6k[128 + 32 + 7] = 0b10'01'11'00;
  findBlockFormat("Q6_K")->decode(q6k.data(), 1, out.data());
  EXPECT_EQ(out[0], 2.0f * -8 * -32);
  EXPECT_EQ(out[128 + 32 + 7], 2.0f * (10 - 8) * ((5 | 3 << 4) - 32));
  EXPECT_EQ(out[128 + 96 + 7], 2.0f * (14 - 8) * ((10 | 2 << 4) - 32));
}

} // namespace
