// Attention over states that seal their pages, with the runtime's own pages.
#include "passes/lower/cpu/emit/Attention.h"
#include "passes/lower/cpu/emit/StateViews.h"
#include "runtime/state/KvState.h"
#include "tests/unit/emit/Batches.h"
#include "tests/unit/emit/Harness.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;
using plexus::KvForm;
using plexus::KvState;

namespace {

AttentionSpec makeSpec(int64_t heads, int64_t kvHeads, int64_t keyDim, int64_t valueDim) {
  AttentionSpec spec;
  spec.heads = heads, spec.kvHeads = kvHeads, spec.keyDim = keyDim, spec.valueDim = valueDim;
  spec.scale = 1.0f / std::sqrt(static_cast<float>(keyDim));
  spec.keepAs(KvForm::Int4);
  return spec;
}

RopeSpec makeRope(int64_t dims, bool interleaved) {
  RopeSpec rope;
  rope.dims = dims, rope.interleaved = interleaved;
  return rope;
}

/// Rows of one sequence: what is asked, and what is kept, by row number.
struct Rows {
  AttentionSpec spec;
  std::vector<float> queries, keys, values, frequencies;

  Rows(const AttentionSpec &spec, int64_t count)
      : spec(spec), queries(randomFloats(count * spec.heads * spec.keyDim, 5)),
        keys(randomFloats(count * spec.kvHeads * spec.keyDim, 6)),
        values(randomFloats(count * spec.kvHeads * spec.valueDim, 7)), frequencies(1) {
    int64_t half = spec.keptRope ? spec.keptRope->dims / 2 : 1;
    frequencies.resize(half);
    for (int64_t i = 0; i < half; ++i)
      frequencies[i] = std::pow(10000.0f, -static_cast<float>(i) / static_cast<float>(half));
    for (float &value : values)
      value = nearestBf16(value);
  }
};

/// A batch of one sequence: numbers of the rows that run, in slots from `past` on.
struct Pass {
  int64_t past;
  std::vector<int64_t> rows;
  std::vector<int32_t> parents = {}; ///< of a tree, among the run's rows; -1: what is committed
};

/// Compiled writing, sealing and attention over a lane of a state.
class Sealed {
public:
  Sealed(const Isa &isa, const AttentionSpec &spec, const Rows &rows, int64_t mostRows)
      : isa(isa), spec(spec), rows(rows), state(info(), mostRows, budget) {
    int64_t half = static_cast<int64_t>(rows.frequencies.size());
    code = compiler.compile(
        isa,
        {compiler.rows(spec.heads * spec.keyDim), compiler.rows(spec.heads * spec.valueDim),
         compiler.pointer(), compiler.pointer(), compiler.rows(spec.kvHeads * spec.keyDim),
         compiler.rows(spec.kvHeads * spec.valueDim), compiler.floats(half), compiler.bytes()},
        [&](OpBuilder &b, Location loc, ValueRange a) {
          AttentionSpec whole = this->spec;
          whole.rope = spec.keptRope;
          Value table;
          if (spec.keptRope)
            table = ropeTable(b, loc, a);
          emitKvWrite(b, loc, this->isa, this->spec, a[4], a[5], a[2], a[3]);
          emitKvSeal(b, loc, a[2], a[3]);
          AttentionOperands operands{a[0], a[1], a[2], a[3], {}, {}, {}, a[7], table, a[6]};
          emitAttention(b, loc, this->isa, whole, operands);
        });
    state.open(0);
  }

  /// out [rows, heads * valueDim].
  std::vector<float> run(const Pass &run, bool commit = true) {
    int64_t count = static_cast<int64_t>(run.rows.size()), end = run.past + count;
    EXPECT_TRUE(state.prepare(0, run.past, end));
    std::vector<float> q = gather(rows.queries, run.rows), k = gather(rows.keys, run.rows),
                       v = gather(rows.values, run.rows);
    std::vector<float> out(count * spec.heads * spec.valueDim, NAN);
    std::vector<float> frequencies = rows.frequencies;
    View view(run);
    plx_kv kv = state.view(0);
    uint8_t *const *pages[] = {state.pages(0)}, *const * sealed[] = {state.sealedPages(0)};
    kv.pages = pages, kv.sealed = sealed;
    ScratchSize size = attentionScratch(spec, isa, true);
    int64_t spans = (end + kSpanSlots - 1) / kSpanSlots;
    int64_t bytes = size.perToken * count + size.perSequence +
                    size.perSpan * std::min(count, kSplitTokens) * spans;
    std::vector<float> scratch(bytes / 4 + 16, NAN);
    auto matrix = [&](std::vector<float> &data) {
      int64_t width = static_cast<int64_t>(data.size()) / count;
      return Buffer::matrix(data.data(), count, width, width);
    };
    code(matrix(q), matrix(out), static_cast<const void *>(&view.batch),
         static_cast<const void *>(&kv), matrix(k), matrix(v),
         Buffer::vector(frequencies.data(), static_cast<int64_t>(frequencies.size())),
         Buffer::vector(scratch.data(), bytes));
    if (commit)
      state.settle(0, end, true);
    return out;
  }

  /// Runs rows [begin, end) in chunks.
  std::vector<float> chunks(int64_t begin, int64_t end, int64_t chunk) {
    std::vector<float> all;
    for (int64_t first = begin; first < end; first += chunk) {
      Pass next{first, {}};
      for (int64_t row = first; row < std::min(end, first + chunk); ++row)
        next.rows.push_back(row);
      std::vector<float> out = run(next);
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  }

  plexus::StateBudget budget;

private:
  /// The plx_batch of a run.
  struct View {
    std::vector<int32_t> sequence, slots, indices, begins, past;
    std::vector<uint64_t> bits;
    plx_batch batch = {};

    explicit View(const Pass &run) {
      for (size_t i = 0; i < run.rows.size(); ++i) {
        int32_t parent = run.parents.empty() ? static_cast<int32_t>(i) - 1 : run.parents[i];
        sequence.push_back(0);
        slots.push_back(static_cast<int32_t>(run.past + i));
        indices.push_back(parent < 0 ? static_cast<int32_t>(run.past) : indices[parent] + 1);
        bits.push_back((parent < 0 ? 0 : bits[parent]) | (i < 64 ? uint64_t(1) << i : 0));
      }
      begins = {0, static_cast<int32_t>(run.rows.size())};
      past = {static_cast<int32_t>(run.past)};
      batch.tokens = begins[1], batch.sequences = 1, batch.context = run.past + begins[1];
      batch.sequence = sequence.data(), batch.position = batch.index = indices.data();
      batch.slot = slots.data(), batch.token_begin = begins.data(), batch.past = past.data();
      if (!run.parents.empty()) {
        batch.tree = bits.data(), batch.tree_words = 1;
        batch.pending_index = indices.data(), batch.pending_begin = begins.data();
      }
    }
  };

  Value ropeTable(OpBuilder &b, Location loc, ValueRange a) {
    auto type = MemRefType::get({ShapedType::kDynamic, spec.keptRope->dims}, b.getF32Type());
    Value tokens = memref::DimOp::create(b, loc, a[0], 0);
    Value table = memref::AllocOp::create(b, loc, type, ValueRange{tokens});
    emitRopeTable(b, loc, isa, *spec.keptRope, a[2], a[6], Value(), table);
    return table;
  }

  plexus::StateInfo info() const {
    plexus::StateInfo info;
    info.name = "kv";
    info.heads = spec.kvHeads, info.keyDim = spec.keyDim, info.valueDim = spec.valueDim;
    info.form = KvForm::Int4;
    info.window = spec.window;
    info.layers = {0, 1};
    return info;
  }

  static std::vector<float> gather(const std::vector<float> &all, const std::vector<int64_t> &which,
                                   int64_t width) {
    std::vector<float> some;
    for (int64_t row : which)
      some.insert(some.end(), all.begin() + row * width, all.begin() + (row + 1) * width);
    return some;
  }
  std::vector<float> gather(const std::vector<float> &all,
                            const std::vector<int64_t> &which) const {
    int64_t width = &all == &rows.queries ? spec.heads * spec.keyDim
                    : &all == &rows.keys  ? spec.kvHeads * spec.keyDim
                                          : spec.kvHeads * spec.valueDim;
    return gather(all, which, width);
  }

  const Isa &isa;
  AttentionSpec spec;
  const Rows &rows;
  Compiler compiler;
  Compiled code;

public:
  KvState state;
};

/// A head turned by its position, in double.
std::vector<double> turned(const Rows &rows, const float *x, int64_t position) {
  std::vector<double> out(x, x + rows.spec.keyDim);
  if (!rows.spec.keptRope)
    return out;
  const RopeSpec &rope = *rows.spec.keptRope;
  for (int64_t i = 0; i < rope.dims / 2; ++i) {
    int64_t a = rope.interleaved ? 2 * i : i, b = rope.interleaved ? 2 * i + 1 : i + rope.dims / 2;
    double angle = static_cast<float>(position) * rows.frequencies[i];
    double cosine = std::cos(angle) * rope.attentionScaling,
           sine = std::sin(angle) * rope.attentionScaling;
    out[a] = x[a] * cosine - x[b] * sine;
    out[b] = x[b] * cosine + x[a] * sine;
  }
  return out;
}

/// Causal attention of row `row` without any rounding of keys and values.
std::vector<double> plain(const Rows &rows, int64_t row, int64_t head) {
  const AttentionSpec &spec = rows.spec;
  int64_t kvHead = head / (spec.heads / spec.kvHeads);
  auto query = turned(rows, &rows.queries[(row * spec.heads + head) * spec.keyDim], row);
  std::vector<double> out(spec.valueDim);
  double sum = 0;
  int64_t first = spec.window ? std::max<int64_t>(0, row - spec.window + 1) : 0;
  for (int64_t j = first; j <= row; ++j) {
    auto key = turned(rows, &rows.keys[(j * spec.kvHeads + kvHead) * spec.keyDim], j);
    double score = 0;
    for (int64_t d = 0; d < spec.keyDim; ++d)
      score += query[d] * key[d];
    double p = std::exp(score * spec.scale);
    sum += p;
    for (int64_t d = 0; d < spec.valueDim; ++d)
      out[d] += p * rows.values[(j * spec.kvHeads + kvHead) * spec.valueDim + d];
  }
  for (double &x : out)
    x /= sum;
  return out;
}

/// The mean square error of rows [begin, end) against plain attention.
double errorOf(const Rows &rows, const std::vector<float> &out, int64_t begin, int64_t end) {
  const AttentionSpec &spec = rows.spec;
  double error = 0, norm = 0;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t head = 0; head < spec.heads; ++head) {
      auto want = plain(rows, row, head);
      for (int64_t d = 0; d < spec.valueDim; ++d) {
        double x = out[(row * spec.heads + head) * spec.valueDim + d];
        error += (x - want[d]) * (x - want[d]);
        norm += want[d] * want[d];
      }
    }
  return std::sqrt(error / norm);
}

std::vector<AttentionSpec> allSpecs() {
  std::vector<AttentionSpec> specs{makeSpec(6, 2, 64, 64), makeSpec(4, 4, 32, 40),
                                   makeSpec(3, 1, 17, 33)};
  specs[0].keptRope = makeRope(64, false);
  specs.push_back(makeSpec(4, 2, 24, 16));
  specs.back().keptRope = makeRope(16, true); // some entries, as pairs
  specs.back().keptRope->attentionScaling = 1.25f;
  specs.push_back(makeSpec(2, 1, 16, 16));
  specs.back().keptRope = makeRope(10, false);
  specs.back().window = 70;
  return specs;
}

TEST(SealedAttention, IsNearToWhatWasWritten) {
  for (const Isa &isa : testIsas())
    for (const AttentionSpec &spec : allSpecs()) {
      SCOPED_TRACE(isa.name.str() + " " + std::to_string(spec.keyDim));
      Rows rows(spec, 200);
      Sealed sealed(isa, spec, rows, 300);
      std::vector<float> out = sealed.chunks(0, 200, 200);
      // The first 64 rows read bf16 alone; later ones 4 bits of most.
      EXPECT_LT(errorOf(rows, out, 0, 64), 0.01);
      EXPECT_LT(errorOf(rows, out, 64, 200), 0.12);
    }
}

TEST(SealedAttention, ChunksGiveTheBitsOfOnePass) {
  for (const Isa &isa : testIsas())
    for (const AttentionSpec &spec : allSpecs()) {
      SCOPED_TRACE(isa.name.str() + " " + std::to_string(spec.keyDim));
      Rows rows(spec, 200);
      Sealed sealed(isa, spec, rows, 300);
      std::vector<float> whole = sealed.chunks(0, 200, 200);
      for (int64_t chunk : {1, 7, 33, 64}) {
        sealed.state.close(0);
        sealed.state.open(0);
        std::vector<float> out = sealed.chunks(0, 200, chunk);
        ASSERT_EQ(std::memcmp(out.data(), whole.data(), out.size() * 4), 0) << chunk;
        EXPECT_LE(sealed.state.pool().pagesInUse(), 4);
      }
    }
}

TEST(SealedAttention, SpansOfALongContextGiveTheSameBits) {
  for (const Isa &isa : testIsas()) {
    AttentionSpec spec = makeSpec(4, 2, 16, 24);
    spec.keptRope = makeRope(16, false);
    int64_t past = 2 * kSpanSlots + 40, width = spec.heads * spec.valueDim;
    Rows rows(spec, past + 20);
    Sealed sealed(isa, spec, rows, past + 20);
    sealed.chunks(0, past, past);
    std::vector<float> whole = sealed.chunks(past, past + 20, 20);
    sealed.state.close(0);
    sealed.state.open(0);
    sealed.chunks(0, past, past);
    std::vector<float> parts = sealed.chunks(past, past + 20, 3);
    ASSERT_EQ(std::memcmp(parts.data(), whole.data(), 20 * width * 4), 0);
  }
}

TEST(SealedAttention, TreesReadWhatTheirRowsReadOnceCommitted) {
  for (const Isa &isa : testIsas()) {
    AttentionSpec spec = makeSpec(4, 2, 32, 32);
    spec.keptRope = makeRope(32, false);
    int64_t width = spec.heads * spec.valueDim;
    Rows rows(spec, 140);
    Sealed chain(isa, spec, rows, 200), tree(isa, spec, rows, 200);
    std::vector<float> want = chain.chunks(0, 110, 110);
    tree.chunks(0, 90, 90);
    // Rows 90 to 109 are the path of even pending slots: their indices pass 96, from which on two
    // pages are read sealed. The others branch off it.
    Pass drafts{90, {}, {}};
    for (int32_t i = 0; i < 20; ++i) {
      drafts.rows.insert(drafts.rows.end(), {90 + i, 111 + i});
      drafts.parents.insert(drafts.parents.end(), {i ? 2 * i - 2 : -1, 2 * i});
    }
    std::vector<float> out = tree.run(drafts, /*commit=*/false);
    for (int64_t i = 0; i < 20; ++i)
      for (int64_t d = 0; d < width; ++d)
        ASSERT_NEAR(out[2 * i * width + d], want[(90 + i) * width + d], isa.bf16Dot ? 4e-3 : 1e-5)
            << isa.name.str() << " row " << i;
    // Committed, and continued: as the chain.
    std::vector<int32_t> path;
    for (int32_t i = 0; i < 20; ++i)
      path.push_back(2 * i);
    tree.state.compact(0, 90, path);
    tree.state.settle(0, 110, false);
    std::vector<float> after = tree.chunks(110, 140, 30), plainAfter = chain.chunks(110, 140, 30);
    ASSERT_EQ(std::memcmp(after.data(), plainAfter.data(), after.size() * 4), 0);
  }
}

TEST(SealedAttention, GoesOnBehindATruncation) {
  for (const Isa &isa : testIsas()) {
    AttentionSpec spec = makeSpec(4, 2, 32, 32);
    spec.keptRope = makeRope(32, false);
    Rows rows(spec, 200);
    Sealed sealed(isa, spec, rows, 200);
    std::vector<float> out = sealed.chunks(0, 200, 200);
    sealed.state.truncate(0, 45);
    std::vector<float> again = sealed.chunks(45, 200, 50);
    std::copy(again.begin(), again.end(), out.begin() + 45 * spec.heads * spec.valueDim);
    EXPECT_LT(errorOf(rows, out, 45, 64), 0.12); // page 1 is read as it was opened again
    EXPECT_LT(errorOf(rows, out, 64, 200), 0.12);
  }
}

} // namespace
