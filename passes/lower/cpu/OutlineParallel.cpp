//===- OutlineParallel.cpp - parallel loops become bodies for the host's parallel_for ---------===//
// Outlines each top-level scf.parallel of a segment into a function over a range of iterations, and
// calls it through plx_host::parallel_for.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/SegmentArgs.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_OUTLINEPARALLEL
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

/// Elementary operations that are worth a piece of work of their own: some 10 us on one core,
/// against a few us to wake a thread.
constexpr int64_t kPieceWork = 64 * 1024;
/// Work assumed for an iteration that does not say.
constexpr int64_t kDefaultWork = 1024;

/// One value that a body captures, and how it crosses the boundary.
struct Capture {
  Value value;
  Type stored; ///< LLVM type in the context struct
};

bool isConstantLike(Value value) {
  Operation *producer = value.getDefiningOp();
  return producer && producer->hasTrait<OpTrait::ConstantLike>();
}

Type storedType(Type type) {
  if (auto memref = dyn_cast<MemRefType>(type))
    return call::descriptorType(memref);
  if (type.isIndex())
    return IntegerType::get(type.getContext(), 64);
  return type;
}

/// What `loop` uses from above, constants apart: these are cloned into `constants`.
SmallVector<Capture> findCaptures(scf::ParallelOp loop, SmallVectorImpl<Value> &constants) {
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(loop.getRegion(), used);
  // Bounds and steps are needed to turn a linear number into induction variables.
  for (auto bounds : {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    used.insert(bounds.begin(), bounds.end());
  SmallVector<Capture> captures;
  for (Value value : used) {
    if (isConstantLike(value))
      constants.push_back(value);
    else
      captures.push_back({value, storedType(value.getType())});
  }
  return captures;
}

/// Iterations of dimension `dim`: ceil((upper - lower) / step), and 0 for an empty range.
Value tripCount(OpBuilder &builder, Location loc, Value lower, Value upper, Value step) {
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value span = arith::SubIOp::create(builder, loc, upper, lower);
  Value some = arith::MaxSIOp::create(builder, loc, span, zero);
  return arith::CeilDivSIOp::create(builder, loc, some, step);
}

class Outliner {
public:
  Outliner(func::FuncOp function, scf::ParallelOp loop, unsigned number)
      : function(function), loop(loop), loc(loop.getLoc()), builder(loop),
        context(loop.getContext()), number(number) {
    captures = findCaptures(loop, constants);
    SmallVector<Type> fields;
    for (const Capture &capture : captures)
      fields.push_back(capture.stored);
    contextType = LLVM::LLVMStructType::getLiteral(context, fields);
  }

  LogicalResult run() {
    Value host = segmentArgument(function, "host");
    if (!host)
      return function.emitOpError("has no host argument to run parallel loops");
    func::FuncOp body = emitBody();
    emitCall(host, body);
    loop.erase();
    return success();
  }

private:
  /// fn(ctx, begin, end): the loop's body over the linearised range.
  func::FuncOp emitBody() {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(function);
    Type pointer = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
    std::string name = (function.getName() + "_parallel_" + Twine(number)).str();
    auto body =
        func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer, i64, i64}, {}));
    makeInternal(body);
    Block *entry = body.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    IRMapping mapping;
    for (Value constant : constants)
      mapping.map(constant, builder.clone(*constant.getDefiningOp())
                                ->getResult(cast<OpResult>(constant).getResultNumber()));
    loadCaptures(entry->getArgument(0), mapping);
    hoistStackBuffers(mapping);
    Value begin = toIndex(entry->getArgument(1)), end = toIndex(entry->getArgument(2));
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    auto range = scf::ForOp::create(builder, loc, begin, end, one);
    func::ReturnOp::create(builder, loc);
    builder.setInsertionPointToStart(range.getBody());
    mapInductionVariables(range.getInductionVar(), mapping);
    for (Operation &op : loop.getBody()->without_terminator())
      if (!mapping.contains(&op))
        builder.clone(op, mapping);
    return body;
  }

  void loadCaptures(Value pointer, IRMapping &mapping) {
    for (auto [index, capture] : llvm::enumerate(captures)) {
      Value address = call::fieldAddress(builder, loc, contextType, pointer, index);
      Value stored = LLVM::LoadOp::create(builder, loc, capture.stored, address);
      Type type = capture.value.getType();
      Value value = stored;
      if (type.isIndex())
        value = toIndex(stored);
      else if (type != capture.stored)
        value = UnrealizedConversionCastOp::create(builder, loc, type, stored).getResult(0);
      mapping.map(capture.value, value);
    }
  }

  /// Stack buffers of one iteration serve all iterations of the range.
  void hoistStackBuffers(IRMapping &mapping) {
    for (Operation &op : loop.getBody()->without_terminator())
      if (auto alloca = dyn_cast<memref::AllocaOp>(op); alloca && alloca.getType().hasStaticShape())
        mapping.map(&op, builder.clone(op, mapping));
  }

  /// Row-major: the last dimension runs fastest.
  void mapInductionVariables(Value linear, IRMapping &mapping) {
    unsigned rank = loop.getNumLoops();
    for (unsigned dim = rank; dim-- > 0;) {
      auto inside = [&](Value value) { return mapping.lookupOrDefault(value); };
      Value lower = inside(loop.getLowerBound()[dim]), step = inside(loop.getStep()[dim]);
      Value position = linear;
      if (dim > 0) {
        Value count = tripCount(builder, loc, lower, inside(loop.getUpperBound()[dim]), step);
        position = arith::RemSIOp::create(builder, loc, linear, count);
        linear = arith::DivSIOp::create(builder, loc, linear, count);
      }
      Value scaled = arith::MulIOp::create(builder, loc, position, step);
      mapping.map(loop.getInductionVars()[dim],
                  arith::AddIOp::create(builder, loc, lower, scaled).getResult());
    }
  }

  void emitCall(Value host, func::FuncOp body) {
    Type pointer = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
    Value frame = storeCaptures();
    Value n = arith::ConstantIndexOp::create(builder, loc, 1);
    for (unsigned dim = 0; dim < loop.getNumLoops(); ++dim) {
      Value count = tripCount(builder, loc, loop.getLowerBound()[dim], loop.getUpperBound()[dim],
                              loop.getStep()[dim]);
      n = arith::MulIOp::create(builder, loc, n, count);
    }
    auto work = loop->getAttrOfType<IntegerAttr>(kWorkAttr);
    int64_t perIteration = std::max<int64_t>(1, work ? work.getInt() : kDefaultWork);
    int64_t grain = std::max<int64_t>(1, kPieceWork / perIteration);
    Value function = func::ConstantOp::create(builder, loc, body.getFunctionType(),
                                              SymbolRefAttr::get(body.getNameAttr()));
    Value address =
        UnrealizedConversionCastOp::create(builder, loc, pointer, function).getResult(0);
    Value count = arith::IndexCastOp::create(builder, loc, i64, n);
    Value least = LLVM::ConstantOp::create(builder, loc, i64, builder.getI64IntegerAttr(grain));
    Value self = call::loadHost(builder, loc, host, call::HostField::Self);
    Value parallelFor = call::loadHost(builder, loc, host, call::HostField::ParallelFor);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                            {pointer, pointer, pointer, i64, i64});
    LLVM::CallOp::create(builder, loc, type,
                         ValueRange{parallelFor, self, address, frame, count, least});
  }

  /// The struct of captured values, on the stack of the segment.
  Value storeCaptures() {
    Type pointer = LLVM::LLVMPointerType::get(context);
    Value frame;
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(&function.getBody().front());
      Value one = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                           builder.getI64IntegerAttr(1));
      frame = LLVM::AllocaOp::create(builder, loc, pointer, contextType, one);
    }
    for (auto [index, capture] : llvm::enumerate(captures)) {
      Value value = capture.value;
      if (value.getType().isIndex())
        value = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), value);
      else if (value.getType() != capture.stored)
        value =
            UnrealizedConversionCastOp::create(builder, loc, capture.stored, value).getResult(0);
      Value address = call::fieldAddress(builder, loc, contextType, frame, index);
      LLVM::StoreOp::create(builder, loc, value, address);
    }
    return frame;
  }

  Value toIndex(Value value) {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), value);
  }

  func::FuncOp function;
  scf::ParallelOp loop;
  Location loc;
  OpBuilder builder;
  MLIRContext *context;
  unsigned number;
  SmallVector<Value> constants;
  SmallVector<Capture> captures;
  LLVM::LLVMStructType contextType;
};

/// A parallel loop within a body, or one too small to share, runs in order.
void makeSequential(scf::ParallelOp loop) {
  OpBuilder builder(loop);
  SmallVector<Value> variables;
  for (unsigned dim = 0; dim < loop.getNumLoops(); ++dim) {
    auto sequential = scf::ForOp::create(builder, loop.getLoc(), loop.getLowerBound()[dim],
                                         loop.getUpperBound()[dim], loop.getStep()[dim]);
    variables.push_back(sequential.getInductionVar());
    builder.setInsertionPointToStart(sequential.getBody());
  }
  IRMapping mapping;
  mapping.map(loop.getInductionVars(), variables);
  for (Operation &op : loop.getBody()->without_terminator())
    builder.clone(op, mapping);
  loop.erase();
}

/// Whether all iterations together are static and less than two pieces of work.
bool isSmall(scf::ParallelOp loop) {
  auto work = loop->getAttrOfType<IntegerAttr>(kWorkAttr);
  int64_t total = work ? work.getInt() : kDefaultWork;
  for (auto [lower, upper, step] :
       llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    auto first = getConstantIntValue(lower), last = getConstantIntValue(upper);
    auto stride = getConstantIntValue(step);
    if (!first || !last || !stride)
      return false;
    total *= std::max<int64_t>(0, llvm::divideCeilSigned(*last - *first, *stride));
  }
  return total < 2 * kPieceWork;
}

class OutlineParallelPass
    : public plexus::compiler::impl::OutlineParallelBase<OutlineParallelPass> {
public:
  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (isSegment(function) && failed(outline(function)))
        return signalPassFailure();
  }

private:
  LogicalResult outline(func::FuncOp function) {
    SmallVector<scf::ParallelOp> inner, top;
    WalkResult result = function.walk([&](scf::ParallelOp loop) {
      if (!loop.getInitVals().empty()) {
        loop.emitOpError("with a reduction cannot be run by parallel_for");
        return WalkResult::interrupt();
      }
      bool sequential = loop->getParentOfType<scf::ParallelOp>() || isSmall(loop);
      (sequential ? inner : top).push_back(loop);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    // Post-order: innermost first, so that clones of outer loops hold sequential ones only.
    for (scf::ParallelOp loop : inner)
      makeSequential(loop);
    for (auto [number, loop] : llvm::enumerate(top))
      if (failed(Outliner(function, loop, number).run()))
        return failure();
    return success();
  }
};

} // namespace
