//===- Report.h - where each op went, for --report ----------------------------------------*- C++
//-*-===//
// Rows of the report, as passes leave them in the IR until lowerToCpu collects them.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_REPORT_H
#define PLEXUS_PASSES_REPORT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/Options.h"
#include <vector>

namespace plexus::compiler {

/// On segments and functions: an array of rows.
inline constexpr llvm::StringLiteral kReportAttr = "plexus.report";

/// The location of an op that takes the place of `into` and does the work of `joined` too; `why`
/// says how. Locations are outside of what a functional hash sees.
mlir::Location joinedLocation(mlir::Location into, mlir::Operation *joined, llvm::StringRef why);

/// Adds a row to the report of `owner`, a segment or its function: `op` was given the form
/// `target`; then one for each op that joined it.
void addReportRow(mlir::Operation *owner, mlir::Operation *op, llvm::StringRef target,
                  const llvm::Twine &why);

/// Remembers in the location of a weight why it is stored as it is.
void noteStorage(mlir::Operation *weight, llvm::StringRef why);
/// What noteStorage was told, or "".
llvm::StringRef storageNote(mlir::Operation *weight);

/// Takes the rows of all functions of `module` out of it, appending them to `report` if given.
void collectReport(mlir::ModuleOp module, std::vector<ReportRow> *report);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_REPORT_H
