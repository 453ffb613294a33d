//===- SegmentAbi.cpp - entry points that take a plx_call -------------------------------------===//
// Wraps each lowered segment in `int32_t plx_<segment>(const plx_call *)`.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/SegmentArgs.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringMap.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_SEGMENTABI
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;
using call::BatchField;
using call::CallField;

namespace {

/// Reads the parts of one call, each array and size once.
class CallReader {
public:
  CallReader(OpBuilder &builder, Location loc, Value pointer)
      : builder(builder), loc(loc), pointer(pointer) {}

  Value field(CallField number) {
    Value &value = fields[static_cast<unsigned>(number)];
    if (!value)
      value = call::loadCall(builder, loc, pointer, number);
    return value;
  }

  Value size(BatchField number) {
    Value &value = sizes[static_cast<unsigned>(number)];
    if (!value)
      value = arith::IndexCastOp::create(
          builder, loc, builder.getIndexType(),
          call::loadBatch(builder, loc, field(CallField::Batch), number));
    return value;
  }

  /// A tensor of `type`; its dynamic dimension, if any, is the leading one, of symbol `rows`.
  Value tensor(CallField array, int64_t index, MemRefType type, StringRef rows) {
    Value data = call::loadPointerAt(builder, loc, field(array), index);
    SmallVector<Value> extents;
    // A packed weight is bytes without a stated end.
    if (type.getElementType().isInteger(8))
      extents.push_back(unbounded());
    else if (!type.hasStaticShape())
      extents.push_back(size(rows == "S"   ? BatchField::Sequences
                             : rows == "R" ? BatchField::Outputs
                                           : BatchField::Tokens));
    return call::memrefFromPointer(builder, loc, type, data, extents);
  }

  /// Array `field` (a plx::BatchField) of the batch; token_begin has one entry more than sequences.
  Value batchArray(int64_t field, MemRefType type) {
    static constexpr std::pair<BatchField, BatchField> arrays[] = {
        {BatchField::Sequence, BatchField::Tokens},
        {BatchField::Position, BatchField::Tokens},
        {BatchField::Index, BatchField::Tokens},
        {BatchField::Slot, BatchField::Tokens},
        {BatchField::TokenBegin, BatchField::Sequences},
        {BatchField::Past, BatchField::Sequences},
        {BatchField::OutputRow, BatchField::Outputs},
        {BatchField::TokenType, BatchField::Tokens}};
    auto [array, count] = arrays[field];
    Value extent = size(count);
    if (array == BatchField::TokenBegin)
      extent = arith::AddIOp::create(builder, loc, extent,
                                     arith::ConstantIndexOp::create(builder, loc, 1));
    Value data = call::loadBatch(builder, loc, this->field(CallField::Batch), array);
    return call::memrefFromPointer(builder, loc, type, data, extent);
  }

  Value state(int64_t index) {
    return call::loadPointerAt(builder, loc, field(CallField::States), index);
  }

  Value scalar(int64_t index) {
    Type pointerType = LLVM::LLVMPointerType::get(builder.getContext());
    Value address = LLVM::GEPOp::create(builder, loc, pointerType, builder.getF32Type(),
                                        field(CallField::Scalars),
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
    return LLVM::LoadOp::create(builder, loc, builder.getF32Type(), address);
  }

  /// Scratch has no stated end here: its views are within `<entry>_scratch` bytes.
  Value scratch(MemRefType type) {
    return call::memrefFromPointer(builder, loc, type, field(CallField::Scratch), unbounded());
  }

private:
  Value unbounded() {
    return arith::ConstantIndexOp::create(builder, loc, std::numeric_limits<int64_t>::max());
  }

  OpBuilder &builder;
  Location loc;
  Value pointer;
  std::array<Value, 8> fields{};
  std::array<Value, 16> sizes{};
};

/// Everything that an argument's attributes say about it.
struct Role {
  StringRef name, rows;
  int64_t index;
  Type type;
};

using Reader = Value (*)(CallReader &, const Role &);

const llvm::StringMap<Reader> &readers() {
  static const llvm::StringMap<Reader> table = {
      {"host", [](CallReader &c, const Role &) { return c.field(CallField::Host); }},
      {"batch", [](CallReader &c, const Role &) { return c.field(CallField::Batch); }},
      {"tokens", [](CallReader &c, const Role &) { return c.size(BatchField::Tokens); }},
      {"sequences", [](CallReader &c, const Role &) { return c.size(BatchField::Sequences); }},
      {"outputs", [](CallReader &c, const Role &) { return c.size(BatchField::Outputs); }},
      {"context", [](CallReader &c, const Role &) { return c.size(BatchField::Context); }},
      {"state", [](CallReader &c, const Role &r) { return c.state(r.index); }},
      {"scalar", [](CallReader &c, const Role &r) { return c.scalar(r.index); }},
      {"batch_array",
       [](CallReader &c, const Role &r) {
         return c.batchArray(r.index, cast<MemRefType>(r.type));
       }},
      {"scratch", [](CallReader &c, const Role &r) { return c.scratch(cast<MemRefType>(r.type)); }},
      {"input",
       [](CallReader &c, const Role &r) {
         return c.tensor(CallField::Inputs, r.index, cast<MemRefType>(r.type), r.rows);
       }},
      {"output",
       [](CallReader &c, const Role &r) {
         return c.tensor(CallField::Outputs, r.index, cast<MemRefType>(r.type), r.rows);
       }},
      {"weight",
       [](CallReader &c, const Role &r) {
         return c.tensor(CallField::Weights, r.index, cast<MemRefType>(r.type), r.rows);
       }},
  };
  return table;
}

class SegmentAbiPass : public plexus::compiler::impl::SegmentAbiBase<SegmentAbiPass> {
public:
  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (isSegment(function) && failed(wrap(function)))
        return signalPassFailure();
  }

private:
  LogicalResult wrap(func::FuncOp function) {
    Location loc = function.getLoc();
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfter(function);
    Type pointer = LLVM::LLVMPointerType::get(&getContext()), i32 = builder.getI32Type();
    if (function.getNumResults() != 1 || function.getResultTypes()[0] != i32)
      return function.emitOpError("must return an i32 status");
    auto entry = func::FuncOp::create(builder, loc,
                                      function->getAttrOfType<StringAttr>(kSegmentAttr).getValue(),
                                      builder.getFunctionType({pointer}, {i32}));
    Block *block = entry.addEntryBlock();
    builder.setInsertionPointToStart(block);
    CallReader reader(builder, loc, block->getArgument(0));
    SmallVector<Value> arguments;
    for (BlockArgument argument : function.getArguments()) {
      Role role = roleOf(function, argument);
      auto read = readers().find(role.name);
      if (read == readers().end())
        return function.emitOpError("argument ")
               << argument.getArgNumber() << " has no known plexus.abi role: '" << role.name << "'";
      arguments.push_back(read->second(reader, role));
    }
    auto inner = func::CallOp::create(builder, loc, function, arguments);
    func::ReturnOp::create(builder, loc, inner.getResults());
    makeInternal(function);
    function->removeAttr(kSegmentAttr);
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      for (StringRef name : {StringRef(kRoleAttr), StringRef(kIndexAttr), StringRef(kRowsAttr)})
        function.removeArgAttr(i, name);
    return success();
  }

  static Role roleOf(func::FuncOp function, BlockArgument argument) {
    unsigned number = argument.getArgNumber();
    auto name = function.getArgAttrOfType<StringAttr>(number, kRoleAttr);
    auto rows = function.getArgAttrOfType<StringAttr>(number, kRowsAttr);
    auto index = function.getArgAttrOfType<IntegerAttr>(number, kIndexAttr);
    return {name ? name.getValue() : "", rows ? rows.getValue() : "T", index ? index.getInt() : 0,
            argument.getType()};
  }
};

} // namespace
