//===- LowerScans.cpp - recurrences over the tokens of each sequence --------------------------===//
// Handlers of the ssm dialect's ops that have an emitter.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/StateSpaces.h"
#include "passes/lower/cpu/emit/CausalConv.h"
#include "passes/lower/cpu/emit/SelectiveScan.h"
#include "passes/lower/cpu/emit/Ssd.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

int64_t dimension(Value tensor, unsigned dim) {
  return cast<RankedTensorType>(tensor.getType()).getDimSize(dim);
}

/// The buffer of an optional tensor.
Value bufferOf(SegmentLowering &segment, Value tensor) {
  return tensor ? segment.buffer(tensor) : Value();
}

/// The plx_kv of an optional state.
Value stateOf(SegmentLowering &segment, Value state) {
  return state ? segment.scalars().lookup(state) : Value();
}

LogicalResult lowerCausalConv(SegmentLowering &segment, ssm::CausalConvOp op) {
  emit::CausalConvSpec spec{dimension(op.getInput(), 1), dimension(op.getWeight(), 0),
                            op.getActivation(), op.getReverse()};
  emit::CausalConvOperands operands{
      segment.buffer(op.getInput()),   segment.buffer(op.getWeight()),
      bufferOf(segment, op.getBias()), segment.batch(),
      stateOf(segment, op.getState()), segment.allocateLike(op.getResult(), op.getInput())};
  segment.emitParallel(segment.isa().lanes() * spec.kernel * 16, [&] {
    emit::emitCausalConv(segment.builder(), op.getLoc(), segment.isa(), spec, operands);
  });
  segment.report(op, "generated", "the window stays in registers along each sequence");
  return success();
}

/// Elementary operations of one state entry of a vector of channels at one token.
constexpr int64_t kEntryWork = 24;

LogicalResult lowerSelectiveScan(SegmentLowering &segment, ssm::SelectiveScanOp op) {
  int64_t lanes = segment.isa().lanes();
  emit::SelectiveScanSpec spec{dimension(op.getInput(), 1),
                               dimension(op.getRate(), 0),
                               {op.getSoftplus(), {}, {}},
                               op.getReverse(),
                               outgrowsCaches(op, op.getState())};
  emit::SelectiveScanOperands operands{
      segment.buffer(op.getInput()),
      segment.buffer(op.getDelta()),
      segment.buffer(op.getRate()),
      segment.buffer(op.getB()),
      segment.buffer(op.getC()),
      bufferOf(segment, op.getDeltaBias()),
      bufferOf(segment, op.getSkip()),
      segment.batch(),
      stateOf(segment, op.getState()),
      segment.allocateLike(op.getResult(), op.getInput()),
      segment.allocate(
          MemRefType::get({(spec.channels + lanes - 1) / lanes, ShapedType::kDynamic, lanes},
                          segment.builder().getF32Type()),
          segment.rows(op.getLoc(), segment.buffer(op.getInput())))};
  segment.emitParallel(lanes * spec.entries * kEntryWork, [&] {
    emit::emitSelectiveScan(segment.builder(), op.getLoc(), segment.isa(), spec, operands);
  });
  segment.report(op, "generated", "recurrent form, state entries in registers along each sequence");
  return success();
}

std::optional<float> number(std::optional<APFloat> value) {
  return value ? std::optional<float>(value->convertToFloat()) : std::nullopt;
}

LogicalResult lowerSsd(SegmentLowering &segment, ssm::SsdOp op) {
  Location loc = op.getLoc();
  emit::SsdSpec spec;
  spec.heads = dimension(op.getInput(), 1);
  spec.width = dimension(op.getInput(), 2);
  spec.groups = dimension(op.getB(), 1);
  spec.entries = dimension(op.getB(), 2);
  spec.step = {op.getSoftplus(), number(op.getDeltaMin()), number(op.getDeltaMax())};
  spec.reverse = op.getReverse();
  spec.streams = outgrowsCaches(op, op.getState());
  spec.chunkedFrom =
      chunkedFrom(segment, op.getForm(), op.getFormLength(), op.getState(), spec.entries);
  auto perHead =
      MemRefType::get({ShapedType::kDynamic, spec.heads}, segment.builder().getF32Type());
  Value tokens = segment.rows(loc, segment.buffer(op.getInput()));
  emit::SsdOperands operands;
  operands.input = segment.buffer(op.getInput());
  operands.delta = segment.buffer(op.getDelta());
  operands.rate = segment.buffer(op.getRate());
  operands.b = segment.buffer(op.getB());
  operands.c = segment.buffer(op.getC());
  operands.deltaBias = bufferOf(segment, op.getDeltaBias());
  operands.skip = bufferOf(segment, op.getSkip());
  operands.batch = segment.batch();
  operands.state = stateOf(segment, op.getState());
  operands.steps = segment.allocate(perHead, tokens);
  operands.decays = segment.allocate(perHead, tokens);
  operands.out = segment.allocateLike(op.getResult(), op.getInput());
  segment.emitParallel(64 * spec.heads, [&] {
    emit::emitSsdSteps(segment.builder(), loc, segment.isa(), spec, operands);
  });
  segment.emitParallel(segment.isa().lanes() * spec.entries * 4, [&] {
    emit::emitSsd(segment.builder(), loc, segment.isa(), spec, operands);
  });
  if (spec.chunkedFrom > 0)
    emitChunks(
        segment, loc,
        {spec.heads, spec.width, spec.groups, spec.entries, /*erase=*/false, spec.chunkedFrom},
        {operands.c,
         operands.b,
         operands.input,
         operands.decays,
         operands.steps,
         operands.skip,
         operands.batch,
         operands.state,
         operands.out,
         {},
         {},
         {}},
        [] {});
  segment.report(op, "generated",
                 formReport(spec.chunkedFrom, "a group of state entries in registers"));
  return success();
}

} // namespace

void addScanHandlers(HandlerTable &table) {
  addHandler<ssm::CausalConvOp, lowerCausalConv>(table);
  addHandler<ssm::SelectiveScanOp, lowerSelectiveScan>(table);
  addHandler<ssm::SsdOp, lowerSsd>(table);
}

} // namespace plexus::compiler
