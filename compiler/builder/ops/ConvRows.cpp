// The builder's ops on maps: convolutions, pools over windows, and what stands between them.
#include "compiler/builder/OpTable.h"

#include "dialects/plx/PlxOps.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseActivation =
    parseEnum<plx::ActivationKindAttr, static_cast<std::optional<plx::ActivationKind> (*)(
                                           llvm::StringRef)>(plx::symbolizeActivationKind)>;
static constexpr auto parseMode =
    parseEnum<plx::WindowModeAttr, static_cast<std::optional<plx::WindowMode> (*)(llvm::StringRef)>(
                                       plx::symbolizeWindowMode)>;

const std::vector<OpRow> &convRows() {
  static const std::vector<OpRow> rows = {
      {"conv",
       "plx.conv",
       2,
       3,
       Result::Infer,
       {{"strides", Kind::I64s, false},
        {"dilations", Kind::I64s, false},
        {"pads_begin", Kind::I64s, false},
        {"pads_end", Kind::I64s, false},
        {"groups", Kind::I64, false},
        {"activation", Kind::Enum, false, parseActivation, "the kinds of the op activation"}}},
      {"pool_window",
       "plx.pool_window",
       1,
       1,
       Result::Infer,
       {{"mode", Kind::Enum, true, parseMode, "mean, max"},
        {"kernel", Kind::I64s},
        {"strides", Kind::I64s, false},
        {"dilations", Kind::I64s, false},
        {"pads_begin", Kind::I64s, false},
        {"pads_end", Kind::I64s, false},
        {"count_pads", Kind::Unit, false}}},
      {"channel_affine", "plx.channel_affine", 3, 3, Result::Same},
      {"permute", "plx.permute", 1, 1, Result::Infer, {{"order", Kind::I64s}}},
      {"matmul", "plx.matmul", 2, 2, Result::Infer, {{"transposed", Kind::Unit, false}}},
      {"log", "plx.log", 1, 1, Result::Same, {{"min", Kind::F32}}},
  };
  return rows;
}

} // namespace plexus::compiler
