// Times one square product of each type.
#include "runtime/onednn/Peak.h"

#include <algorithm>
#include <chrono>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

namespace plexus {
namespace {

using dnnl::memory;
using Type = memory::data_type;

constexpr int64_t kM = 512, kN = 2048, kK = 2048;
constexpr int kRepeats = 6;

struct Types {
  Type x, weight, out;
};
constexpr Types kTypes[] = {{Type::f32, Type::f32, Type::f32},
                            {Type::bf16, Type::bf16, Type::f32},
                            {Type::u8, Type::s8, Type::s32}};

/// Memory with a small value in every element: speed depends on none, unless they are denormal.
memory filled(const memory::desc &desc, const dnnl::engine &engine, dnnl::stream &stream) {
  memory plain({desc.get_dims(), Type::f32, memory::format_tag::ab}, engine);
  std::fill_n(static_cast<float *>(plain.get_data_handle()),
              plain.get_desc().get_size() / sizeof(float), 1.0f);
  memory out(desc, engine);
  dnnl::reorder(plain, out).execute(stream, plain, out);
  stream.wait();
  return out;
}

double bestRate(const dnnl::matmul::primitive_desc &desc, const dnnl::engine &engine) {
  dnnl::stream stream(engine);
  memory x = filled(desc.src_desc(), engine, stream);
  memory weight = filled(desc.weights_desc(), engine, stream);
  memory out(desc.dst_desc(), engine);
  const dnnl::matmul product(desc);
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, out}});
    stream.wait();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 2.0 * kM * kN * kK / took.count());
  }
  return best;
}

} // namespace

std::optional<double> matmulPeak(PeakType type) {
  const Types &types = kTypes[static_cast<size_t>(type)];
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const dnnl::matmul::primitive_desc desc(
        engine, memory::desc({kM, kK}, types.x, memory::format_tag::ab),
        memory::desc({kK, kN}, types.weight, memory::format_tag::any),
        memory::desc({kM, kN}, types.out, memory::format_tag::ab), dnnl::primitive_attr(), true);
    if (!desc || std::string(desc.impl_info_str()).find("ref") != std::string::npos)
      return std::nullopt;
    return bestRate(desc, engine);
  } catch (const dnnl::error &) { // Not here: the ceiling is unknown, which callers show.
    return std::nullopt;
  }
}

} // namespace plexus
