// Generated attention, rope and page writing against plain loops over ragged batches.
#include "passes/lower/cpu/emit/Attention.h"
#include "passes/lower/cpu/emit/Rope.h"
#include "tests/unit/emit/Batches.h"
#include "tests/unit/emit/Harness.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;
using plexus::KvForm;

namespace {

/// Plain attention of one row over the keys and values that `sees` lets through.
std::vector<double> plainRow(const AttentionSpec &spec, const float *query, const History &history,
                             int64_t kvHead, const std::vector<bool> &sees, const float *sink) {
  std::vector<double> scores(sees.size(), -INFINITY);
  double top = sink ? *sink : -INFINITY, sum = 0;
  for (size_t slot = 0; slot < sees.size(); ++slot) {
    if (!sees[slot])
      continue;
    double score = 0;
    for (int64_t d = 0; d < spec.keyDim; ++d)
      score += static_cast<double>(query[d]) * history.key(slot, kvHead)[d];
    score *= spec.scale;
    if (spec.softcap != 0)
      score = spec.softcap * std::tanh(score / spec.softcap);
    scores[slot] = score;
    top = std::max(top, score);
  }
  std::vector<double> out(spec.valueDim);
  for (size_t slot = 0; slot < sees.size(); ++slot) {
    double p = std::exp(scores[slot] - top);
    sum += p;
    for (int64_t d = 0; d < spec.valueDim && p > 0; ++d)
      out[d] += p * history.value(slot, kvHead)[d];
  }
  if (sink)
    sum += std::exp(*sink - top);
  for (double &value : out)
    value /= sum;
  return out;
}

/// Compiled attention with the inputs that it runs on.
class Attention {
public:
  Attention(const Isa &isa, const AttentionSpec &spec, bool hasState, bool hasSinks)
      : spec(spec), isa(isa), hasState(hasState), hasSinks(hasSinks),
        sinks(randomFloats(spec.heads, 77)) {
    int64_t q = spec.heads * spec.keyDim, k = spec.kvHeads * spec.keyDim,
            v = spec.kvHeads * spec.valueDim;
    code = compiler.compile(
        isa,
        {compiler.stridedRows(q), compiler.rows(spec.heads * spec.valueDim), compiler.pointer(),
         compiler.pointer(), compiler.stridedRows(k), compiler.stridedRows(v),
         compiler.floats(spec.heads), compiler.bytes()},
        [&](OpBuilder &b, Location loc, ValueRange a) {
          if (hasState)
            emitKvWrite(b, loc, isa, spec, a[4], a[5], a[2], a[3]);
          AttentionOperands operands{
              a[0], a[1],   a[2], hasState ? a[3] : Value(), a[4], a[5], hasSinks ? a[6] : Value(),
              a[7], Value()};
          emitAttention(b, loc, isa, spec, operands);
        });
  }

  /// out [T, heads * valueDim] for queries with row stride `stride`.
  std::vector<float> run(Batch &batch, const std::vector<float> &queries, int64_t stride) {
    int64_t tokens = batch.tokens();
    std::vector<float> out(tokens * spec.heads * spec.valueDim, NAN);
    int64_t bytes = scratchBytes(batch.view());
    std::vector<float> scratch(bytes / 4 + 16, NAN);
    plx_batch view = batch.view();
    plx_kv kv = batch.pages();
    code(Buffer::matrix(queries.data(), tokens, spec.heads * spec.keyDim, stride),
         Buffer::matrix(out.data(), tokens, spec.heads * spec.valueDim, spec.heads * spec.valueDim),
         static_cast<const void *>(&view), static_cast<const void *>(&kv),
         Buffer::matrix(batch.newKeys().data(), tokens, spec.kvHeads * spec.keyDim,
                        batch.keyStride()),
         Buffer::matrix(batch.newValues().data(), tokens, spec.kvHeads * spec.valueDim,
                        batch.valueStride()),
         Buffer::vector(sinks.data(), spec.heads), Buffer::vector(scratch.data(), bytes));
    return out;
  }

  void check(Batch &batch, const std::vector<float> &queries, int64_t stride,
             const std::vector<float> &out) {
    int64_t group = spec.heads / spec.kvHeads;
    for (int64_t t = 0; t < batch.tokens(); ++t) {
      std::vector<bool> sees = batch.visible(t, spec.causal, spec.window);
      for (int64_t h = 0; h < spec.heads; ++h) {
        std::vector<double> want =
            plainRow(spec, &queries[t * stride + h * spec.keyDim], batch.history(t), h / group,
                     sees, hasSinks ? &sinks[h] : nullptr);
        for (int64_t d = 0; d < spec.valueDim; ++d)
          ASSERT_NEAR(out[(t * spec.heads + h) * spec.valueDim + d], want[d], bound())
              << "token " << t << " head " << h << " dim " << d;
      }
    }
  }

  AttentionSpec spec;

private:
  /// Queries and exponentials are rounded where pairs of bf16 are multiplied.
  double bound() const { return spec.form == KvForm::BF16 && isa.bf16Dot ? 1.5e-2 : 2e-5; }

  int64_t scratchBytes(const plx_batch &batch) const {
    ScratchSize size = attentionScratch(spec, isa, hasState);
    int64_t spans = (batch.context + kSpanSlots - 1) / kSpanSlots;
    return size.perToken * batch.tokens + size.perSequence * batch.sequences +
           size.perSpan * std::min(batch.tokens, kSplitTokens) * spans;
  }

  const Isa &isa;
  bool hasState, hasSinks;
  std::vector<float> sinks;
  Compiler compiler;
  Compiled code;
};

AttentionSpec makeSpec(int64_t heads, int64_t kvHeads, int64_t keyDim, int64_t valueDim) {
  AttentionSpec spec;
  spec.heads = heads, spec.kvHeads = kvHeads, spec.keyDim = keyDim, spec.valueDim = valueDim;
  spec.scale = 1.0f / std::sqrt(static_cast<float>(keyDim));
  return spec;
}

/// Runs the batch whole and each sequence of it alone: results are right, and equal to the bit.
void checkRagged(const Isa &isa, const AttentionSpec &spec, bool hasState, bool tree, bool sinks) {
  SCOPED_TRACE(isa.name.str() + " heads=" + std::to_string(spec.heads) + "/" +
               std::to_string(spec.kvHeads) + " dims=" + std::to_string(spec.keyDim) + "/" +
               std::to_string(spec.valueDim) + " window=" + std::to_string(spec.window) +
               (tree ? " tree" : "") + (hasState ? " state " : " ") +
               std::string(kvFormName(spec.form)));
  std::vector<Batch::Part> parts =
      hasState ? std::vector<Batch::Part>{{0, 17}, {31, 1}, {65, 7}, {1, 1}, {200, 40}, {64, 1}}
               : std::vector<Batch::Part>{{0, 17}, {0, 1}, {0, 65}, {0, 32}, {0, 7}};
  Attention attention(isa, spec, hasState, sinks);
  Batch all(spec, parts, hasState, tree);
  int64_t stride = spec.heads * spec.keyDim + 5, width = spec.heads * spec.valueDim;
  std::vector<float> queries = randomFloats(all.tokens() * stride, 5);
  std::vector<float> together = attention.run(all, queries, stride);
  attention.check(all, queries, stride, together);
  int64_t begin = 0;
  for (size_t s = 0; s < parts.size(); ++s) {
    Batch alone = all.only(s);
    std::vector<float> own(queries.begin() + begin * stride,
                           queries.begin() + (begin + parts[s].count) * stride);
    std::vector<float> out = attention.run(alone, own, stride);
    ASSERT_EQ(std::memcmp(out.data(), &together[begin * width], out.size() * 4), 0)
        << "bits of sequence " << s << " depend on its neighbours";
    begin += parts[s].count;
  }
}

TEST(Attention, CausalOverPagesEqualsPlainLoops) {
  for (const Isa &isa : testIsas())
    for (auto [heads, kvHeads, key, value] : {std::array<int64_t, 4>{9, 3, 64, 64},
                                              {4, 4, 32, 32},
                                              {14, 2, 16, 24},
                                              {1, 1, 17, 5},
                                              {8, 1, 7, 65}})
      checkRagged(isa, makeSpec(heads, kvHeads, key, value), true, false, false);
}

TEST(Attention, PairsOfBf16EqualPlainLoopsOverThem) {
  for (const Isa &isa : testIsas())
    for (auto [heads, kvHeads, key, value] : {std::array<int64_t, 4>{9, 3, 64, 64},
                                              {4, 4, 18, 32},
                                              {14, 2, 16, 24},
                                              {1, 1, 17, 5},
                                              {8, 1, 7, 65}})
      for (bool hasState : {true, false}) {
        AttentionSpec spec = makeSpec(heads, kvHeads, key, value);
        spec.form = KvForm::BF16;
        checkRagged(isa, spec, hasState, /*tree=*/hasState && heads == 4, /*sinks=*/heads == 9);
      }
}

TEST(Attention, WindowsSkipPagesLeftBehind) {
  for (const Isa &isa : testIsas())
    for (int64_t window : {1, 5, 32, 100, 132, 260}) {
      AttentionSpec spec = makeSpec(4, 2, 16, 16);
      if (window > 32)
        spec.form = window % 8 ? KvForm::F32 : KvForm::BF16;
      spec.window = window;
      checkRagged(isa, spec, true, false, false);
      checkRagged(isa, spec, true, true, false);
    }
}

TEST(Attention, TreesSeeTheirAncestors) {
  for (const Isa &isa : testIsas())
    checkRagged(isa, makeSpec(6, 3, 32, 32), true, true, false);
}

TEST(Attention, SoftcapAndSinks) {
  for (const Isa &isa : testIsas()) {
    AttentionSpec spec = makeSpec(6, 2, 24, 24);
    spec.softcap = 2.0f;
    checkRagged(isa, spec, true, false, true);
  }
}

TEST(Attention, WithoutStateSeesTheBatch) {
  for (const Isa &isa : testIsas())
    for (bool causal : {false, true}) {
      AttentionSpec spec = makeSpec(12, 12, 32, 32);
      spec.causal = causal;
      checkRagged(isa, spec, false, false, false);
      spec = makeSpec(6, 2, 20, 12);
      spec.causal = causal;
      checkRagged(isa, spec, false, false, false);
    }
}

TEST(Attention, ChunksGiveTheBitsOfOnePass) {
  for (const Isa &isa : testIsas())
    for (KvForm form : {KvForm::F32, KvForm::BF16}) {
      AttentionSpec spec = makeSpec(6, 2, 32, 32);
      spec.form = form;
      Attention attention(isa, spec, true, false);
      Batch whole(spec, {{0, 70}}, true, false);
      int64_t stride = spec.heads * spec.keyDim, width = spec.heads * spec.valueDim;
      std::vector<float> queries = randomFloats(whole.tokens() * stride, 5);
      std::vector<float> want = attention.run(whole, queries, stride);
      for (int64_t begin : {0, 1, 33, 69}) {
        Batch chunk = whole.tail(begin);
        std::vector<float> own(queries.begin() + begin * stride, queries.end());
        std::vector<float> out = attention.run(chunk, own, stride);
        ASSERT_EQ(std::memcmp(out.data(), &want[begin * width], out.size() * 4), 0) << begin;
      }
    }
}

TEST(Attention, SpansOfALongContextAreSharedOutWithTheSameBits) {
  for (const Isa &isa : testIsas()) {
    AttentionSpec spec = makeSpec(6, 3, 16, 24);
    for (int64_t window : {0, 700}) {
      spec.window = window, spec.form = window ? KvForm::BF16 : KvForm::F32;
      Attention attention(isa, spec, true, false);
      // More than kSplitTokens tokens: one item walks through all spans of a row.
      Batch whole(spec, {{2 * kSpanSlots + 40, 20}}, true, false);
      int64_t stride = spec.heads * spec.keyDim, width = spec.heads * spec.valueDim;
      std::vector<float> queries = randomFloats(whole.tokens() * stride, 5);
      std::vector<float> want = attention.run(whole, queries, stride);
      attention.check(whole, queries, stride, want);
      for (int64_t begin : {10, 19}) {
        Batch few = whole.tail(begin);
        std::vector<float> own(queries.begin() + begin * stride, queries.end());
        std::vector<float> out = attention.run(few, own, stride);
        ASSERT_EQ(std::memcmp(out.data(), &want[begin * width], out.size() * 4), 0) << begin;
      }
      // A long and a short sequence together: the short one has no part in the later spans.
      checkRagged(isa, spec, true, false, false);
    }
  }
}

/// Rotates as the definition says, in f32 as the reference does.
void checkRope(const Isa &isa, int64_t heads, int64_t headDim, RopeSpec spec, bool inPlace) {
  Compiler compiler;
  int64_t width = heads * headDim, half = spec.dims / 2;
  bool hasLong = spec.originalContext > 0;
  Compiled code = compiler.compile(
      isa,
      {compiler.pointer(), compiler.floats(half), compiler.floats(half), compiler.rows(spec.dims),
       compiler.index(), compiler.stridedRows(width), compiler.rows(width)},
      [&](OpBuilder &b, Location loc, ValueRange a) {
        emitRopeTable(b, loc, isa, spec, a[0], a[1], hasLong ? a[2] : Value(), a[3]);
        emitRope(b, loc, isa, spec, heads, headDim, a[4], a[5], inPlace ? a[5] : a[6], a[3]);
      });
  Batch batch(makeSpec(1, 1, 8, 8), {{0, 5}, {99990, 3}, {100, 1}}, false, false);
  int64_t tokens = batch.tokens(), stride = width + 3;
  std::vector<float> frequencies(half), longer(half), table(tokens * spec.dims);
  for (int64_t i = 0; i < half; ++i) {
    frequencies[i] = std::pow(10000.0f, -2.0f * i / spec.dims);
    longer[i] = frequencies[i] / 8;
  }
  std::vector<float> in = randomFloats(tokens * stride, 9), before = in, out(tokens * width);
  plx_batch view = batch.view();
  code(static_cast<const void *>(&view), Buffer::vector(frequencies.data(), half),
       Buffer::vector(longer.data(), half),
       Buffer::matrix(table.data(), tokens, spec.dims, spec.dims), tokens,
       Buffer::matrix(in.data(), tokens, width, stride),
       Buffer::matrix(out.data(), tokens, width, width));
  for (int64_t t = 0; t < tokens; ++t) {
    bool isLong = hasLong &&
                  view.position[view.token_begin[view.sequence[t] + 1] - 1] >= spec.originalContext;
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t d = 0; d < headDim; ++d) {
        const float *x = &before[t * stride + h * headDim];
        double want = x[d];
        if (d < spec.dims) {
          int64_t i = spec.interleaved ? d / 2 : d % half;
          bool second = spec.interleaved ? d % 2 : d >= half;
          int64_t other = spec.interleaved ? d ^ 1 : second ? d - half : d + half;
          float angle = static_cast<float>(view.position[t]) * (isLong ? longer : frequencies)[i];
          double cos = std::cos(static_cast<double>(angle)) * spec.attentionScaling;
          double sin = std::sin(static_cast<double>(angle)) * spec.attentionScaling;
          want = x[d] * cos + (second ? 1 : -1) * x[other] * sin;
        }
        float got = inPlace ? in[t * stride + h * headDim + d] : out[t * width + h * headDim + d];
        ASSERT_NEAR(got, want, 2e-6) << "token " << t << " head " << h << " dim " << d;
      }
  }
}

TEST(Rope, RotatesHalvesAndPairs) {
  for (const Isa &isa : testIsas())
    for (bool interleaved : {false, true})
      for (bool inPlace : {false, true})
        for (auto [dims, headDim] :
             {std::pair<int64_t, int64_t>{64, 64}, {16, 20}, {6, 7}, {26, 26}, {2, 3}}) {
          RopeSpec spec;
          spec.dims = dims, spec.interleaved = interleaved, spec.attentionScaling = 1.25f;
          checkRope(isa, 3, headDim, spec, inPlace);
        }
}

TEST(Rope, LongSequencesTakeTheirOwnFrequencies) {
  RopeSpec spec;
  spec.dims = 32, spec.originalContext = 101;
  checkRope(*findIsa("x86-64-v3"), 2, 32, spec, false);
}

} // namespace
