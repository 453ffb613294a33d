// Rows are rounded as the packer rounds them.
#include "compiler/choose/FormErrors.h"

#include "compiler/pack/Quantize.h"

#include <algorithm>

namespace plexus::compiler {

Expected<SampledRows> sampleRows(const Recipe &bound, int64_t most) {
  SampledRows out;
  int64_t rows = bound.shape[0], count = std::min(rows, most);
  out.depth = bound.shape[1];
  out.x.resize(static_cast<size_t>(count * out.depth));
  for (int64_t i = 0; i < count; ++i)
    PLX_RETURN_IF_ERROR(evaluateRecipe(bound, rows * i / count * out.depth, out.depth,
                                       out.x.data() + i * out.depth));
  return out;
}

/// `x` as the form stores it.
static Status roundRow(const PackedForm &form, const float *x, const float *importance,
                       QuantizedRows &scratch, std::vector<Fit> &fits, std::vector<float> &out) {
  int64_t depth = scratch.depth;
  if (!form.isQuantized()) {
    std::vector<uint8_t> bytes(static_cast<size_t>(depth) * dtypeSize(form.dtype()));
    fromF32(form.dtype(), x, depth, bytes.data());
    toF32(form.dtype(), bytes.data(), depth, out.data());
    return Status::ok();
  }
  PLX_RETURN_IF_ERROR(checkFinite(x, scratch));
  for (int64_t first = 0; first < depth; first += spanOf(scratch)) {
    fitSpan(x, importance, 0, first, fits, scratch);
    for (int64_t k = first; k < std::min(depth, first + spanOf(scratch)); ++k) {
      const Fit &fit = fits[(k - first) / scratch.geometry.group];
      out[k] = restoredValue(storedValue(x[k], fit, form), fit, form);
    }
  }
  return Status::ok();
}

Expected<double> errorIn(const PackedForm &form, const SampledRows &rows, const RangeRule &ranges) {
  // Plain forms have no groups; the scratch is not used then.
  QuantizedRows scratch(form.isQuantized() ? form
                                           : PackedForm{PackedValues::Q8, PackedZeros::None, 32},
                        rows.depth, ranges);
  std::vector<Fit> fits;
  std::vector<float> rounded(static_cast<size_t>(rows.depth));
  const float *importance = rows.importance.empty() ? nullptr : rows.importance.data();
  double error = 0, norm = 0;
  for (size_t at = 0; at < rows.x.size(); at += static_cast<size_t>(rows.depth)) {
    const float *x = rows.x.data() + at;
    PLX_RETURN_IF_ERROR(roundRow(form, x, importance, scratch, fits, rounded));
    for (int64_t k = 0; k < rows.depth; ++k) {
      double weight = importance ? importance[k] : 1, difference = x[k] - rounded[k];
      error += weight * difference * difference;
      norm += weight * double(x[k]) * x[k];
    }
  }
  return norm > 0 ? error / norm : 0;
}

} // namespace plexus::compiler
