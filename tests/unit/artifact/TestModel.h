// A small artifact for the tests of the container: one segment, two weights, real machine code.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Writer.h"
#include "runtime/program/Program.h"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace plexus::test {

inline std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A code object built beside this test.
inline std::string codeObject(const std::string &name) {
  return readFile(std::string(PLEXUS_BINARY_DIR) + "/tests/" + name + ".so");
}

/// Two layers of "main": y = x + w[layer], and a weight of over one chunk that nothing uses.
inline Program smallProgram() {
  Program p;
  p.callVersion = PLX_CALL_VERSION;
  p.compiler = "0.1.0";
  p.functionalHash = std::string(64, 'a');
  p.model.name = "small";
  p.model.family = "test";
  p.model.task = "graph";
  p.model.context = 16;
  p.model.layers = 2;
  p.model.hiddenSize = 8;
  p.model.eos = {2};
  p.model.bos = 1;
  p.model.generation = R"({"max_length":20})";
  p.model.pooling = Pooling{"mean", true, 256, false, "query: "};
  p.model.inputs = {"x"};
  ValueType row{Rows::Tokens, {8}, DType::F32};
  Segment main{"main", "plx_main", "plx_main_scratch", {row}, {row}, {"w"}, {}, 0, std::nullopt};
  p.segments = {main};
  p.weights = {{"w", 0, {8}, DType::F32, WeightEncoding::Dense, 0, 32},
               {"w", 1, {8}, DType::F32, WeightEncoding::Dense, 64, 32},
               {"big", -1, {1024, 600}, DType::BF16, WeightEncoding::Dense, 128, 1024 * 600 * 2}};
  Schedule forward{"forward", {"x"}, {row, row, row}, {}, {{"y", 2}}, {1, 2}};
  forward.steps = {{0, 0, {0}, {1}, {}, {}}, {0, 1, {1}, {2}, {}, {}}};
  p.schedules = {forward};
  p.report = {{"main", "plx.add", "here", "generated", "always"}};
  return p;
}

inline std::string weightBytesOf(const Program &program) {
  std::string bytes(program.weightsSize(), '\0');
  for (int layer = 0; layer < 2; ++layer)
    for (int i = 0; i < 8; ++i)
      reinterpret_cast<float *>(bytes.data() + 64 * layer)[i] = float(i + 1);
  return bytes;
}

inline Status writeSmallArtifact(const std::string &path, const std::string &isa = "x86-64-v3",
                                 const std::string &code = codeObject("artifact_test_code")) {
  Program program = smallProgram();
  PLX_ASSIGN(ArtifactWriter writer, ArtifactWriter::create(path));
  using artifact::SectionKind;
  PLX_RETURN_IF_ERROR(
      writer.addSection("manifest", SectionKind::Manifest, serializeProgram(program)));
  PLX_RETURN_IF_ERROR(writer.addSection("code." + isa, SectionKind::Code, code));
  PLX_RETURN_IF_ERROR(writer.addSection("tokenizer", SectionKind::Text, "{\"model\":{}}"));
  PLX_RETURN_IF_ERROR(writer.addSection("ir", SectionKind::Text, "plx.model @small {}"));
  std::string weights = weightBytesOf(program);
  PLX_RETURN_IF_ERROR(writer.beginWeights());
  // In pieces that do not divide the chunks.
  for (size_t at = 0; at < weights.size(); at += 100'003)
    PLX_RETURN_IF_ERROR(
        writer.appendWeights(weights.data() + at, std::min<size_t>(100'003, weights.size() - at)));
  PLX_RETURN_IF_ERROR(writer.endWeights());
  return writer.commit();
}

} // namespace plexus::test
