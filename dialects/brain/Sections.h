// Filters of second-order sections: the arithmetic that decompositions and emitters share.
#ifndef PLEXUS_DIALECTS_BRAIN_SECTIONS_H
#define PLEXUS_DIALECTS_BRAIN_SECTIONS_H

#include "dialects/ssm/Number.h"

namespace mlir::brain {

/// One filter: `b0 b1 b2 1 a1 a2` of each of its sections.
using SectionsRef = ArrayRef<double>;
inline constexpr int64_t kSectionSize = 6;

/// Filter `filter` of a bank of `filters`.
inline SectionsRef filterOf(ArrayRef<double> bank, int64_t filters, int64_t filter) {
  int64_t size = static_cast<int64_t>(bank.size()) / filters;
  return bank.slice(filter * size, size);
}

/// The filtered sample. `states` are the two numbers of each section, which the sample replaces; x
/// and they are f64 scalars or vectors.
Value buildCascade(ImplicitLocOpBuilder &builder, SectionsRef sections, Value x,
                   SmallVectorImpl<Value> &states);

/// Factors of a signal's value that give the states that it would leave if it never changed.
SmallVector<double> steadyStates(SectionsRef sections);

/// One pair a section, each factor times `x`.
SmallVector<Value> buildSteady(ImplicitLocOpBuilder &builder, SectionsRef sections, Value x);

} // namespace mlir::brain

#endif // PLEXUS_DIALECTS_BRAIN_SECTIONS_H
