// Text of errors and diagnostics.
#include "compiler/support/Diagnostics.h"

#include "llvm/Support/raw_ostream.h"

namespace plexus::compiler {

Status toStatus(llvm::Error error, Code code) {
  if (!error)
    return Status::ok();
  return Status(code, llvm::toString(std::move(error)));
}

DiagnosticCollector::DiagnosticCollector(mlir::MLIRContext *context)
    : handler_(context, [this](mlir::Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
          return mlir::failure(); // warnings go on to whoever else listens
        std::scoped_lock lock(mutex_);
        llvm::raw_string_ostream out(text_);
        if (!text_.empty())
          out << '\n';
        if (!llvm::isa<mlir::UnknownLoc>(diagnostic.getLocation()))
          out << diagnostic.getLocation() << ": ";
        out << diagnostic;
        for (mlir::Diagnostic &note : diagnostic.getNotes())
          out << "\n  note: " << note;
        return mlir::success();
      }) {}

Status DiagnosticCollector::status(Code code, std::string_view otherwise) const {
  std::scoped_lock lock(mutex_);
  return Status(code, text_.empty() ? std::string(otherwise) : text_);
}

} // namespace plexus::compiler
