// Weights whose source is quantized in the form in which they are packed: integers and scales are
// copied, so that every value stays what it is.
#pragma once

#include "compiler/pack/Quantize.h"
#include "compiler/pack/Recipe.h"

namespace plexus::compiler {

/// Whether each row of the bound recipe's matrix is a row of a source whose blocks `form` keeps:
/// the recipe only moves rows (concatenation, interleaving and slices along axis 0).
bool keepsBlocks(const Recipe &bound, const PackedForm &form);

/// Copies columns [column, column + out.depth) of row `from` of such a recipe to row `to`. Both
/// ends are at borders of blocks.
void keepRow(const Recipe &bound, int64_t from, int64_t column, int64_t to, QuantizedRows &out);

} // namespace plexus::compiler
