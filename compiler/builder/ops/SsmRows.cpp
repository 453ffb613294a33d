// The builder's ops of ssm. docs/writing-a-family.md documents them in this order.
#include "compiler/builder/OpTable.h"
#include "dialects/ssm/SsmDialect.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr auto parseActivation =
    parseEnum<plx::ActivationKindAttr, static_cast<std::optional<plx::ActivationKind> (*)(
                                           llvm::StringRef)>(plx::symbolizeActivationKind)>;

/// An enum that has no attribute of its own, by `symbolize`.
template <auto symbolize>
static Attribute parseInteger(MLIRContext *context, llvm::StringRef text) {
  auto value = symbolize(text);
  return value ? IntegerAttr::get(IntegerType::get(context, 32), static_cast<int64_t>(*value))
               : Attribute();
}
static constexpr auto parseRates =
    parseInteger<static_cast<std::optional<ssm::Rates> (*)(llvm::StringRef)>(ssm::symbolizeRates)>;
static constexpr auto parseDiscretization =
    parseInteger<static_cast<std::optional<ssm::Discretization> (*)(llvm::StringRef)>(
        ssm::symbolizeDiscretization)>;

static constexpr auto parseEmission =
    parseInteger<static_cast<std::optional<ssm::EmissionFamily> (*)(llvm::StringRef)>(
        ssm::symbolizeEmissionFamily)>;

static constexpr auto parseForm =
    parseInteger<static_cast<std::optional<ssm::Form> (*)(llvm::StringRef)>(ssm::symbolizeForm)>;

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
        {"reverse", Kind::Unit, false},
        {"form", Kind::Enum, false, parseForm, "recurrent, chunked"},
        {"form_length", Kind::I64, false}},
       true},
      {"rg_lru", "ssm.rg_lru", 5, 6, Result::Infer},
      {"wkv", "ssm.wkv", 5, 6, Result::Infer},
      {"delta_rule",
       "ssm.delta_rule",
       8,
       9,
       Result::Infer,
       {{"beta_scale", Kind::F32, false},
        {"accumulate", Kind::Unit, false},
        {"form", Kind::Enum, false, parseForm, "recurrent, chunked"},
        {"form_length", Kind::I64, false}}},
      {"lstm", "ssm.lstm", 3, 7, Result::Infer, {{"reverse", Kind::Unit, false}}, true},
      {"gru", "ssm.gru", 3, 6, Result::Infer, {{"reverse", Kind::Unit, false}}, true},
      {"rnn",
       "ssm.rnn",
       3,
       6,
       Result::Infer,
       {{"activation", Kind::Enum, true, parseActivation, "the kinds of 'activation'"},
        {"reverse", Kind::Unit, false}},
       true},
      {"diagonal",
       "ssm.diagonal",
       4,
       10,
       Result::Infer,
       {{"rates", Kind::Enum, true, parseRates, "cartesian, log, polar"},
        {"discretization", Kind::Enum, true, parseDiscretization, "zoh, bilinear, dirac"},
        {"factor", Kind::F32, false},
        {"reverse", Kind::Unit, false},
        {"form", Kind::Enum, false, parseForm, "recurrent, scan, convolution"},
        {"form_length", Kind::I64, false}},
       true},
      {"dplr",
       "ssm.dplr",
       9,
       11,
       Result::Infer,
       {{"rates", Kind::Enum, true, parseRates, "cartesian, log, polar"},
        {"reverse", Kind::Unit, false},
        {"form", Kind::Enum, false, parseForm, "recurrent, convolution"},
        {"form_length", Kind::I64, false}},
       true},
      {"standardize", "ssm.standardize", 2, 2, Result::Infer, {{"eps", Kind::F32}}},
      {"legendre",
       "ssm.legendre",
       4,
       4,
       Result::Infer,
       {{"horizon", Kind::I64}, {"base", Kind::I64}}},
      {"kalman_filter", "ssm.kalman_filter", 10, 14, Result::Infer, {}, true},
      {"kalman_smoother", "ssm.kalman_smoother", 10, 13, Result::Infer, {}, true},
      {"discriminative_filter", "ssm.discriminative_filter", 6, 7, Result::Infer},
      {"emission",
       "ssm.emission",
       2,
       5,
       Result::Infer,
       {{"family", Kind::Enum, true, parseEmission, "bernoulli, poisson, gaussian"}},
       true},
      {"hmm_filter", "ssm.hmm_filter", 4, 7, Result::Infer, {}, true},
      {"hmm_smoother", "ssm.hmm_smoother", 4, 6, Result::Infer, {}, true},
      {"viterbi", "ssm.viterbi", 4, 6, Result::Infer, {}, true},
  };
  return rows;
}

} // namespace plexus::compiler
