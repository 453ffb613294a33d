// Finds the value of a schedule that a want speaks of.
#pragma once

#include "runtime/exec/Forward.h"
#include "runtime/exec/Plan.h"

namespace plexus {

/// Where a wanted thing comes from: a value of the schedule, or a tap of one of its steps.
struct WantTarget {
  bool isTap = false;
  int32_t value = 0;
  TapRef tap;
  const ValueType *type = nullptr;
  int64_t width() const { return type->rowElements(); }
  /// One row for each token; otherwise one for the request.
  bool perToken() const { return type->rows == Rows::Tokens || type->rows == Rows::Outputs; }
};

/// NotFound, with the names that exist, for an output, layer or tap that the schedule has not.
Expected<WantTarget> resolveWant(const Model &model, int schedule, const Want &want);

/// Also the reduction: InvalidArgument for k or ids outside the row, Unsupported for reductions of
/// what is not F32.
Status checkReduction(const Want &want, const WantTarget &target);

} // namespace plexus
