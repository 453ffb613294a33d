// From LLVM's and MLIR's ways of failing to a Status.
#pragma once

#include "runtime/support/Status.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"

#include <mutex>
#include <string>

namespace plexus::compiler {

/// The error's text; consumes it.
Status toStatus(llvm::Error error, Code code = Code::Internal);

/// Collects the errors that MLIR reports while it lives, with their locations and notes, instead of
/// printing them.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext *context);
  /// What was reported, one diagnostic a line; `otherwise` if nothing was.
  Status status(Code code, std::string_view otherwise) const;

private:
  mutable std::mutex mutex_;
  std::string text_;
  mlir::ScopedDiagnosticHandler handler_;
};

} // namespace plexus::compiler
