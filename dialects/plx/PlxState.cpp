// The types of states that plx has itself.
#include "dialects/plx/PlxDialect.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mlir::plx;

Type CarryType::parse(AsmParser &parser) {
  SmallVector<int64_t> sizes;
  if (parser.parseLess() ||
      parser.parseDimensionList(sizes, /*allowDynamic=*/false, /*withTrailingX=*/false) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<CarryType>(parser.getContext(), ArrayRef<int64_t>(sizes));
}

void CarryType::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleave(getShape(), printer.getStream(), " x ");
  printer << '>';
}

LogicalResult CarryType::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<int64_t> shape) {
  if (shape.empty() || llvm::any_of(shape, [](int64_t size) { return size < 1; }))
    return emitError() << "!plx.carry needs one or more positive sizes";
  return success();
}

int64_t CarryType::getNumElements() const { return ShapedType::getNumElements(getShape()); }

bool CarryType::supportsKind(StateKind kind) const { return kind == StateKind::Replace; }
