// Measures generated attention on one thread: prefill in GFLOP/s, decode in GB/s of keys and
// values, in caches and cold.
#include "passes/lower/cpu/emit/Attention.h"
#include "tests/unit/emit/Batches.h"
#include "tests/unit/emit/Harness.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

using namespace mlir;
using namespace plexus::emit;
using plexus::kvFormName;
using namespace plexus::emit::test;

namespace {

std::vector<Type> attentionArguments(Compiler &compiler, const AttentionSpec &spec) {
  return {compiler.rows(spec.heads * spec.keyDim),
          compiler.rows(spec.heads * spec.valueDim),
          compiler.pointer(),
          compiler.pointer(),
          compiler.stridedRows(spec.kvHeads * spec.keyDim),
          compiler.stridedRows(spec.kvHeads * spec.valueDim),
          compiler.bytes()};
}

Compiler::Body attentionBody(const Isa &isa, const AttentionSpec &spec) {
  return [&isa, spec](OpBuilder &b, Location loc, ValueRange a) {
    emitKvWrite(b, loc, isa, spec, a[4], a[5], a[2], a[3]);
    AttentionOperands operands{a[0], a[1], a[2], a[3], a[4], a[5], Value(), a[6], Value()};
    emitAttention(b, loc, isa, spec, operands);
  };
}

/// Reads more than any cache holds.
void emptyCaches() {
  static const std::vector<int64_t> big(int64_t(12) << 20, 1);
  int64_t sum = 0;
  for (size_t i = 0; i < big.size(); i += 8)
    sum += big[i];
  asm volatile("" ::"r"(sum));
}

void bench(const Isa &isa, const Compiled &code, const AttentionSpec &spec, int64_t past,
           int64_t count, bool cold) {
  Batch batch(spec, {{past, count}}, true, false);
  int64_t queryWidth = spec.heads * spec.keyDim, outWidth = spec.heads * spec.valueDim;
  std::vector<float> queries = randomFloats(count * queryWidth, 3), out(count * outWidth);
  plx_batch view = batch.view();
  plx_kv kv = batch.pages();
  int64_t spans = (past + count + kSpanSlots - 1) / kSpanSlots;
  std::vector<float> scratch(attentionScratch(spec, isa, true).perSpan / 4 *
                             std::min(count, kSplitTokens) * spans);
  double best = 1e30;
  for (int i = 0; i < 10; ++i) {
    if (cold)
      emptyCaches();
    auto start = std::chrono::steady_clock::now();
    code(Buffer::matrix(queries.data(), count, queryWidth, queryWidth),
         Buffer::matrix(out.data(), count, outWidth, outWidth), static_cast<const void *>(&view),
         static_cast<const void *>(&kv),
         Buffer::matrix(batch.newKeys().data(), count, spec.kvHeads * spec.keyDim,
                        batch.keyStride()),
         Buffer::matrix(batch.newValues().data(), count, spec.kvHeads * spec.valueDim,
                        batch.valueStride()),
         Buffer::vector(scratch.data(), static_cast<int64_t>(scratch.size() * 4)));
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  double pairs = count * (past + (count + 1) / 2.0);
  double flops = 2 * pairs * spec.heads * (spec.keyDim + spec.valueDim);
  double bytes = (past + count) * (spec.keys().bytes() + spec.values().bytes()) / 32.0;
  std::printf("%s %s heads %ld/%ld dim %ld, %ld tokens after %ld%s: %.1f us, %.1f GFLOP/s, %.1f "
              "GB/s\n",
              isa.name.data(), kvFormName(spec.form).data(), long(spec.heads), long(spec.kvHeads),
              long(spec.keyDim), long(count), long(past), cold ? ", cold" : "", best * 1e6,
              flops / best * 1e-9, bytes / best * 1e-9);
}

void benchShape(const Isa &isa, const AttentionSpec &spec, const char *prefix) {
  Compiler compiler;
  std::vector<Type> arguments = attentionArguments(compiler, spec);
  if (prefix) {
    std::string name =
        std::string(prefix) + "." + isa.name.str() + "." + std::to_string(spec.heads);
    std::ofstream(name + "." + std::string(kvFormName(spec.form)) + ".o")
        << compiler.object(isa, arguments, attentionBody(isa, spec));
    return;
  }
  if (isa.vectorBits == 512 && !hostHasAvx512())
    return;
  auto start = std::chrono::steady_clock::now();
  Compiled code = compiler.compile(isa, arguments, attentionBody(isa, spec));
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  std::printf("compiled in %.2f s\n", time.count());
  for (auto [past, count] : {std::pair<int64_t, int64_t>{0, 512}, {0, 4096}})
    bench(isa, code, spec, past, count, false);
  for (int64_t past : {512, 4096})
    for (bool cold : {false, true})
      bench(isa, code, spec, past, 1, cold);
}

} // namespace

/// usage: bench_attention [PREFIX]: with PREFIX, only writes the machine code of each level.
int main(int argc, char **argv) {
  for (const Isa &isa : isas())
    for (auto [heads, kvHeads, dim] :
         {std::array<int64_t, 3>{9, 3, 64}, {16, 4, 64}, {12, 12, 64}, {32, 8, 128}})
      for (plexus::KvForm form : {plexus::KvForm::F32, plexus::KvForm::BF16}) {
        AttentionSpec spec;
        spec.heads = heads, spec.kvHeads = kvHeads, spec.keyDim = spec.valueDim = dim;
        spec.form = form;
        benchShape(isa, spec, argc > 1 ? argv[1] : nullptr);
      }
}
