// How the ranges of a calibration are called among the tensors of a model.
#ifndef PLEXUS_PASSES_QUANTIZE_RANGENAMES_H
#define PLEXUS_PASSES_QUANTIZE_RANGENAMES_H

#include <string>

namespace plexus::compiler {

/// The tensor [scale, zero point] of what the weight is multiplied with: in one layer ("3", or the
/// hole "{layer}"), or in all of them (""). A symmetric one has the zero point 0.
inline std::string rangeName(const std::string &weight, bool isSymmetric,
                             const std::string &layer) {
  return std::string("plexus.range.") + (isSymmetric ? "symmetric." : "affine.") + weight +
         (layer.empty() ? "" : "." + layer);
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_QUANTIZE_RANGENAMES_H
