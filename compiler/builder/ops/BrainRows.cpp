// The builder's ops of brain. docs/dialects/brain.md has them in this order.
#include "compiler/builder/OpTable.h"

#include "dialects/brain/BrainDialect.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseExtension =
    parseEnum<brain::ExtensionAttr, static_cast<std::optional<brain::Extension> (*)(
                                        llvm::StringRef)>(brain::symbolizeExtension)>;

const std::vector<OpRow> &brainRows() {
  static const std::vector<OpRow> rows = {
      {"brain.ema_standardize",
       "brain.ema_standardize",
       2,
       3,
       Result::Infer,
       {{"alpha", Kind::F64}, {"eps", Kind::F64}}},
      {"brain.switched_linear",
       "brain.switched_linear",
       3,
       4,
       Result::Infer,
       {{"parts", Kind::I64}, {"columns", Kind::I64}}},
      {"brain.choose", "brain.choose", 2, 4096, Result::Infer},
      {"brain.of_sequence", "brain.of_sequence", 2, 2, Result::Infer},
      {"brain.context",
       "brain.context",
       2,
       2,
       Result::Infer,
       {{"taps", Kind::I64}, {"dilation", Kind::I64, false}, {"before", Kind::I64, false}}},
      {"brain.sensor_attention", "brain.sensor_attention", 4, 5, Result::Infer},
      {"brain.retrieve", "brain.retrieve", 2, 3, Result::Infer, {{"top_k", Kind::I64}}},
      {"brain.temperature", "brain.temperature", 2, 2, Result::Infer},
      {"brain.ctc_collapse", "brain.ctc_collapse", 2, 3, Result::Infer, {{"blank", Kind::I64}}},
      {"brain.vector_quantize",
       "brain.vector_quantize",
       2,
       2,
       Result::Infer,
       {{"cosine", Kind::Unit, false}}},
      {"brain.sos_filter",
       "brain.sos_filter",
       2,
       3,
       Result::Infer,
       {{"sos", Kind::F64s}, {"filters", Kind::I64, false}, {"steady", Kind::Unit, false}}},
      {"brain.sos_filtfilt",
       "brain.sos_filtfilt",
       2,
       2,
       Result::Infer,
       {{"sos", Kind::F64s},
        {"filters", Kind::I64, false},
        {"padding", Kind::I64},
        {"extension", Kind::Enum, false, parseExtension, "odd, even, constant"}}},
      {"brain.covariance",
       "brain.covariance",
       2,
       2,
       Result::Infer,
       {{"center", Kind::Unit, false}, {"shrinkage", Kind::F64, false}}},
      {"brain.matrix_log", "brain.matrix_log", 1, 1, Result::Infer, {{"floor", Kind::F64}}},
      {"brain.times",
       "brain.times",
       1,
       1,
       Result::Infer,
       {{"start", Kind::F64}, {"step", Kind::F64}}},
  };
  return rows;
}

} // namespace plexus::compiler
