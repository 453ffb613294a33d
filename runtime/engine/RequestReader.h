// Turns a strategy's forward requests into the executor's, refusing what is malformed or reserved
// by the name of its field.
#pragma once

#include "runtime/exec/Forward.h"

#include <plexus/strategy.h>

#include <string>
#include <vector>

namespace plexus {

/// A request as the executor takes it. Its spans point into the strategy's memory, which is
/// borrowed until the strategy is resumed, and into `wants`.
struct ReadRequest {
  ForwardRequest request;
  plx_seq sequence = 0; ///< The strategy's handle; `request.sequence` is still to be set.
  std::vector<Want> wants;
};

struct RequestLimits {
  static constexpr size_t requests = 4096; ///< Of one step.
  static constexpr size_t rows = 1 << 20;  ///< Of one request.
  static constexpr size_t wants = 256;     ///< Of one request.
};

/// Fills `out` anew, reusing its memory. Errors: InvalidArgument, Mismatch, and Unsupported for
/// reserved fields; they name the field ("plx_forward.inputs[0].data.dtype").
Status readForward(const plx_forward *from, ReadRequest &out);

} // namespace plexus
