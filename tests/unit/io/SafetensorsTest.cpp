#include "runtime/io/Safetensors.h"

#include "tests/support/TempDir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

using namespace plexus;
using plexus::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

std::string file(std::string_view header, size_t dataBytes) {
  uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char *>(&length), sizeof(length));
  bytes += header;
  return bytes + std::string(dataBytes, '\1');
}

Expected<std::shared_ptr<const SafetensorsFile>> parse(const std::string &bytes) {
  return SafetensorsFile::parse({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()},
                                "m.safetensors");
}

struct BadFile {
  std::string bytes;
  Code code;
  std::string message; ///< A part of it.
};

void expectRefused(const std::vector<BadFile> &files) {
  for (const BadFile &bad : files) {
    auto parsed = parse(bad.bytes);
    ASSERT_FALSE(parsed.isOk()) << bad.message;
    EXPECT_EQ(parsed.status().code(), bad.code) << parsed.status().message();
    EXPECT_THAT(parsed.status().message(),
                AllOf(HasSubstr("m.safetensors"), HasSubstr(bad.message)));
  }
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  std::string bytes = file(R"({"__metadata__": {"format": "pt"},
      "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [4, 16]},
      "empty": {"dtype": "F32", "shape": [0, 7], "data_offsets": [4, 4]},
      "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}   )",
                           16);
  auto parsed = parse(bytes);
  ASSERT_TRUE(parsed.isOk()) << parsed.status().message();
  const SafetensorsFile &source = **parsed;
  EXPECT_THAT(source.names(), ElementsAre("a", "b", "empty"));
  EXPECT_EQ(source.metadata().at("format"), "pt");
  const TensorView *b = source.find("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->dtype, DType::BF16);
  EXPECT_THAT(b->shape, ElementsAre(2, 3));
  EXPECT_EQ(b->size, 12u);
  EXPECT_EQ(b->bytes, reinterpret_cast<const uint8_t *>(bytes.data()) + bytes.size() - 12);
  EXPECT_EQ(source.find("c"), nullptr);
}

TEST(Safetensors, RefusesTruncatedFiles) {
  std::string whole = file(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 8);
  ASSERT_TRUE(parse(whole).isOk());
  for (size_t size = 0; size < whole.size(); ++size) {
    auto parsed = parse(whole.substr(0, size));
    ASSERT_FALSE(parsed.isOk()) << size;
    EXPECT_EQ(parsed.status().code(), Code::Corrupt);
  }
  expectRefused({
      {whole.substr(0, whole.size() - 1), Code::Corrupt, "tensor \"a\": bytes 0 to 8 of 7"},
      {whole.substr(0, 20), Code::Corrupt, "truncated"},
  });
}

TEST(Safetensors, RefusesOversizedHeadersAndFiles) {
  std::string huge = file("{}", 0);
  uint64_t length = 100'000'001;
  std::memcpy(huge.data(), &length, sizeof(length));
  std::string endless = file("{}", 0);
  length = UINT64_MAX;
  std::memcpy(endless.data(), &length, sizeof(length));
  expectRefused({
      {huge, Code::ResourceExhausted, "a header of 100000001 bytes"},
      {endless, Code::ResourceExhausted, "a header of 18446744073709551615 bytes"},
      {file(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 9), Code::Corrupt,
       "1 bytes behind the last tensor"},
      {file("{}", 3), Code::Corrupt, "3 bytes behind the last tensor"},
  });
}

TEST(Safetensors, RefusesOverlapsAndGaps) {
  expectRefused({
      {file(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
               "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}})",
            6),
       Code::Corrupt, "tensor \"b\" begins at byte 2, inside tensor \"a\""},
      {file(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
               "b": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}})",
            4),
       Code::Corrupt, "inside tensor"},
      {file(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
               "b": {"dtype": "U8", "shape": [1], "data_offsets": [6, 7]}})",
            7),
       Code::Corrupt, "tensor \"b\" leaves a gap of 2 bytes"},
      {file(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}})", 2), Code::Corrupt,
       "gap"},
  });
}

TEST(Safetensors, RefusesSizesThatDoNotFit) {
  expectRefused({
      {file(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}})", 8), Code::Corrupt,
       "tensor \"a\": shape [3] of F32 does not make the 8 bytes"},
      {file(R"({"a": {"dtype": "F32", "shape": [9223372036854775807, 9223372036854775807],
               "data_offsets": [0, 4]}})",
            4),
       Code::Corrupt, "does not make"},
      {file(R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})",
            0),
       Code::Corrupt, "does not make"},
      {file(R"({"a": {"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 4]}})",
            4),
       Code::Corrupt, "no size"},
      {file(R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4), Code::Corrupt,
       "no size"},
      {file(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4), Code::Corrupt,
       "begin <= end"},
      {file(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0.0, 4]}})", 4), Code::Corrupt,
       "data_offsets"},
  });
}

TEST(Safetensors, RefusesHeadersThatBreakTheFormat) {
  const std::string entry = R"({"dtype": "U8", "shape": [1], "data_offsets": [0, 1]})";
  std::string deep = "{\"a\": " + std::string(1000, '[') + "}";
  expectRefused({
      {file("{\"a\": " + entry + ", \"a\": " + entry + "}", 1), Code::Corrupt,
       "the key \"a\" occurs twice"},
      {file("{\"\xff\": " + entry + "}", 1), Code::Corrupt, "no valid JSON"},
      {file("[]", 0), Code::Corrupt, "does not begin with {"},
      {file("", 0), Code::Corrupt, "does not begin with {"},
      {file(" {}", 0), Code::Corrupt, "does not begin with {"},
      {file("{\"a\": 1}", 0), Code::Corrupt, "tensor \"a\": expected dtype"},
      {file(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1], "x": 0}})", 1),
       Code::Corrupt, "nothing else"},
      {file(R"({"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}})", 1),
       Code::Unsupported, "tensor \"a\": dtype \"F4\""},
      {file(R"({"__metadata__": {"a": 1}})", 0), Code::Corrupt, "not a string"},
      {file(R"({"__metadata__": []})", 0), Code::Corrupt, "not an object"},
      {file(deep, 0), Code::ResourceExhausted, "nested deeper"},
  });
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  TempDir dir;
  float floats[3] = {1, 2, 3};
  int64_t ids[2] = {7, -8};
  uint8_t mask[5] = {1, 0, 1, 1, 0};
  auto view = [](DType dtype, std::vector<int64_t> shape, const void *data, size_t size) {
    TensorView v;
    v.dtype = dtype;
    v.shape = std::move(shape);
    v.bytes = static_cast<const uint8_t *>(data);
    v.size = size;
    return v;
  };
  std::vector<NamedTensorView> tensors = {
      {"mask", view(DType::Bool, {5}, mask, sizeof(mask))},
      {"x", view(DType::F32, {3, 1}, floats, sizeof(floats))},
      {"ids", view(DType::I64, {2}, ids, sizeof(ids))},
      {"none", view(DType::F32, {0}, nullptr, 0)},
  };
  std::string path = dir / "out.safetensors";
  Status status = writeSafetensors(path, tensors, {{"made by", "a \"test\""}});
  ASSERT_TRUE(status.isOk()) << status.message();
  auto source = SafetensorsFile::open(path);
  ASSERT_TRUE(source.isOk()) << source.status().message();
  EXPECT_EQ((*source)->metadata().at("made by"), "a \"test\"");
  for (const NamedTensorView &tensor : tensors) {
    const TensorView *read = (*source)->find(tensor.name);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->dtype, tensor.view.dtype);
    EXPECT_EQ(read->shape, tensor.view.shape);
    ASSERT_EQ(read->size, tensor.view.size);
    if (read->size)
      EXPECT_EQ(std::memcmp(read->bytes, tensor.view.bytes, read->size), 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read->bytes) % dtypeSize(read->dtype), 0u);
  }
  (*source)->find("x")->drop(0, 3);
  EXPECT_EQ((*source)->files().size(), 1u);
}

TEST(Safetensors, TheWriterRefusesWhatItCannotExpress) {
  TempDir dir;
  uint8_t data[4] = {};
  TensorView good;
  good.dtype = DType::U8;
  good.shape = {4};
  good.bytes = data;
  good.size = 4;
  TensorView wrongSize = good;
  wrongSize.shape = {5};
  TensorView packed = good;
  packed.block = findBlockFormat("Q8_0");
  std::string path = dir / "out.safetensors";
  for (const std::vector<NamedTensorView> &bad :
       {std::vector<NamedTensorView>{{"a", good}, {"a", good}},
        {{"__metadata__", good}},
        {{"a", wrongSize}},
        {{"a", packed}},
        {{"\xff", good}}})
    EXPECT_EQ(writeSafetensors(path, bad).code(), Code::InvalidArgument);
  EXPECT_EQ(dir.entries(), 0u);
}

class Sharded : public ::testing::Test {
protected:
  void SetUp() override {
    dir.write("m-1.safetensors",
              file(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", 1));
    dir.write("m-2.safetensors",
              file(R"({"b": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})", 2));
  }
  Expected<std::shared_ptr<const TensorSource>> openIndex(std::string_view weightMap) {
    return openSafetensors(
        dir.write("m.safetensors.index.json", R"({"metadata": {"total_size": 3}, "weight_map": )" +
                                                  std::string(weightMap) + "}"));
  }
  TempDir dir;
};

TEST_F(Sharded, FindsTensorsInTheirShards) {
  auto source = openIndex(R"({"b": "m-2.safetensors", "a": "m-1.safetensors"})");
  ASSERT_TRUE(source.isOk()) << source.status().message();
  EXPECT_THAT((*source)->names(), ElementsAre("a", "b"));
  EXPECT_EQ((*source)->find("b")->size, 2u);
  EXPECT_EQ((*source)->find("c"), nullptr);
  EXPECT_EQ((*source)->files().size(), 2u);
}

TEST_F(Sharded, ListsAllThatDoesNotFit) {
  auto source = openIndex(R"({"a": "m-1.safetensors", "c": "m-2.safetensors",
                              "d": "m-3.safetensors"})");
  ASSERT_FALSE(source.isOk());
  EXPECT_THAT(source.status().message(),
              AllOf(HasSubstr("\"c\" is not in m-2.safetensors"),
                    HasSubstr("m-3.safetensors: No such"),
                    HasSubstr("\"b\" of m-2.safetensors is not in the index")));
}

TEST_F(Sharded, RefusesFilesElsewhere) {
  for (const char *name : {"../m-1.safetensors", "/etc/passwd", "", "x/m-1.safetensors"}) {
    auto source = openIndex("{\"a\": \"" + std::string(name) + "\"}");
    ASSERT_FALSE(source.isOk());
    EXPECT_THAT(source.status().message(), HasSubstr("tensor \"a\"")) << name;
  }
  EXPECT_FALSE(openIndex("[]").isOk());
  EXPECT_FALSE(openIndex(R"({"a": 1})").isOk());
}

} // namespace
