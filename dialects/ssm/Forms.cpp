// How a recurrence may be computed: the check that ops with a choice of forms share.
#include "dialects/ssm/Forms.h"

using namespace mlir;
using namespace mlir::ssm;

LogicalResult ssm::verifyForm(Operation *op, const FormChoice &choice, ArrayRef<Form> allowed) {
  if (choice.reverse && choice.state)
    return op->emitOpError("'reverse' is for whole sequences, which have no 'state'");
  if (choice.form && !llvm::is_contained(allowed, *choice.form)) {
    InFlightDiagnostic diagnostic = op->emitOpError("'form' is ")
                                    << stringifyForm(*choice.form) << ", expected one of ";
    llvm::interleaveComma(allowed, diagnostic,
                          [&](Form form) { diagnostic << stringifyForm(form); });
    return diagnostic;
  }
  if (choice.form == Form::Chunked && choice.reverse)
    return op->emitOpError("'form' is chunked, which has no 'reverse'");
  if (choice.length.value_or(1) < 1)
    return op->emitOpError("'form_length' is ") << *choice.length << ", expected at least 1";
  return success();
}
