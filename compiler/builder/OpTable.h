// How builder ops become ops of the dialects: rows that each dialect's file in ops/ fills in.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/OperationSupport.h"
#include "plexus/family.h"
#include "runtime/support/Status.h"

#include <vector>

namespace plexus::compiler {

/// What a builder attribute is, and the IR attribute that it becomes. Positive: a float whose 0
/// means that it is not there. Ignored: read by the result's type only. Enum: a string, by
/// AttrRow::parse. F64s: doubles as their bits in ints, which calls carry exactly.
enum class Kind { I64, F32, F64, Positive, Unit, String, I64s, F32s, F64s, Enum, Rope, Ignored };

struct AttrRow {
  const char *name;
  Kind kind;
  bool required = true;
  /// Kind::Enum: the attribute of a keyword, null where there is none.
  mlir::Attribute (*parse)(mlir::MLIRContext *, llvm::StringRef) = nullptr;
  const char *known = nullptr; ///< Kind::Enum: the keywords, for messages.
};

/// How the results' types follow from operands and attributes. Infer: as the op itself says,
/// through InferTypeOpInterface; what new ops use.
enum class Result {
  None,
  Same,
  Rows,
  Linear,
  Embedding,
  Reshape,
  Slice,
  Concat,
  Indices,
  Scalar,
  Attention,
  Infer
};

/// An op. Where some of its operands may be absent, callers pass PLX_NO_VALUE in their places and
/// `groups` is true: the op has the trait AttrSizedOperandSegments with one operand a group.
struct OpRow {
  const char *name;
  const char *irName;
  unsigned minOperands, maxOperands;
  Result result;
  std::vector<AttrRow> attrs = {};
  bool groups = false;
};

/// The rows of each dialect.
const std::vector<OpRow> &plxRows();
const std::vector<OpRow> &attnRows();
const std::vector<OpRow> &brainRows();
const std::vector<OpRow> &convRows();
const std::vector<OpRow> &kanRows();
const std::vector<OpRow> &ssmRows();

/// An enum's AttrRow::parse: `Attr` of what `symbolize` makes of the keyword.
template <typename AttrT, auto symbolize>
mlir::Attribute parseEnum(mlir::MLIRContext *context, llvm::StringRef text) {
  auto value = symbolize(text);
  return value ? mlir::Attribute(AttrT::get(context, *value)) : mlir::Attribute();
}

} // namespace plexus::compiler
