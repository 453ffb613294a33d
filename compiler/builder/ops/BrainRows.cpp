// The builder's ops of brain. docs/dialects/brain.md has them in this order.
#include "compiler/builder/OpTable.h"

namespace plexus::compiler {

const std::vector<OpRow> &brainRows() {
  static const std::vector<OpRow> rows = {
      {"brain.ema_standardize",
       "brain.ema_standardize",
       2,
       3,
       Result::Infer,
       {{"alpha", Kind::F64}, {"eps", Kind::F64}}},
  };
  return rows;
}

} // namespace plexus::compiler
