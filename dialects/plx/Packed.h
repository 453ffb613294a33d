// Sources that are quantized already, and recipes that keep them so.
#ifndef PLEXUS_DIALECTS_PLX_PACKED_H
#define PLEXUS_DIALECTS_PLX_PACKED_H

#include "dialects/plx/PlxDialect.h"
#include <optional>

namespace mlir::plx {

/// The form that holds every value of the recipe's matrix exactly, where its sources are quantized:
/// all of them have the same `#plx.packed` encoding in their type, and the recipe only moves rows
/// (concatenation, interleaving and slices along axis 0).
std::optional<::plexus::PackedForm> keptForm(Attribute recipe);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_PACKED_H
