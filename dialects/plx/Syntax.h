// Custom directives of the printed forms, between the generated parsers and the files of the ops.
#ifndef PLEXUS_DIALECTS_PLX_SYNTAX_H
#define PLEXUS_DIALECTS_PLX_SYNTAX_H

#include "mlir/IR/OpImplementation.h"

namespace mlir::plx {

/// `"a" = %x, "b" = %y : type, type`.
ParseResult parseNamedValues(OpAsmParser &parser, ArrayAttr &names,
                             SmallVectorImpl<OpAsmParser::UnresolvedOperand> &values,
                             SmallVectorImpl<Type> &types);
void printNamedValues(OpAsmPrinter &printer, Operation *op, ArrayAttr names, OperandRange values,
                      TypeRange types);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_SYNTAX_H
