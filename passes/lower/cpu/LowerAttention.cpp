//===- LowerAttention.cpp - attention, its state and rotary positions through the emitters ----===//
// Handlers of the attn dialect.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/Packed.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Attention.h"
#include "passes/lower/cpu/emit/StateViews.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// An iteration runs over a whole context: worth a thread of its own.
constexpr int64_t kAttentionWork = 64 * 1024;
/// Operations on an entry of a head, of all tokens of a page, as it is sealed.
constexpr int64_t kSealWork = 32 * 16;

int64_t dimension(Value tensor, unsigned dim) {
  return cast<RankedTensorType>(tensor.getType()).getDimSize(dim);
}

/// The rank-2 form [T, heads * headDim] of a [T, heads, headDim] tensor's buffer.
Value matrix(SegmentLowering &segment, Location loc, Value tensor) {
  return segment.asMatrix(loc, segment.buffer(tensor), 2);
}

emit::RopeSpec ropeSpec(attn::RopeAttr rope) {
  emit::RopeSpec spec;
  spec.dims = rope.getDims();
  spec.interleaved = rope.getInterleaved();
  spec.attentionScaling = rope.getScaling();
  spec.originalContext = rope.getOriginalContext();
  spec.ntkFactor = rope.getNtkFactor() ? rope.getNtkFactor().getValue().convertToFloat() : 0.0f;
  return spec;
}

/// The table of rotations of the batch, made once for each kind of rope in a segment.
Value ropeTable(SegmentLowering &segment, Location loc, attn::RopeAttr rope) {
  Value &table = segment.shared(rope);
  if (table)
    return table;
  emit::RopeSpec spec = ropeSpec(rope);
  Value frequencies = segment.constant(loc, rope.getInvFreq());
  Value other;
  if (spec.originalContext)
    other = segment.constant(loc, rope.getLongInvFreq() ? rope.getLongInvFreq()
                                                        : rope.getNtkExponents());
  auto type =
      MemRefType::get({ShapedType::kDynamic, rope.getDims()}, segment.builder().getF32Type());
  Value made = segment.allocate(type, segment.size(plx::SizeSymbol::Tokens));
  segment.emitParallel(32 * rope.getDims(), [&] {
    emit::emitRopeTable(segment.builder(), loc, segment.isa(), spec, segment.batch(), frequencies,
                        other, made);
  });
  return segment.shared(rope) = made;
}

/// Whether `producer`'s result has a buffer of its own.
bool makesBuffer(Operation *producer) {
  return isa_and_nonnull<plx::FusedLinearOp, linalg::LinalgOp>(producer);
}

/// Whether nothing but `value`'s one user will read the memory of its buffer: it reaches its
/// producer through single uses, or is one of disjoint slices.
bool ownsMemory(Value value) {
  while (value.hasOneUse()) {
    Operation *producer = value.getDefiningOp();
    if (auto reshape = dyn_cast_or_null<plx::ReshapeOp>(producer)) {
      value = reshape.getInput();
      continue;
    }
    auto slice = dyn_cast_or_null<plx::SliceOp>(producer);
    if (!slice)
      return makesBuffer(producer);
    // Rows are disjoint if the other users are slices of other columns.
    for (Operation *user : slice.getInput().getUsers()) {
      auto other = dyn_cast<plx::SliceOp>(user);
      if (!other)
        return false;
      if (other != slice && other.getBegin() < slice.getBegin() + slice.getSize() &&
          slice.getBegin() < other.getBegin() + other.getSize())
        return false;
    }
    return makesBuffer(slice.getInput().getDefiningOp());
  }
  return false;
}

/// Rotates `tensor`'s heads; in place where no one else reads them. Returns the rank-2 result.
Value rotated(SegmentLowering &segment, Location loc, Value tensor, attn::RopeAttr rope) {
  Value table = ropeTable(segment, loc, rope);
  Value input = matrix(segment, loc, tensor);
  int64_t heads = dimension(tensor, 1), headDim = dimension(tensor, 2);
  Value rows = segment.rows(loc, segment.buffer(tensor));
  Value output = input;
  if (!ownsMemory(tensor)) {
    auto type =
        MemRefType::get({ShapedType::kDynamic, heads * headDim}, segment.builder().getF32Type());
    output = segment.allocate(type, rows);
  }
  segment.emitParallel(4 * heads * headDim, [&] {
    emit::emitRope(segment.builder(), loc, segment.isa(), ropeSpec(rope), heads, headDim, rows,
                   input, output, table);
  });
  return output;
}

LogicalResult lowerRope(SegmentLowering &segment, attn::RopeOp op) {
  Value output = rotated(segment, op.getLoc(), op.getInput(), op.getRope());
  auto type = cast<MemRefType>(output.getType());
  int64_t heads = dimension(op.getInput(), 1), headDim = dimension(op.getInput(), 2);
  SmallVector<ReassociationIndices> groups{{0}, {1, 2}};
  OpBuilder &b = segment.builder();
  SmallVector<OpFoldResult> shape{segment.rows(op.getLoc(), output), b.getIndexAttr(heads),
                                  b.getIndexAttr(headDim)};
  auto expanded = memref::ExpandShapeOp::computeExpandedType(
      type, {type.getDimSize(0), heads, headDim}, groups);
  if (failed(expanded))
    return op.emitOpError("input has rows whose elements do not lie evenly");
  segment.bind(op.getResult(),
               memref::ExpandShapeOp::create(b, op.getLoc(), *expanded, output, groups, shape));
  segment.report(op, "generated",
                 ownsMemory(op.getInput()) ? "a pass of its own over the heads, in place"
                                           : "a pass of its own over the heads");
  return success();
}

/// Has `spec` turn by `rope`, if there is one; returns the table of rotations.
Value addRope(SegmentLowering &segment, Location loc, emit::AttentionSpec &spec,
              attn::RopeAttr rope) {
  if (!rope)
    return {};
  spec.rope = ropeSpec(rope);
  return ropeTable(segment, loc, rope);
}

/// Has `spec` keep keys and values as a state does.
void keepAs(emit::AttentionSpec &spec, attn::KVType state) {
  spec.keepAs(state.getForm());
  if (state.getRope())
    spec.keptRope = ropeSpec(state.getRope());
}

/// What AttentionOperands::frequencies is for a state, or null.
Value keptFrequencies(SegmentLowering &segment, Location loc, attn::KVType state) {
  return state.getRope() ? segment.constant(loc, state.getRope().getInvFreq()) : Value();
}

LogicalResult lowerKvWrite(SegmentLowering &segment, attn::KVWriteOp op) {
  Location loc = op.getLoc();
  auto state = cast<attn::KVType>(op.getState().getType());
  Value key = matrix(segment, loc, op.getKey()), value = matrix(segment, loc, op.getValue());
  emit::AttentionSpec spec;
  spec.kvHeads = state.getHeads();
  spec.keyDim = state.getKeyDim();
  spec.valueDim = state.getValueDim();
  keepAs(spec, state);
  Value table;
  if (!state.getRope())
    table = addRope(segment, loc, spec, op.getRopeAttr());
  segment.emitParallel(4 * (spec.keyDim + spec.valueDim), [&] {
    emit::emitKvWrite(segment.builder(), loc, segment.isa(), spec, key, value, segment.batch(),
                      segment.scalars().lookup(op.getState()), table);
  });
  if (spec.seals)
    segment.emitParallel(kSealWork * spec.kvHeads * (spec.keyDim + spec.valueDim), [&] {
      emit::emitKvSeal(segment.builder(), loc, segment.batch(),
                       segment.scalars().lookup(op.getState()));
    });
  segment.report(op, "generated",
                 spec.seals ? "keys are transposed on their way into the pages, which are sealed "
                              "when they are a page behind"
                 : table    ? "keys turn and are transposed on their way into the pages"
                            : "keys are transposed on their way into the pages");
  return success();
}

emit::AttentionSpec attentionSpec(attn::AttentionOp op) {
  emit::AttentionSpec spec;
  spec.heads = dimension(op.getQuery(), 1);
  spec.keyDim = dimension(op.getQuery(), 2);
  spec.valueDim = dimension(op.getResult(), 2);
  spec.kvHeads = op.getState() ? cast<attn::KVType>(op.getState().getType()).getHeads()
                               : dimension(op.getKey(), 1);
  if (op.getState())
    keepAs(spec, op.getState().getType());
  spec.scale = op.getScale().convertToFloat();
  spec.causal = op.getCausal();
  spec.window = op.getWindow();
  spec.softcap = op.getSoftcap() ? op.getSoftcap()->convertToFloat() : 0.0f;
  return spec;
}

/// Whether products beside `op` multiply activations as bf16 or bytes: then attention within a
/// batch, whose rounding is no coarser, multiplies bf16 too. (Over a state it follows the state.)
bool besideRoundedProducts(SegmentLowering &segment, attn::AttentionOp op) {
  if (!segment.isa().bf16Dot || segment.options().compute == Compute::F32)
    return false;
  auto result = op->getParentOp()->walk([](plx::FusedLinearOp product) {
    plx::PackedAttr packed = plx::getPacked(product.getWeight().getType());
    bool rounds =
        packed && (packed.getForm().values == PackedValues::BF16 || packed.getForm().isQuantized());
    return rounds ? WalkResult::interrupt() : WalkResult::advance();
  });
  return result.wasInterrupted();
}

/// As many bytes as emit::ScratchSize says.
Value attentionScratch(SegmentLowering &segment, Location loc, emit::ScratchSize size) {
  emit::Code code{segment.builder(), loc};
  Value tokens = segment.size(plx::SizeSymbol::Tokens);
  Value bytes = code.add(code.mul(tokens, size.perToken),
                         code.mul(segment.size(plx::SizeSymbol::Sequences), size.perSequence));
  Value rows = code.mul(code.min(tokens, code.index(emit::kSplitTokens)),
                        code.ceilDiv(segment.context(), emit::kSpanSlots));
  bytes = code.add(bytes, code.mul(rows, size.perSpan));
  return segment.allocate(MemRefType::get({ShapedType::kDynamic}, segment.builder().getI8Type()),
                          bytes);
}

LogicalResult lowerAttention(SegmentLowering &segment, attn::AttentionOp op) {
  Location loc = op.getLoc();
  emit::AttentionSpec spec = attentionSpec(op);
  if (!op.getState() && besideRoundedProducts(segment, op))
    spec.form = KvForm::BF16;
  emit::AttentionOperands operands;
  operands.ropeTable = addRope(segment, loc, spec, op.getRopeAttr());
  operands.query = matrix(segment, loc, op.getQuery());
  operands.batch = segment.batch();
  if (op.getState()) {
    operands.kv = segment.scalars().lookup(op.getState());
    operands.frequencies = keptFrequencies(segment, loc, op.getState().getType());
  } else {
    operands.key = matrix(segment, loc, op.getKey());
    operands.value = matrix(segment, loc, op.getValue());
  }
  operands.scratch = attentionScratch(
      segment, loc, emit::attentionScratch(spec, segment.isa(), operands.kv != nullptr));
  operands.out = segment.asMatrix(loc, segment.allocateLike(op.getResult(), op.getQuery()), 2);
  segment.emitParallel(kAttentionWork, [&] {
    emit::emitAttention(segment.builder(), loc, segment.isa(), spec, operands);
  });
  bool pairs = spec.form == KvForm::BF16 && segment.isa().bf16Dot;
  segment.report(op, "generated",
                 pairs ? "online softmax over pages, one pass; bf16 products"
                       : "online softmax over pages, one pass");
  return success();
}

//===--- Views --------------------------------------------------------------------------------===//

/// A buffer of a result whose second dimension is the batch's context; the first has `symbol`'s
/// size.
Value allocateView(SegmentLowering &segment, Value result, plx::SizeSymbol symbol) {
  auto type = cast<RankedTensorType>(result.getType());
  Value out = segment.allocate(MemRefType::get(type.getShape(), type.getElementType()),
                               {segment.size(symbol), segment.context()});
  segment.bind(result, out);
  return out;
}

template <typename Op, emit::KvPart part>
LogicalResult lowerKvView(SegmentLowering &segment, Op op) {
  attn::KVType state = op.getState().getType();
  emit::AttentionSpec spec;
  spec.kvHeads = state.getHeads();
  spec.keyDim = state.getKeyDim();
  spec.valueDim = state.getValueDim();
  keepAs(spec, state);
  Value frequencies = keptFrequencies(segment, op.getLoc(), state);
  Value out = allocateView(segment, op.getResult(), plx::SizeSymbol::Sequences);
  segment.emitParallel(spec.kvHeads * (part == emit::KvPart::Keys ? spec.keyDim : spec.valueDim),
                       [&] {
                         emit::emitKvView(segment.builder(), op.getLoc(), segment.isa(), spec, part,
                                          segment.batch(), segment.scalars().lookup(op.getState()),
                                          segment.context(), out, frequencies);
                       });
  return success();
}

LogicalResult lowerVisible(SegmentLowering &segment, attn::VisibleOp op) {
  Value out = allocateView(segment, op.getResult(), plx::SizeSymbol::Tokens);
  segment.emitParallel(16, [&] {
    emit::emitVisible(segment.builder(), op.getLoc(), op.getCausal(), op.getWindow(),
                      segment.batch(), segment.context(), out);
  });
  return success();
}

/// The emitter's windows look back only.
bool takesAttention(Operation *op) {
  auto attention = cast<attn::AttentionOp>(op);
  return attention.getWindow() == 0 || attention.getCausal();
}

} // namespace

void addAttentionHandlers(HandlerTable &table) {
  addHandler<attn::RopeOp, lowerRope>(table);
  addHandler<attn::KVWriteOp, lowerKvWrite>(table);
  addHandler<attn::AttentionOp, lowerAttention>(table, takesAttention);
  addHandler<attn::KVKeysOp, lowerKvView<attn::KVKeysOp, emit::KvPart::Keys>>(table);
  addHandler<attn::KVValuesOp, lowerKvView<attn::KVValuesOp, emit::KvPart::Values>>(table);
  addHandler<attn::VisibleOp, lowerVisible>(table);
}

} // namespace plexus::compiler
