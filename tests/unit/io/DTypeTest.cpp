// Conversions against exhaustive or independent references.
#include "runtime/io/DType.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace plexus;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <typename Stored>
Stored storeOne(DType dtype, float value) {
  Stored out;
  fromF32(dtype, &value, 1, &out);
  return out;
}

template <typename Stored>
float loadOne(DType dtype, Stored value) {
  float out;
  toF32(dtype, &value, 1, &out);
  return out;
}

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

/// Bit patterns that hit every exponent, ties, neighbours of ties, and random mantissas.
std::vector<float> interestingFloats() {
  std::vector<float> values;
  std::mt19937 random(1);
  for (uint32_t exponent = 0; exponent < 256; ++exponent)
    for (int bit = -1; bit < 24; ++bit)
      for (int delta = -1; delta <= 1; ++delta)
        for (uint32_t sign : {0u, 0x80000000u}) {
          uint32_t base = (exponent << 23) | (bit < 0 ? 0 : (1u << bit) & 0x7fffffu);
          values.push_back(std::bit_cast<float>((base + uint32_t(delta)) | sign));
          values.push_back(
              std::bit_cast<float>((exponent << 23) | (uint32_t(random()) & 0x7fffffu) | sign));
        }
  return values;
}

/// The nearest of all finite codes of an 8-bit or 16-bit float, ties to the even code.
template <typename Stored>
Stored nearestCode(DType dtype, float value, unsigned maxFinite) {
  Stored best = 0;
  double bestError = std::numeric_limits<double>::infinity();
  for (unsigned code = 0; code <= maxFinite; ++code) {
    double error = std::abs(std::abs(double(value)) - double(loadOne<Stored>(dtype, Stored(code))));
    if (error < bestError || (error == bestError && code % 2 == 0)) {
      best = Stored(code);
      bestError = error;
    }
  }
  return best;
}

TEST(DType, NamesAndSizesAreThoseOfSafetensors) {
  EXPECT_EQ(dtypeName(DType::BF16), "BF16");
  EXPECT_EQ(dtypeName(DType::F8E4M3), "F8_E4M3");
  EXPECT_EQ(dtypeName(DType::Bool), "BOOL");
  EXPECT_EQ(dtypeSize(DType::F8E5M2), 1u);
  EXPECT_EQ(dtypeSize(DType::I64), 8u);
  for (int i = 0; i <= int(DType::F8E5M2); ++i)
    EXPECT_EQ(dtypeFromName(dtypeName(DType(i))), DType(i));
  EXPECT_EQ(dtypeFromName("f32"), std::nullopt);
  EXPECT_EQ(dtypeFromName("F4"), std::nullopt);
  EXPECT_TRUE(isFloat(DType::F8E5M2));
  EXPECT_FALSE(isFloat(DType::Bool));
}

TEST(DType, EveryF16DecodesAsTheCompilersHalf) {
  for (unsigned code = 0; code < 0x10000; ++code) {
    float expected = static_cast<float>(std::bit_cast<_Float16>(uint16_t(code)));
    float got = loadOne<uint16_t>(DType::F16, uint16_t(code));
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(got)) << code;
    else
      ASSERT_EQ(bitsOf(got), bitsOf(expected)) << code;
  }
}

TEST(DType, F16EncodesAsTheCompilersHalf) {
  for (float value : interestingFloats()) {
    auto got = storeOne<uint16_t>(DType::F16, value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(loadOne<uint16_t>(DType::F16, got)));
      continue;
    }
    auto expected = std::bit_cast<uint16_t>(static_cast<_Float16>(value));
    ASSERT_EQ(got, expected) << value;
  }
}

TEST(DType, Bf16RoundsToNearestEven) {
  for (float value : interestingFloats()) {
    auto got = storeOne<uint16_t>(DType::BF16, value);
    float back = loadOne<uint16_t>(DType::BF16, got);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(back));
      continue;
    }
    // The two neighbours by truncation, and the nearer one.
    uint32_t low = bitsOf(value) >> 16;
    uint32_t rest = bitsOf(value) & 0xffffu;
    uint32_t expected = rest > 0x8000u || (rest == 0x8000u && (low & 1u)) ? low + 1 : low;
    ASSERT_EQ(got, expected) << value;
  }
}

TEST(DType, F8RoundsToTheNearestCode) {
  struct {
    DType dtype;
    unsigned maxFinite;
    float largest, overflowsFrom;
  } const formats[] = {{DType::F8E4M3, 0x7e, 448, 464}, {DType::F8E5M2, 0x7b, 57344, 61440}};
  for (const auto &format : formats) {
    EXPECT_EQ(loadOne<uint8_t>(format.dtype, uint8_t(format.maxFinite)), format.largest);
    for (float value : interestingFloats()) {
      auto got = storeOne<uint8_t>(format.dtype, value);
      float back = loadOne<uint8_t>(format.dtype, got);
      bool tie = std::abs(value) == format.overflowsFrom;
      if (std::isnan(value))
        EXPECT_TRUE(std::isnan(back));
      else if (std::abs(value) > format.overflowsFrom || (tie && format.dtype == DType::F8E5M2))
        EXPECT_TRUE(format.dtype == DType::F8E4M3 ? std::isnan(back) : std::isinf(back)) << value;
      else
        ASSERT_EQ(got & 0x7f, nearestCode<uint8_t>(format.dtype, value, format.maxFinite)) << value;
      EXPECT_EQ(got >> 7, int(std::signbit(value)));
    }
  }
}

TEST(DType, EveryF8CodeSurvivesARoundTrip) {
  for (DType dtype : {DType::F8E4M3, DType::F8E5M2})
    for (unsigned code = 0; code < 256; ++code) {
      float value = loadOne<uint8_t>(dtype, uint8_t(code));
      if (!std::isnan(value)) {
        EXPECT_EQ(storeOne<uint8_t>(dtype, value), code);
      }
    }
}

TEST(DType, IntegersSaturateAndTakeNanAsZero) {
  EXPECT_EQ(storeOne<int8_t>(DType::I8, 300.0f), 127);
  EXPECT_EQ(storeOne<int8_t>(DType::I8, -inf), -128);
  EXPECT_EQ(storeOne<int8_t>(DType::I8, 2.5f), 2);
  EXPECT_EQ(storeOne<int8_t>(DType::I8, nan), 0);
  EXPECT_EQ(storeOne<uint8_t>(DType::U8, -3.0f), 0);
  EXPECT_EQ(storeOne<int64_t>(DType::I64, 1e30f), INT64_MAX);
  EXPECT_EQ(storeOne<int32_t>(DType::I32, 2147483648.0f), INT32_MAX);
  EXPECT_EQ(storeOne<uint64_t>(DType::U64, inf), UINT64_MAX);
  EXPECT_EQ(storeOne<uint8_t>(DType::Bool, -0.5f), 1);
  EXPECT_EQ(loadOne<int64_t>(DType::I64, -5), -5.0f);
  EXPECT_EQ(loadOne<double>(DType::F64, 0.1), 0.1f);
}

TEST(DType, ArraysMayLieAtOddAddresses) {
  std::vector<float> values = {1, -2, 0.5f, 65504, 3};
  for (int i = 0; i <= int(DType::F8E5M2); ++i) {
    DType dtype = DType(i);
    std::vector<unsigned char> bytes(values.size() * dtypeSize(dtype) + 1);
    std::vector<float> back(values.size());
    fromF32(dtype, values.data(), int64_t(values.size()), bytes.data() + 1);
    toF32(dtype, bytes.data() + 1, int64_t(values.size()), back.data());
    EXPECT_EQ(back[0], 1.0f) << dtypeName(dtype);
  }
}

} // namespace
