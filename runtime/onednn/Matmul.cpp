// oneDNN 3.x behind plx_matmul: fixed shapes, cached primitives, panels where it has no fast code.
#include "runtime/onednn/Matmul.h"

#include "runtime/exec/Arena.h"
#include "runtime/io/DType.h"
#include "runtime/onednn/PackedPanels.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>

namespace plexus {
namespace {

using dnnl::memory;

constexpr std::array<int64_t, 6> kBuckets = {16, 32, 64, 128, 256, 512};
/// A panel of this many bytes stays in the last level of cache; narrower ones spend more time at
/// the barriers between unpacking and multiplying than they save.
constexpr int64_t kPanelBytes = int64_t(8) << 20;
constexpr int64_t kMostPanelBlocks = 16;

/// Products of so many multiplications (some 8 us in f32) stay on the calling thread: handing their
/// rows to other cores, and their results back, costs more than is saved.
constexpr int64_t kSmallProduct = int64_t(1) << 20;

/// Everything that a primitive is made for.
struct PrimitiveKey {
  int64_t m, n, k, xStride, outStride;
  int32_t layout;
  auto operator<=>(const PrimitiveKey &) const = default;
  bool isSmall() const { return m * n * k <= kSmallProduct; }
};

struct Product {
  dnnl::matmul primitive;
  memory x, weight, out;
  std::string implementation; ///< impl_info_str; empty where there is no fast code.
  bool isSmall = false;
};

/// The activations' type that goes with a layout on the direct path.
memory::data_type typeOf(int32_t layout) {
  return layout == PLX_LAYOUT_BF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

/// Only products whose both sides have one type run directly.
bool mayRunDirectly(int32_t layout, int32_t compute) {
  return (layout == PLX_LAYOUT_F32) == (compute == PLX_COMPUTE_F32) && layout != PLX_LAYOUT_F16;
}

/// Bytes of an element of x.
int64_t elementBytes(const plx_matmul &args) { return args.compute == PLX_COMPUTE_ROUNDED ? 2 : 4; }

/// The bucket for the next rows of `left`: one that is filled to seven eighths, or the largest that
/// is filled whole, or the smallest.
int64_t bucketFor(int64_t left) {
  int64_t whole = kBuckets.front();
  for (int64_t bucket : kBuckets) {
    if (bucket >= left)
      return (bucket - left) * 8 <= bucket ? bucket : whole;
    whole = bucket;
  }
  return whole;
}

} // namespace

struct MatmulEngine::Impl {
  Impl(ThreadPool &p, bool reference)
      : pool(p), acceptReference(reference), engine(dnnl::engine::kind::cpu, 0),
        stream(engine, dnnl::stream::flags::in_order) {}

  /// Primitives are made for a number of threads, and run with it.
  struct Threads {
    Threads(const ThreadPool &pool, bool alone) : pool(pool), alone(alone) {
      if (alone)
        pool.applyToCallingThread(1);
    }
    ~Threads() {
      if (alone)
        pool.applyToCallingThread();
    }
    const ThreadPool &pool;
    bool alone;
  };

  Product make(const PrimitiveKey &key) {
    Threads threads(pool, key.isSmall());
    auto tag = key.layout == PLX_LAYOUT_BF16 ? memory::format_tag::BA16a64b2a
                                             : memory::format_tag::BA16a64b;
    auto type = typeOf(key.layout);
    memory::desc x({key.m, key.k}, type, memory::dims{key.xStride, 1});
    memory::desc weight({key.k, key.n}, type, tag);
    memory::desc out({key.m, key.n}, memory::data_type::f32, memory::dims{key.outStride, 1});
    Product product;
    product.isSmall = key.isSmall();
    dnnl::matmul::primitive_desc desc(engine, x, weight, out, dnnl::primitive_attr(), true);
    if (!desc)
      return product;
    std::string name = desc.impl_info_str();
    if (!acceptReference && name.find("ref") != std::string::npos)
      return product;
    product.implementation = std::move(name);
    product.primitive = dnnl::matmul(desc);
    product.x = memory(x, engine, nullptr);
    product.weight = memory(weight, engine, nullptr);
    product.out = memory(out, engine, nullptr);
    return product;
  }

  Product &product(const PrimitiveKey &key) {
    auto it = products.find(key);
    return it != products.end() ? it->second : products.emplace(key, make(key)).first->second;
  }

  PrimitiveKey keyFor(const plx_matmul &args, int64_t bucket, bool padded) const {
    bool converted = args.compute == PLX_COMPUTE_BF16;
    return {bucket,
            args.n,
            args.k,
            padded || converted ? args.k : args.x_stride,
            padded ? args.n : args.out_stride,
            args.layout};
  }

  bool hasDirect(const plx_matmul &args) {
    return mayRunDirectly(args.layout, args.compute) &&
           !product(keyFor(args, bucketFor(args.m), bucketFor(args.m) > args.m))
                .implementation.empty();
  }

  Status execute(Product &product, const void *x, const void *weight, float *out) {
    product.x.set_data_handle(const_cast<void *>(x));
    product.weight.set_data_handle(const_cast<void *>(weight));
    product.out.set_data_handle(out);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, product.x.get()},
                              {DNNL_ARG_WEIGHTS, product.weight.get()},
                              {DNNL_ARG_DST, product.out.get()}};
    Threads threads(pool, product.isSmall);
    dnnl_status_t status = dnnl_primitive_execute(product.primitive.get(), stream.get(), 3, args);
    if (status != dnnl_success)
      return error(Code::Internal)
             << "oneDNN matmul failed with status " << static_cast<int>(status);
    return Status::ok();
  }

  Status runDirect(const plx_matmul &args);
  /// Activations as they are multiplied.
  struct Rows {
    const uint8_t *data;
    int64_t element, stride; ///< bytes; elements
    const uint8_t *at(int64_t row) const { return data + row * stride * element; }
  };
  Status runBucket(const plx_matmul &args, const Rows &rows, int64_t first, int64_t count,
                   int64_t bucket, uint8_t *padOut);
  Status runPanels(const plx_matmul &args);

  ThreadPool &pool;
  bool acceptReference;
  dnnl::engine engine;
  dnnl::stream stream;
  std::map<PrimitiveKey, Product> products;
  Arena scratch;
};

/// f32 activations are rounded once, for all buckets; a padded last bucket runs on copies.
Status MatmulEngine::Impl::runDirect(const plx_matmul &args) {
  bool convert = args.compute == PLX_COMPUTE_BF16;
  int64_t most = kBuckets.back();
  int64_t held = convert ? args.m + most : most; // Room for the rows that pad the last bucket.
  int64_t xBytes = (held * args.k * (convert ? 2 : 4) + 63) / 64 * 64;
  PLX_RETURN_IF_ERROR(scratch.reserve(xBytes + most * args.n * 4));
  Rows rows{static_cast<const uint8_t *>(args.x), elementBytes(args), args.x_stride};
  if (convert) {
    auto *rounded = reinterpret_cast<uint16_t *>(scratch.data());
    roundToBf16(pool, static_cast<const float *>(args.x), args.x_stride, args.m, args.k, rounded);
    rows = {scratch.data(), 2, args.k};
  }
  for (int64_t first = 0; first < args.m;) {
    int64_t bucket = bucketFor(args.m - first), count = std::min(bucket, args.m - first);
    PLX_RETURN_IF_ERROR(runBucket(args, rows, first, count, bucket, scratch.data() + xBytes));
    first += count;
  }
  return Status::ok();
}

Status MatmulEngine::Impl::runBucket(const plx_matmul &args, const Rows &rows, int64_t first,
                                     int64_t count, int64_t bucket, uint8_t *padOut) {
  bool pad = count < bucket;
  Product &p = product(keyFor(args, bucket, pad));
  if (p.implementation.empty())
    return error(Code::Internal) << "oneDNN has no fast code for " << bucket << " rows of "
                                 << args.k << " x " << args.n << ", though it has for others";
  float *out = args.out + first * args.out_stride;
  if (!pad)
    return execute(p, rows.at(first), args.weight, out);
  // Rows that the host rounded are in its scratch already, with room behind them.
  int64_t bytes = args.k * rows.element;
  bool own = rows.data == scratch.data();
  uint8_t *padded = scratch.data() + (own ? first * bytes : 0);
  for (int64_t r = 0; !own && r < count; ++r)
    std::memcpy(padded + r * bytes, rows.at(first + r), bytes);
  std::memset(padded + count * bytes, 0, (bucket - count) * bytes);
  auto *result = reinterpret_cast<float *>(padOut);
  PLX_RETURN_IF_ERROR(execute(p, padded, args.weight, result));
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(out + r * args.out_stride, result + r * args.n, args.n * sizeof(float));
  return Status::ok();
}

Status MatmulEngine::Impl::runPanels(const plx_matmul &args) {
  int64_t allBlocks = (args.n + kBlockColumns - 1) / kBlockColumns;
  int64_t blocks =
      std::clamp<int64_t>(kPanelBytes / (args.k * 4 * kBlockColumns), 1, kMostPanelBlocks);
  int64_t panelBytes = args.k * blocks * kBlockColumns * 4;
  bool round = args.compute == PLX_COMPUTE_BF16, widen = args.compute == PLX_COMPUTE_ROUNDED;
  PLX_RETURN_IF_ERROR(scratch.reserve(panelBytes + (round || widen ? args.m * args.k * 4 : 0)));
  auto *panel = reinterpret_cast<float *>(scratch.data());
  const auto *x = static_cast<const float *>(args.x);
  int64_t xStride = args.x_stride;
  if (round) {
    float *rounded = panel + panelBytes / 4;
    roundToBf16(pool, x, xStride, args.m, args.k, rounded);
    x = rounded;
    xStride = args.k;
  }
  if (widen) {
    float *wide = panel + panelBytes / 4;
    for (int64_t row = 0; row < args.m; ++row)
      toF32(DType::BF16, static_cast<const uint16_t *>(args.x) + row * args.x_stride, args.k,
            wide + row * args.k);
    x = wide;
    xStride = args.k;
  }
  for (int64_t block = 0; block < allBlocks; block += blocks) {
    int64_t count = std::min(blocks, allBlocks - block);
    unpackPanel(pool, args.weight, args.layout, args.k, block, count, panel);
    int64_t first = block * kBlockColumns,
            columns = std::min(count * kBlockColumns, args.n - first);
    dnnl_status_t status =
        dnnl_sgemm('N', 'N', args.m, columns, args.k, 1.0f, x, xStride, panel,
                   count * kBlockColumns, 0.0f, args.out + first, args.out_stride);
    if (status != dnnl_success)
      return error(Code::Internal)
             << "oneDNN sgemm failed with status " << static_cast<int>(status);
  }
  return Status::ok();
}

bool hasMatrixUnit() {
  switch (dnnl::get_effective_cpu_isa()) {
  case dnnl::cpu_isa::avx512_core_amx:
  case dnnl::cpu_isa::avx512_core_amx_fp16:
    return true;
  default:
    return false;
  }
}

MatmulEngine::MatmulEngine(ThreadPool &pool, bool acceptReference)
    : impl_(std::make_unique<Impl>(pool, acceptReference)) {}
MatmulEngine::~MatmulEngine() = default;

namespace {

Status checkArguments(const plx_matmul &args) {
  if (args.m < 0 || args.n <= 0 || args.k <= 0 || args.x_stride < args.k ||
      args.out_stride < args.n)
    return error(Code::InvalidArgument)
           << "matmul of " << args.m << " x " << args.k << " by " << args.k << " x " << args.n
           << " with strides " << args.x_stride << " and " << args.out_stride;
  if (args.layout < PLX_LAYOUT_F32 || args.layout > PLX_LAYOUT_F16 || args.compute < 0 ||
      args.compute > PLX_COMPUTE_ROUNDED)
    return error(Code::InvalidArgument)
           << "matmul with layout " << args.layout << " and compute type " << args.compute;
  return Status::ok();
}

} // namespace

int32_t MatmulEngine::run(const plx_matmul &args) {
  Status status = checkArguments(args);
  if (status && args.m > 0) {
    impl_->pool.applyToCallingThread();
    try {
      status = impl_->hasDirect(args) ? impl_->runDirect(args) : impl_->runPanels(args);
    } catch (const std::exception &e) {
      status = error(Code::Internal) << "oneDNN: " << e.what();
    }
  }
  if (!status)
    lastError_ = status.message();
  return static_cast<int32_t>(status.code());
}

Expected<std::string> MatmulEngine::describe(int64_t m, int64_t n, int64_t k, int32_t layout,
                                             int32_t compute) {
  plx_matmul args{m, n, k, nullptr, k, nullptr, layout, compute, nullptr, n, nullptr};
  PLX_RETURN_IF_ERROR(checkArguments(args));
  try {
    if (impl_->hasDirect(args)) {
      int64_t bucket = bucketFor(m);
      return "oneDNN " + impl_->product(impl_->keyFor(args, bucket, bucket > m)).implementation +
             " on the packed weights";
    }
  } catch (const std::exception &e) {
    return error(Code::Internal) << "oneDNN: " << e.what();
  }
  return std::string("oneDNN f32 gemm over unpacked panels: ") +
         (mayRunDirectly(layout, compute) ? "this CPU has no fast code for the packed layout"
                                          : "weights and activations have different types");
}

} // namespace plexus
