// Compiles one segment from text and calls it, for tests of the lowering.
#ifndef PLEXUS_TESTS_UNIT_PASSES_SEGMENTHARNESS_H
#define PLEXUS_TESTS_UNIT_PASSES_SEGMENTHARNESS_H

#include "runtime/abi/Call.h"
#include "runtime/program/Program.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace plexus::compiler::test {

using Floats = std::vector<float>;

/// Normally distributed.
Floats randomRows(int64_t rows, int64_t columns, unsigned seed);
/// Differences are at most `tolerance` (1 + |expected|); NaN equals NaN.
void expectNear(const Floats &actual, const Floats &expected, double tolerance = 1e-4);

/// A ragged batch of sequences that all begin at position 0.
struct RaggedBatch {
  explicit RaggedBatch(std::vector<int32_t> lengths);
  std::vector<int32_t> lengths, sequence, position, tokenBegin, past, outputRow;
  /// Where each token's recurrent states start from and go to; empty: the segment has none.
  std::vector<const uint8_t *> carryFrom;
  std::vector<uint8_t *> carryTo;
  plx_batch view() const;
};

/// Where state `index` of a segment lies in its slots, in floats.
constexpr int64_t kSlotFloats = 1 << 12;
constexpr int64_t carryPlace(int64_t index) { return 16 + index * kSlotFloats; }

enum class Path {
  Fast,      ///< merged, fused, packed, through the emitters
  Decomposed ///< every op by its decomposition, weights dense
};

/// The only segment of a model in text, as machine code of this process.
class CompiledSegment {
public:
  CompiledSegment(const std::string &text, Path path) { compile(text, path); }

  /// Runs on f32 inputs [T, columns] (or ids, if `ids` is given as the only input). Sources that
  /// the weights' recipes name are random numbers, the same for every path. Returns the outputs.
  std::vector<std::vector<float>> operator()(const RaggedBatch &batch,
                                             const std::vector<std::vector<float>> &inputs,
                                             const std::vector<int32_t> &ids = {}) const;

  const Segment &info() const { return segment; }
  /// Bytes of scratch for a batch.
  int64_t scratchBytes(const plx_batch &batch) const;

private:
  void compile(const std::string &text, Path path);

  Segment segment;
  std::vector<std::vector<char>> weights; ///< in the order of the weight table
  std::shared_ptr<const CodeModule> code;
};

} // namespace plexus::compiler::test

#endif // PLEXUS_TESTS_UNIT_PASSES_SEGMENTHARNESS_H
