// A segment that adds its weight to its input, as generated code would look to the loader.
#include "runtime/abi/Call.h"

int64_t plx_main_scratch(int64_t tokens, int64_t sequences, int64_t outputs, int64_t context) {
  return tokens + sequences + outputs + context;
}

int32_t plx_main(const plx_call *call) {
  const float *x = call->inputs[0], *w = call->weights[0];
  float *y = call->outputs[0];
  for (int64_t t = 0; t < call->batch->tokens; ++t)
    for (int64_t c = 0; c < 8; ++c)
      y[t * 8 + c] = x[t * 8 + c] + w[c];
  return 0;
}
