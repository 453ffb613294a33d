// Measures generated products on one thread: few rows against a plain read of the weights, many
// rows against oneDNN's f32 matmul, all in one run.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "oneapi/dnnl/dnnl.hpp"
#include "passes/lower/cpu/emit/Product.h"
#include "tests/unit/emit/Harness.h"
#include "tests/unit/emit/Packing.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <immintrin.h>

extern "C" void omp_set_num_threads(int);

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;
using plexus::PackedForm;
using plexus::PackedValues;

namespace {

/// Seconds that this thread has computed: what runs beside it on the machine does not count.
double threadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Seconds of the fastest of several runs.
double fastest(int runs, const std::function<void()> &run) {
  double best = 1e30;
  for (int i = 0; i < runs; ++i) {
    double start = threadSeconds();
    run();
    best = std::min(best, threadSeconds() - start);
  }
  return best;
}

__attribute__((target("avx2"))) float readAll(const char *data, size_t size) {
  __m256 sums[8] = {};
  for (size_t i = 0; i + 256 <= size; i += 256) {
    _mm_prefetch(data + i + 4096, _MM_HINT_T0);
    _mm_prefetch(data + i + 4096 + 64, _MM_HINT_T0);
    _mm_prefetch(data + i + 4096 + 128, _MM_HINT_T0);
    _mm_prefetch(data + i + 4096 + 192, _MM_HINT_T0);
    for (int j = 0; j < 8; ++j)
      sums[j] = _mm256_add_ps(sums[j],
                              _mm256_loadu_ps(reinterpret_cast<const float *>(data + i) + 8 * j));
  }
  for (int j = 1; j < 8; ++j)
    sums[0] = _mm256_add_ps(sums[0], sums[j]);
  return sums[0][0] + sums[0][5];
}

std::vector<Type> productArguments(Compiler &compiler, const ProductSpec &spec) {
  return {compiler.rows(spec.k), compiler.index(), compiler.bytes(), compiler.bytes(),
          compiler.rows(spec.n)};
}

/// out = x W.
Compiler::Body productBody(const Isa &isa, const ProductSpec &spec) {
  return [&isa, spec](OpBuilder &b, Location loc, ValueRange args) {
    emitProduct(b, loc, isa, spec, {args[0], args[1], args[2], args[3]},
                [&](OpBuilder &b, Location loc, const ProductLanes &lanes) {
                  lanes.store(b, loc, lanes.sums[0], args[4], {lanes.row, lanes.column});
                });
  };
}

/// The same, compiled to run here.
struct Generated {
  Generated(const Isa &isa, const ProductSpec &spec)
      : spec(spec), scratch(productScratch(spec).bytes(512) + 64) {
    auto start = std::chrono::steady_clock::now();
    code = compiler.compile(isa, productArguments(compiler, spec), productBody(isa, spec));
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    compileSeconds = time.count();
  }
  void run(const std::vector<float> &x, int64_t rows, const std::vector<char> &weight,
           std::vector<float> &out) const {
    code(Buffer::matrix(x.data(), rows, spec.k, spec.k), rows,
         Buffer::vector(weight.data(), weight.size()),
         Buffer::vector(scratch.data(), scratch.size()),
         Buffer::matrix(out.data(), rows, spec.n, spec.n));
  }
  ProductSpec spec;
  std::vector<char> scratch;
  Compiler compiler;
  Compiled code;
  double compileSeconds;
};

/// A form of weights and how activations enter.
struct Kind {
  PackedForm form;
  ProductCompute compute;
  bool manyPairs = false;
  std::string name() const {
    static const char *const kSuffixes[] = {"", ".dot", ".int8", ".int8"};
    return form.spelling() + kSuffixes[static_cast<int>(compute)] + (manyPairs ? ".pairs" : "");
  }
};

/// What is measured at a level: plain forms in f32, integer ones in both ways.
std::vector<Kind> kindsOf(const Isa &isa) {
  std::vector<Kind> kinds;
  for (PackedValues values : {PackedValues::F32, PackedValues::BF16, PackedValues::F16})
    kinds.push_back({{values}, ProductCompute::F32});
  if (isa.bf16Dot) {
    kinds.push_back({{PackedValues::BF16}, ProductCompute::Bf16, true});
    for (const char *text : {"q8", "q4"})
      kinds.push_back({*PackedForm::parse(text), ProductCompute::IntFew, true});
  }
  for (const char *text : {"q8", "q8:channel", "q4", "q4m", "q4:128", "q4m:32/256", "q6:16/256"})
    for (ProductCompute compute : {ProductCompute::IntAlways, ProductCompute::F32})
      kinds.push_back({*PackedForm::parse(text), compute});
  return kinds;
}

/// Bytes that are a weight with small scales, whatever the form: f16 and bf16 0x0101 are tiny.
std::vector<char> anyWeight(const ProductSpec &spec) {
  return std::vector<char>(spec.weightBytes(), 1);
}

void benchFewRows(const Isa &isa, const Kind &kind) {
  ProductSpec spec{2048, 32768, kind.form, false, kind.compute, kind.manyPairs};
  Generated product(isa, spec);
  std::vector<char> weight = anyWeight(spec);
  std::vector<float> x(16 * spec.k, 0.5f), out(16 * spec.n);
  volatile float sink = 0;
  double read = 1e30, times[5] = {1e30, 1e30, 1e30, 1e30, 1e30};
  const int64_t rows[5] = {1, 2, 4, 8, 16};
  for (int repeat = 0; repeat < 4; ++repeat) {
    read = std::min(read, fastest(2, [&] { sink = sink + readAll(weight.data(), weight.size()); }));
    for (int i = 0; i < 5; ++i)
      times[i] = std::min(times[i], fastest(2, [&] { product.run(x, rows[i], weight, out); }));
  }
  double gigabytes = weight.size() * 1e-9;
  std::printf("%s %s, %ld x %ld, compiled in %.2f s: read loop %.1f GB/s;", isa.name.str().c_str(),
              kind.name().c_str(), long(spec.k), long(spec.n), product.compileSeconds,
              gigabytes / read);
  for (int i = 0; i < 5; ++i)
    std::printf("  T=%ld %.1f (%.0f%%, x%.2f)", long(rows[i]), gigabytes / times[i],
                100 * read / times[i], times[i] / times[0]);
  std::printf("\n");
}

double oneDnnSeconds(int64_t m, int64_t k, int64_t n, std::vector<float> &x, std::vector<float> &w,
                     std::vector<float> &out) {
  using namespace dnnl;
  engine cpu(engine::kind::cpu, 0);
  stream queue(cpu);
  using Tag = memory::format_tag;
  memory::desc source({m, k}, memory::data_type::f32, Tag::ab);
  memory::desc any({k, n}, memory::data_type::f32, Tag::any);
  memory::desc target({m, n}, memory::data_type::f32, Tag::ab);
  matmul::primitive_desc description(cpu, source, any, target);
  matmul primitive(description);
  memory weights(description.weights_desc(), cpu);
  memory plain({{k, n}, memory::data_type::f32, Tag::ab}, cpu, w.data());
  reorder(plain, weights).execute(queue, plain, weights);
  memory in(source, cpu, x.data()), result(target, cpu, out.data());
  std::printf("oneDNN %s: ", description.impl_info_str());
  return fastest(8, [&] {
    primitive.execute(queue,
                      {{DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, result}});
    queue.wait();
  });
}

void benchManyRows(const Isa &isa) {
  int64_t m = 512, k = 1024, n = 4096;
  std::vector<float> x(m * k, 0.5f), w(k * n, 0.25f), out(m * n);
  double flops = 2e-9 * m * k * n;
  double reference = oneDnnSeconds(m, k, n, x, w, out);
  std::printf("%.1f GFLOP/s;", flops / reference);
  for (const Kind &kind : kindsOf(isa)) {
    ProductSpec spec{k, n, kind.form, false, kind.compute, kind.manyPairs};
    Generated product(isa, spec);
    std::vector<char> weight = anyWeight(spec);
    for (int64_t rows : {64, 512}) {
      double time = fastest(8, [&] { product.run(x, rows, weight, out); });
      double rate = flops * rows / m / time;
      std::printf("  %s T=%ld %.1f (%.0f%%)", kind.name().c_str(), long(rows), rate,
                  100 * rate * reference / flops);
    }
  }
  std::printf("\n");
}

/// Writes PREFIX.<isa>.<kind>.o for every level, to be read with objdump.
void writeObjects(const std::string &prefix) {
  for (const Isa &isa : isas())
    for (const Kind &kind : kindsOf(isa)) {
      ProductSpec spec{2048, 32768, kind.form, /*gated=*/false, kind.compute, kind.manyPairs};
      Compiler compiler;
      std::string name = kind.name();
      std::replace(name.begin(), name.end(), '/', '_');
      std::ofstream(prefix + "." + isa.name.str() + "." + name + ".o")
          << compiler.object(isa, productArguments(compiler, spec), productBody(isa, spec));
    }
}

} // namespace

/// usage: bench_products [--objects PREFIX | FORM...]: measures all kinds, or those whose name
/// contains one of the words; or only writes machine code.
int main(int argc, char **argv) {
  if (argc > 2 && std::string(argv[1]) == "--objects") {
    writeObjects(argv[2]);
    return 0;
  }
  omp_set_num_threads(1);
  std::vector<std::string> words(argv + 1, argv + argc);
  for (const Isa &isa : isas()) {
    if (isa.vectorBits == 512 && !hostHasAvx512())
      continue;
    for (const Kind &kind : kindsOf(isa))
      if (words.empty() || std::any_of(words.begin(), words.end(), [&](const std::string &word) {
            return kind.name().find(word) != std::string::npos;
          }))
        benchFewRows(isa, kind);
    if (words.empty() || words.front() == "many")
      benchManyRows(isa);
  }
}
