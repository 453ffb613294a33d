// The builder's ops of plx. docs/writing-a-family.md documents them in this order.
#include "compiler/builder/OpTable.h"

#include "dialects/plx/PlxOps.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseActivation =
    parseEnum<plx::ActivationKindAttr, static_cast<std::optional<plx::ActivationKind> (*)(
                                           llvm::StringRef)>(plx::symbolizeActivationKind)>;
static constexpr auto parsePool =
    parseEnum<plx::PoolModeAttr, static_cast<std::optional<plx::PoolMode> (*)(llvm::StringRef)>(
                                     plx::symbolizePoolMode)>;
static constexpr auto parseScore =
    parseEnum<plx::RouteScoreAttr, static_cast<std::optional<plx::RouteScore> (*)(llvm::StringRef)>(
                                       plx::symbolizeRouteScore)>;
static constexpr const char *kActivations =
    "identity, silu, gelu, gelu_tanh, gelu_quick, relu, "
    "relu2, relu6, tanh, sigmoid, softplus, mish, "
    "elu, leaky_relu, hard_swish, hard_sigmoid, selu, square, softsign";

const std::vector<OpRow> &plxRows() {
  static const std::vector<OpRow> rows = {
      {"embedding", "plx.embedding", 2, 2, Result::Embedding},
      {"linear", "plx.linear", 2, 3, Result::Linear},
      {"rms_norm",
       "plx.rms_norm",
       2,
       2,
       Result::Same,
       {{"eps", Kind::F32}, {"unit_offset", Kind::Unit, false}}},
      {"layer_norm", "plx.layer_norm", 2, 3, Result::Same, {{"eps", Kind::F32}}},
      {"l2_normalize", "plx.l2_normalize", 1, 1, Result::Same, {{"eps", Kind::F32}}},
      {"softmax", "plx.softmax", 1, 1, Result::Same},
      {"route",
       "plx.route",
       1,
       1,
       Result::Same,
       {{"score", Kind::Enum, true, parseScore, "softmax, sigmoid"},
        {"top_k", Kind::I64},
        {"normalize", Kind::Unit, false},
        {"scale", Kind::F32, false}}},
      {"moe",
       "plx.moe",
       4,
       4,
       Result::Same,
       {{"kind", Kind::Enum, true, parseActivation, kActivations},
        {"top_k", Kind::I64},
        {"hidden", Kind::I64}}},
      {"activation",
       "plx.activation",
       1,
       1,
       Result::Same,
       {{"kind", Kind::Enum, true, parseActivation, kActivations}}},
      {"glu",
       "plx.glu",
       2,
       2,
       Result::Same,
       {{"kind", Kind::Enum, true, parseActivation, kActivations}}},
      {"add", "plx.add", 2, 2, Result::Same},
      {"sub", "plx.sub", 2, 2, Result::Same},
      {"mul", "plx.mul", 2, 2, Result::Same},
      {"scale", "plx.scale", 1, 2, Result::Same, {{"factor", Kind::F32, false}}},
      {"softcap", "plx.softcap", 1, 1, Result::Same, {{"cap", Kind::F32}}},
      {"scalar", "plx.scalar", 0, 0, Result::Scalar, {{"index", Kind::I64}}},
      {"reshape", "plx.reshape", 1, 1, Result::Reshape, {{"shape", Kind::Ignored}}},
      {"slice", "plx.slice", 1, 1, Result::Slice, {{"begin", Kind::I64}, {"size", Kind::I64}}},
      {"concat", "plx.concat", 1, 64, Result::Concat},
      {"tap", "plx.tap", 1, 1, Result::Same, {{"name", Kind::String}}},
      {"positions", "plx.positions", 1, 1, Result::Indices, {{"offset", Kind::I64, false}}},
      {"token_types", "plx.token_types", 1, 1, Result::Indices},
      {"select_rows", "plx.select_rows", 2, 2, Result::Rows},
      {"pool",
       "plx.pool",
       2,
       2,
       Result::Rows,
       {{"mode", Kind::Enum, true, parsePool, "mean, cls, max, last"}}},
  };
  return rows;
}

} // namespace plexus::compiler
