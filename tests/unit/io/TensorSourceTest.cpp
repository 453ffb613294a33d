#include "runtime/io/TensorSource.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

using namespace plexus;

namespace {

/// One Q4_1 block, written out from the format's definition.
std::vector<uint8_t> q41Block(uint16_t scale, uint16_t minimum, int firstNibble) {
  std::vector<uint8_t> block(20);
  std::memcpy(block.data(), &scale, 2);
  std::memcpy(block.data() + 2, &minimum, 2);
  for (int i = 0; i < 16; ++i)
    block[4 + size_t(i)] = uint8_t(((firstNibble + i) % 16) | ((15 - i) << 4));
  return block;
}

constexpr uint16_t halfOne = 0x3c00, halfTwo = 0x4000, halfMinusThree = 0xc200;

TEST(BlockFormat, DecodesByTheDefinitions) {
  std::vector<float> out(32);

  std::vector<uint8_t> q80(34, 0x80); // q = -128
  std::memcpy(q80.data(), &halfTwo, 2);
  q80[2] = 127;
  findBlockFormat("Q8_0")->decode(q80.data(), 1, out.data());
  EXPECT_EQ(out[0], 254.0f);
  EXPECT_EQ(out[31], -256.0f);

  std::vector<uint8_t> q40(18, 0xf0); // Low nibbles 0, high ones 15.
  std::memcpy(q40.data(), &halfTwo, 2);
  findBlockFormat("Q4_0")->decode(q40.data(), 1, out.data());
  EXPECT_EQ(out[0], -16.0f);
  EXPECT_EQ(out[15], -16.0f);
  EXPECT_EQ(out[16], 14.0f);

  std::vector<uint8_t> q41 = q41Block(halfTwo, halfMinusThree, 0);
  findBlockFormat("Q4_1")->decode(q41.data(), 1, out.data());
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(out[size_t(i)], 2.0f * float(i) - 3.0f);
    EXPECT_EQ(out[size_t(i) + 16], 2.0f * float(15 - i) - 3.0f);
  }
  EXPECT_EQ(findBlockFormat("Q2_K"), nullptr);
}

TEST(DecodeElements, RangesMayBeginAndEndInsideBlocks) {
  std::vector<uint8_t> bytes;
  for (int b = 0; b < 4; ++b) {
    auto block = q41Block(halfOne, uint16_t(halfOne), b);
    bytes.insert(bytes.end(), block.begin(), block.end());
  }
  TensorView view;
  view.block = findBlockFormat("Q4_1");
  view.shape = {2, 64};
  view.bytes = bytes.data();
  view.size = bytes.size();
  std::vector<float> all(128);
  ASSERT_TRUE(decodeElements(view, 0, 128, all.data()).isOk());
  for (int64_t first = 0; first < 128; ++first)
    for (int64_t count = 0; first + count <= 128; ++count) {
      std::vector<float> part(size_t(count) + 1, -99.0f);
      ASSERT_TRUE(decodeElements(view, first, count, part.data()).isOk());
      ASSERT_EQ(std::memcmp(part.data(), all.data() + first, size_t(count) * 4), 0);
      ASSERT_EQ(part.back(), -99.0f);
    }
}

TEST(DecodeElements, RangesOutsideTheTensorAreRefused) {
  uint16_t data[4] = {halfOne, halfTwo, halfOne, halfTwo};
  TensorView view;
  view.dtype = DType::F16;
  view.shape = {2, 2};
  view.bytes = reinterpret_cast<const uint8_t *>(data);
  view.size = sizeof(data);
  float out[4];
  ASSERT_TRUE(decodeElements(view, 1, 3, out).isOk());
  EXPECT_EQ(out[0], 2.0f);
  EXPECT_EQ(decodeElements(view, 2, 3, out).code(), Code::InvalidArgument);
  EXPECT_EQ(decodeElements(view, -1, 1, out).code(), Code::InvalidArgument);
  EXPECT_EQ(decodeElements(view, INT64_MAX, INT64_MAX, out).code(), Code::InvalidArgument);
}

TEST(DecodeElements, InterleavedRowsComeBackInOrder) {
  // Two heads of four rows of three; row r holds r in every column. Stored: 0 2 1 3 in each head.
  float stored[8][3];
  const int order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int r = 0; r < 8; ++r)
    for (int c = 0; c < 3; ++c)
      stored[r][c] = float(order[r]) + 0.25f * float(c);
  TensorView view;
  view.shape = {8, 3};
  view.interleavedRows = 4;
  view.bytes = reinterpret_cast<const uint8_t *>(stored);
  view.size = sizeof(stored);
  EXPECT_FALSE(view.isPlain());
  for (int64_t first = 0; first < 24; ++first)
    for (int64_t count = 0; first + count <= 24; ++count) {
      std::vector<float> out(static_cast<size_t>(count));
      ASSERT_TRUE(decodeElements(view, first, count, out.data()).isOk());
      for (int64_t i = 0; i < count; ++i)
        ASSERT_EQ(out[size_t(i)], float((first + i) / 3) + 0.25f * float((first + i) % 3));
    }
}

TEST(Shapes, ElementCountsThatOverflowAreRefused) {
  EXPECT_EQ(checkedElements({}), 1);
  EXPECT_EQ(checkedElements({3, 0, 5}), 0);
  EXPECT_EQ(checkedElements({3, -1}), std::nullopt);
  EXPECT_EQ(checkedElements({INT64_MAX, INT64_MAX}), std::nullopt);
  EXPECT_EQ(checkedElements({int64_t(1) << 40, int64_t(1) << 40, 0}), std::nullopt);
  EXPECT_EQ(shapeToString({4, 5}), "[4, 5]");
}

} // namespace
