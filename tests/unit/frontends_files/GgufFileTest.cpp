#include "frontends/gguf/GgufFile.h"

#include "tests/support/GgufBytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace plexus;
using namespace plexus::frontends;
using plexus::testing::GgufBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

Expected<std::shared_ptr<const GgufFile>> parse(const std::string &bytes) {
  return GgufFile::parse({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, "m.gguf");
}

void expectRefused(const std::string &bytes, Code code, std::string_view message) {
  auto file = parse(bytes);
  ASSERT_FALSE(file.isOk()) << message;
  EXPECT_EQ(file.status().code(), code) << file.status().message();
  EXPECT_THAT(file.status().message(), AllOf(HasSubstr("m.gguf"), HasSubstr(std::string(message))));
}

const std::string blocks(size_t bytes) { return std::string(bytes, '\1'); }

TEST(GgufFile, ReadsEveryKindOfValue) {
  std::string bytes = GgufBytes()
                          .value("u8", GgufBytes::U8, uint8_t(200))
                          .value("i8", GgufBytes::I8, int8_t(-3))
                          .value("u16", GgufBytes::U16, uint16_t(60000))
                          .value("i16", GgufBytes::I16, int16_t(-300))
                          .u32("u32", 4'000'000'000u)
                          .value("i32", GgufBytes::I32, int32_t(-5))
                          .f32("f32", 0.5f)
                          .boolean("bool", true)
                          .string("string", "text")
                          .value("u64", GgufBytes::U64, uint64_t(1) << 62)
                          .value("i64", GgufBytes::I64, int64_t(-1))
                          .value("f64", GgufBytes::F64, 0.1)
                          .array<std::string>("strings", GgufBytes::String, {"a", "", "c"})
                          .array<float>("floats", GgufBytes::F32, {1, 2})
                          .array<int8_t>("bytes", GgufBytes::I8, {-1, 1})
                          .array<uint8_t>("flags", GgufBytes::Bool, {1, 0})
                          .array<int32_t>("empty", GgufBytes::I32, {})
                          .bytes();
  auto parsed = parse(bytes);
  ASSERT_TRUE(parsed.isOk()) << parsed.status().message();
  const GgufFile &file = **parsed;
  EXPECT_EQ(*file.metadata("u8"), GgufValue(int64_t(200)));
  EXPECT_EQ(*file.metadata("i8"), GgufValue(int64_t(-3)));
  EXPECT_EQ(*file.metadata("u16"), GgufValue(int64_t(60000)));
  EXPECT_EQ(*file.metadata("i16"), GgufValue(int64_t(-300)));
  EXPECT_EQ(*file.metadata("u32"), GgufValue(int64_t(4'000'000'000)));
  EXPECT_EQ(*file.metadata("i32"), GgufValue(int64_t(-5)));
  EXPECT_EQ(*file.metadata("f32"), GgufValue(0.5));
  EXPECT_EQ(*file.metadata("bool"), GgufValue(true));
  EXPECT_EQ(*file.metadata("string"), GgufValue(std::string("text")));
  EXPECT_EQ(*file.metadata("u64"), GgufValue(int64_t(1) << 62));
  EXPECT_EQ(*file.metadata("i64"), GgufValue(int64_t(-1)));
  EXPECT_EQ(*file.metadata("f64"), GgufValue(0.1));
  EXPECT_EQ(*file.metadata("strings"), GgufValue(std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(*file.metadata("floats"), GgufValue(std::vector<double>{1, 2}));
  EXPECT_EQ(*file.metadata("bytes"), GgufValue(std::vector<int64_t>{-1, 1}));
  EXPECT_EQ(*file.metadata("flags"), GgufValue(std::vector<bool>{true, false}));
  EXPECT_EQ(*file.metadata("empty"), GgufValue(std::vector<int64_t>{}));
  EXPECT_EQ(file.metadata("none"), nullptr);
  EXPECT_EQ(ggufValueToString(*file.metadata("strings")), "[\"a\", \"\", \"c\"]");
}

TEST(GgufFile, TensorsOfEveryDecodedTypeHaveTheirBytes) {
  for (uint64_t alignment : {32, 64}) {
    GgufBytes writer;
    if (alignment != 32)
      writer.u32("general.alignment", uint32_t(alignment));
    writer.alignment = alignment;
    writer.floats("f32", {2, 3}, {1, 2, 3, 4, 5, 6});
    writer.tensor("f16", {4}, 1, std::string("\0\x3c\0\x40\0\x3c\0\x40", 8));
    writer.tensor("bf16", {2}, 30, std::string("\x80\x3f\x00\x40", 4));
    writer.tensor("q8_0", {2, 32}, 8, blocks(68));
    writer.tensor("q4_0", {1, 64}, 2, blocks(36));
    writer.tensor("q4_1", {32}, 3, blocks(20));
    std::string bytes = writer.bytes();
    auto parsed = parse(bytes);
    ASSERT_TRUE(parsed.isOk()) << parsed.status().message();
    const GgufFile &file = **parsed;
    EXPECT_THAT(file.names(), ElementsAre("bf16", "f16", "f32", "q4_0", "q4_1", "q8_0"));
    EXPECT_THAT(file.find("f32")->shape, ElementsAre(2, 3));
    EXPECT_EQ(file.find("q8_0")->encodingName(), "Q8_0");
    std::vector<float> out(6);
    ASSERT_TRUE(decodeElements(*file.find("f32"), 0, 6, out.data()).isOk());
    EXPECT_THAT(out, ElementsAre(1, 2, 3, 4, 5, 6));
    ASSERT_TRUE(decodeElements(*file.find("bf16"), 0, 2, out.data()).isOk());
    EXPECT_EQ(out[1], 2.0f);
    ASSERT_TRUE(decodeElements(*file.find("f16"), 1, 1, out.data()).isOk());
    EXPECT_EQ(out[0], 2.0f);
    EXPECT_TRUE(file.checkTensorTypes().isOk());
  }
}

TEST(GgufFile, OtherTensorTypesAreNamedAndLeaveTheRestReadable) {
  std::string bytes = GgufBytes()
                          .tensor("a", {256}, 10, blocks(84))
                          .tensor("b", {256}, 99, blocks(4))
                          .tensor("c", {1}, 0, blocks(4))
                          .bytes();
  auto file = parse(bytes);
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_THAT((*file)->names(), ElementsAre("c"));
  Status status = (*file)->checkTensorTypes();
  EXPECT_EQ(status.code(), Code::Unsupported);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("Q2_K, as in tensor \"a\""),
                                      HasSubstr("number 99, as in tensor \"b\"")));
}

TEST(GgufFile, OtherVersionsAreRefusedByName) {
  GgufBytes writer;
  for (uint32_t version : {0u, 1u, 2u, 4u}) {
    writer.version = version;
    expectRefused(writer.bytes(), Code::Unsupported, "version " + std::to_string(version));
  }
  writer.version = 0x03000000u;
  expectRefused(writer.bytes(), Code::Unsupported, "big-endian");
  expectRefused("GGML12345678", Code::Corrupt, "no GGUF file");
}

TEST(GgufFile, EveryTruncationIsFound) {
  std::string whole = GgufBytes()
                          .string("k", "v")
                          .array<std::string>("s", GgufBytes::String, {"a", "b"})
                          .floats("t", {2}, {1, 2})
                          .bytes();
  ASSERT_TRUE(parse(whole).isOk());
  for (size_t size = 0; size < whole.size(); ++size)
    expectRefused(whole.substr(0, size), Code::Corrupt, "");
}

TEST(GgufFile, CountsAndLengthsThatTheFileCannotHoldAreRefused) {
  std::string tooMany = GgufBytes().bytes();
  uint64_t count = uint64_t(1) << 40;
  std::memcpy(tooMany.data() + 8, &count, sizeof(count));
  expectRefused(tooMany, Code::ResourceExhausted, "1099511627776 tensors");

  std::string longArray = GgufBytes().array<uint8_t>("a", GgufBytes::U8, {1}).bytes();
  // Magic, version, counts, key, type, element type: then the array's length.
  std::memcpy(longArray.data() + 4 + 4 + 16 + 9 + 8, &count, sizeof(count));
  expectRefused(longArray, Code::Corrupt, "metadata \"a\"");
}

TEST(GgufFile, BrokenMetadataIsRefused) {
  expectRefused(GgufBytes().u32("a", 1).u32("a", 2).bytes(), Code::Corrupt, "occurs twice");
  expectRefused(GgufBytes().value("a", GgufBytes::Type(13), 1).bytes(), Code::Corrupt,
                "value type");
  expectRefused(GgufBytes().value("a", GgufBytes::Bool, uint8_t(2)).bytes(), Code::Corrupt,
                "of type bool");
  expectRefused(GgufBytes().array<uint32_t>("a", GgufBytes::Array, {1}).bytes(), Code::Unsupported,
                "array of arrays");
  expectRefused(GgufBytes().array<uint32_t>("a", GgufBytes::Type(50), {1}).bytes(), Code::Corrupt,
                "an array of a type");
  expectRefused(GgufBytes().u32("", 1).bytes(), Code::Corrupt, "metadata key");
  expectRefused(GgufBytes().u32("a\xff", 1).bytes(), Code::Corrupt, "metadata key");
  expectRefused(GgufBytes().u32("general.alignment", 3).bytes(), Code::Corrupt, "multiple of 8");
  expectRefused(GgufBytes().string("general.alignment", "x").bytes(), Code::Corrupt, "multiple");
  expectRefused(GgufBytes().u32("split.count", 3).bytes(), Code::Unsupported, "split model");
  expectRefused(GgufBytes().value("a", GgufBytes::U64, UINT64_MAX).bytes(), Code::Corrupt, "\"a\"");
}

TEST(GgufFile, BrokenTensorsAreRefused) {
  auto one = [](std::vector<int64_t> dims, uint32_t type, size_t bytes, int64_t offset = -1) {
    return GgufBytes().tensor("t", std::move(dims), type, blocks(bytes), offset).bytes();
  };
  expectRefused(one({3}, 0, 8), Code::Corrupt, "tensor \"t\": 12 bytes at 0 of 8");
  expectRefused(one({2}, 0, 8, 16), Code::Corrupt, "not a multiple of 32");
  expectRefused(one({2}, 0, 8, 1 << 20), Code::Corrupt, "truncated");
  expectRefused(one({2}, 0, 8, INT64_MAX / 32 * 32), Code::Corrupt, "truncated");
  expectRefused(one({33}, 8, 68), Code::Corrupt, "whole blocks of 32 (Q8_0)");
  expectRefused(one({}, 8, 68), Code::Corrupt, "whole blocks");
  expectRefused(one({INT64_MAX, INT64_MAX}, 0, 8), Code::Corrupt, "impossible shape");
  expectRefused(one({-1}, 0, 8), Code::Corrupt, "impossible shape");
  expectRefused(one({1, 1, 1, 1, 1}, 0, 4), Code::Corrupt, "more than 4 dimensions");
  expectRefused(
      GgufBytes().tensor("t", {8}, 0, blocks(32)).tensor("u", {8}, 0, blocks(32), 0).bytes(),
      Code::Corrupt, "overlaps");
  expectRefused(GgufBytes().tensor("t", {1}, 0, blocks(4)).tensor("t", {1}, 0, blocks(4)).bytes(),
                Code::Corrupt, "occurs twice");
  expectRefused(GgufBytes().tensor("a b", {1}, 0, blocks(4)).bytes(), Code::Corrupt, "tensor name");
}

} // namespace
