//===- LowerGated.cpp - recurrences with gates ------------------------------------------------===//
// Handlers of ssm.rg_lru, ssm.wkv and ssm.delta_rule.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/StateSpaces.h"
#include "passes/lower/cpu/emit/GatedScans.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Elementary operations of a token's vector with several transcendental functions.
constexpr int64_t kGateWork = 16 * 256;

/// The plx_kv of an optional state.
Value stateOf(SegmentLowering &segment, Value state) {
  return state ? segment.scalars().lookup(state) : Value();
}

LogicalResult lowerRgLru(SegmentLowering &segment, ssm::RgLruOp op) {
  emit::RgLruOperands operands{segment.buffer(op.getInput()),
                               segment.buffer(op.getInputGate()),
                               segment.buffer(op.getRecurrenceGate()),
                               segment.buffer(op.getDecay()),
                               segment.batch(),
                               stateOf(segment, op.getState()),
                               segment.allocateLike(op.getResult(), op.getInput())};
  segment.emitParallel(
      kGateWork, [&] { emit::emitRgLru(segment.builder(), op.getLoc(), segment.isa(), operands); });
  segment.report(op, "generated", "the state stays in registers along each sequence");
  return success();
}

LogicalResult lowerWkv(SegmentLowering &segment, ssm::WkvOp op) {
  emit::WkvOperands operands{segment.buffer(op.getKey()),
                             segment.buffer(op.getValue()),
                             segment.buffer(op.getDecay()),
                             segment.buffer(op.getFirst()),
                             segment.batch(),
                             stateOf(segment, op.getState()),
                             segment.allocateLike(op.getResult(), op.getKey())};
  segment.emitParallel(
      kGateWork, [&] { emit::emitWkv(segment.builder(), op.getLoc(), segment.isa(), operands); });
  segment.report(op, "generated", "the state stays in registers along each sequence");
  return success();
}

void emitDeltaChunks(SegmentLowering &segment, Location loc,
                     const emit::DeltaRuleOperands &operands) {
  auto key = cast<MemRefType>(operands.key.getType());
  auto value = cast<MemRefType>(operands.value.getType());
  int64_t heads = value.getDimSize(1);
  auto perHead = MemRefType::get({ShapedType::kDynamic, heads}, segment.builder().getF32Type());
  Value tokens = segment.rows(loc, operands.value);
  Value decays = segment.allocate(perHead, tokens), weights = segment.allocate(perHead, tokens);
  emitChunks(segment, loc,
             {heads, value.getDimSize(2), key.getDimSize(1), key.getDimSize(2),
              !operands.accumulate, operands.chunkedFrom},
             {operands.query,
              operands.key,
              operands.value,
              decays,
              weights,
              {},
              operands.batch,
              operands.state,
              operands.out,
              {},
              {},
              {}},
             [&] {
               segment.emitParallel(kGateWork, [&] {
                 emit::emitDeltaGates(segment.builder(), loc, segment.isa(), operands, decays,
                                      weights);
               });
             });
}

LogicalResult lowerDeltaRule(SegmentLowering &segment, ssm::DeltaRuleOp op) {
  emit::DeltaRuleOperands operands{
      segment.buffer(op.getQuery()),      segment.buffer(op.getKey()),
      segment.buffer(op.getValue()),      segment.buffer(op.getStep()),
      segment.buffer(op.getBeta()),       segment.buffer(op.getRate()),
      segment.buffer(op.getStepBias()),   segment.batch(),
      stateOf(segment, op.getState()),    segment.allocateLike(op.getResult(), op.getValue()),
      op.getBetaScale().convertToFloat(), op.getAccumulate()};
  ArrayRef<int64_t> keys = cast<RankedTensorType>(op.getKey().getType()).getShape();
  int64_t depth = keys[2];
  operands.streams = outgrowsCaches(op, op.getState());
  operands.chunkedFrom =
      chunkedFrom(segment, op.getForm(), op.getFormLength(), op.getState(), depth);
  segment.emitParallel(4 * depth * op.getType().getDimSize(2), [&] {
    emit::emitDeltaRule(segment.builder(), op.getLoc(), segment.isa(), operands);
  });
  if (operands.chunkedFrom > 0)
    emitDeltaChunks(segment, op.getLoc(), operands);
  segment.report(op, "generated",
                 formReport(operands.chunkedFrom,
                            "columns of the state stay in the first cache along a sequence"));
  return success();
}

/// Vectors are loaded as f32, one column of the last axis after another.
bool allF32(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32();
  });
}

/// The state's columns are on the stack.
bool takesDeltaRule(Operation *op) {
  auto key = cast<RankedTensorType>(cast<ssm::DeltaRuleOp>(op).getKey().getType());
  return allF32(op) && key.getDimSize(2) <= 512;
}

} // namespace

void addGatedHandlers(HandlerTable &table) {
  addHandler<ssm::RgLruOp, lowerRgLru>(table, allF32);
  addHandler<ssm::WkvOp, lowerWkv>(table, allF32);
  addHandler<ssm::DeltaRuleOp, lowerDeltaRule>(table, takesDeltaRule);
}

} // namespace plexus::compiler
