// The builder's ops of ssm. docs/writing-a-family.md documents them in this order.
#include "compiler/builder/OpTable.h"
#include "dialects/plx/PlxDialect.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseActivation =
    parseEnum<plx::ActivationKindAttr, static_cast<std::optional<plx::ActivationKind> (*)(
                                           llvm::StringRef)>(plx::symbolizeActivationKind)>;

const std::vector<OpRow> &ssmRows() {
  static const std::vector<OpRow> rows = {
      {"causal_conv",
       "ssm.causal_conv",
       3,
       5,
       Result::Infer,
       {{"activation", Kind::Enum, false, parseActivation, "the kinds of 'activation'"},
        {"reverse", Kind::Unit, false}},
       true},
      {"selective_scan",
       "ssm.selective_scan",
       6,
       9,
       Result::Infer,
       {{"softplus", Kind::Unit, false}, {"reverse", Kind::Unit, false}},
       true},
      {"ssd",
       "ssm.ssd",
       6,
       9,
       Result::Infer,
       {{"softplus", Kind::Unit, false},
        {"delta_min", Kind::F32, false},
        {"delta_max", Kind::F32, false},
        {"reverse", Kind::Unit, false}},
       true},
  };
  return rows;
}

} // namespace plexus::compiler
