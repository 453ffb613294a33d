// The builder's ops of kan. docs/dialects/kan.md documents them.
#include "compiler/builder/OpTable.h"

#include "dialects/kan/KanOps.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseActivation =
    parseEnum<plx::ActivationKindAttr, static_cast<std::optional<plx::ActivationKind> (*)(
                                           llvm::StringRef)>(plx::symbolizeActivationKind)>;
static constexpr auto parseWavelet =
    parseEnum<kan::WaveletKindAttr, static_cast<std::optional<kan::WaveletKind> (*)(
                                        llvm::StringRef)>(kan::symbolizeWaveletKind)>;

/// Names with commas between. Which are known is the op's to say.
static Attribute parseNames(MLIRContext *context, llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> names;
  text.split(names, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  return Builder(context).getStrArrayAttr(names);
}

const std::vector<OpRow> &kanRows() {
  static const std::vector<OpRow> rows = {
      {"kan.bspline",
       "kan.bspline",
       3,
       5,
       Result::Infer,
       {{"order", Kind::I64},
        {"base_function", Kind::Enum, false, parseActivation, "the activations of plx.activation"},
        {"uniform", Kind::Unit, false}},
       true},
      {"kan.rbf", "kan.rbf", 3, 4, Result::Infer, {{"width", Kind::F32}}},
      {"kan.chebyshev", "kan.chebyshev", 2, 3, Result::Infer},
      {"kan.fourier", "kan.fourier", 2, 3, Result::Infer},
      {"kan.wavelet",
       "kan.wavelet",
       4,
       6,
       Result::Infer,
       {{"kind", Kind::Enum, true, parseWavelet, "mexican_hat, morlet, dog"}},
       true},
      {"kan.symbolic",
       "kan.symbolic",
       2,
       2,
       Result::Infer,
       {{"inputs", Kind::I64s},
        {"outputs", Kind::I64s},
        {"functions", Kind::Enum, true, parseNames, "names with commas between"},
        {"size", Kind::I64}}},
      {"kan.rational", "kan.rational", 3, 3, Result::Infer},
      {"kan.select",
       "kan.select",
       1,
       1,
       Result::Infer,
       {{"functions", Kind::Enum, true, parseNames, "names with commas between"}}},
      {"kan.multiply",
       "kan.multiply",
       1,
       1,
       Result::Infer,
       {{"sums", Kind::I64}, {"arity", Kind::I64}}},
      {"kan.pick", "kan.pick", 1, 1, Result::Infer, {{"columns", Kind::I64s}}},
      {"kan.patches",
       "kan.patches",
       1,
       1,
       Result::Infer,
       {{"kernel", Kind::I64s},
        {"stride", Kind::I64s},
        {"padding", Kind::I64s},
        {"dilation", Kind::I64s},
        {"channels_last", Kind::Unit, false}}},
      {"kan.swap", "kan.swap", 1, 1, Result::Infer},
  };
  return rows;
}

} // namespace plexus::compiler
