//===- LowerProducts.cpp - products with packed weights ---------------------------------------===//
// Handlers of plx.fused_linear, and of the ops that read a packed weight as rows.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/HostProduct.h"
#include "passes/lower/cpu/PackedProduct.h"
#include "passes/lower/cpu/SegmentArgs.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Product.h"
#include "passes/lower/cpu/emit/QuantBlock.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "runtime/abi/Call.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::ProductCompute;

/// What becomes of products with more than emit::kFewRows rows.
struct ManyRows {
  bool oneDnn;
  const char *why;
  bool pairs = false;      ///< oneDNN multiplies bf16.
  bool matrixUnit = false; ///< oneDNN only where it has one.
};

/// Whether the blocks of a quantized weight are decoded for oneDNN, panel by panel.
bool runsPanels(const emit::Isa &isa, const CpuOptions &options, const emit::ProductSpec &spec) {
  bool wanted = isa.vectorBits == 512 || options.products == Products::OneDnn;
  return wanted && spec.form.isQuantized() && emit::PanelSpec{spec.form, spec.k}.fits();
}

/// The cost table. oneDNN reads the blocked layouts only with AVX-512 (measured: elsewhere it falls
/// to its reference code); there its kernels are the faster ones above a few rows. Pairs of bf16
/// are multiplied as fast by generated code, which needs no second pass over the sums (prefill of a
/// Llama shape, Zen 5: 1.1 times as fast), unless oneDNN has a matrix unit. That one multiplies
/// pairs twice as fast as vectors multiply bytes, so that bytes give way to it, too.
ManyRows decideManyRows(const emit::Isa &isa, const CpuOptions &options,
                        const emit::ProductSpec &spec) {
  bool runsLayout = isa.vectorBits == 512 &&
                    (spec.form.values == PackedValues::F32 || spec.compute == ProductCompute::Bf16);
  if (options.products == Products::Generated)
    return {false, "products=generated"};
  bool panels = runsPanels(isa, options, spec);
  if (spec.compute == ProductCompute::IntAlways) {
    bool host = panels && isa.bf16Dot && !spec.fixedScale && options.products == Products::Auto;
    return {host,
            host ? "bytes, or pairs of bf16 by oneDNN where it has a matrix unit"
                 : "generated code multiplies bytes",
            host, host};
  }
  if (spec.manyPairs && options.products == Products::Auto) {
    bool host = panels || spec.compute == ProductCompute::Bf16;
    return {host, "pairs of bf16, by oneDNN where it has a matrix unit", host, host};
  }
  if (panels)
    return {true, spec.manyPairs ? "oneDNN on panels decoded to bf16" : "oneDNN on decoded panels",
            spec.manyPairs};
  if (!runsLayout)
    return {false, isa.vectorBits == 512 ? "oneDNN has no fast form of this stored type"
                                         : "oneDNN runs blocked layouts only with AVX-512"};
  return {true, "oneDNN is the faster one above the few-row form",
          spec.compute == ProductCompute::Bf16};
}

/// One product on its way: its op, its operands as matrices.
struct Product {
  plx::FusedLinearOp op;
  emit::ProductSpec spec;
  Value x, weight, rows, out;
  Value range;               ///< Of x, where it enters as integers of a fixed scale.
  SmallVector<Value> extras; ///< [N] or [rows, N]
};

Product describe(SegmentLowering &segment, plx::FusedLinearOp op) {
  Location loc = op.getLoc();
  Product product{op, {}, {}, {}, {}, {}, {}, {}};
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  product.spec.k = weight.getDimSize(1);
  product.spec.n = weight.getDimSize(0) / (op.getGated() ? 2 : 1);
  product.spec.gated = op.getGated();
  product.spec.form = plx::getPacked(weight).getForm();
  Value input = op.getInput();
  Compute wanted = segment.options().compute;
  if (auto rounded = input.getDefiningOp<plx::FakeQuantizeOp>()) {
    input = rounded.getInput();
    product.range = segment.buffer(rounded.getRange());
    product.spec.fixedScale = true;
    wanted = Compute::Int8;
  }
  ComputeChoice choice = chooseCompute(product.spec.form, segment.isa(), wanted);
  product.spec.compute = choice.compute;
  product.spec.manyPairs = choice.manyPairs;
  product.x = segment.asMatrix(loc, segment.buffer(input));
  product.rows = segment.rows(loc, product.x);
  product.weight = segment.buffer(op.getWeight());
  for (Value extra : op.getExtras()) {
    Value buffer = segment.buffer(extra);
    bool isVector = cast<MemRefType>(buffer.getType()).getRank() == 1;
    product.extras.push_back(isVector ? buffer : segment.asMatrix(loc, buffer));
  }
  product.out = segment.asMatrix(loc, segment.allocateLike(op.getResult(), input));
  return product;
}

/// i1: the host multiplies with vectors.
Value lacksMatrixUnit(SegmentLowering &segment, Location loc) {
  OpBuilder &b = segment.builder();
  Value unit = call::loadHost(b, loc, segment.host(), call::HostField::MatrixUnit);
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 64);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, unit, zero);
}

//===--- plx.fused_linear ---------------------------------------------------------------------===//

/// What the product keeps beside its operands, as memref<?xi8>; null: nothing.
Value allocateScratch(SegmentLowering &segment, Location loc, const Product &product) {
  emit::ProductScratch scratch = emit::productScratch(product.spec);
  OpBuilder &b = segment.builder();
  if (scratch.rowBytes == 0)
    return {};
  if (!scratch.allRows)
    return segment.allocate(MemRefType::get({scratch.bytes(0)}, b.getI8Type()), {});
  Value rows = segment.allocate(
      MemRefType::get({ShapedType::kDynamic, scratch.rowBytes}, b.getI8Type()), product.rows);
  return memref::CollapseShapeOp::create(b, loc, rows, ArrayRef<ReassociationIndices>{{0, 1}});
}

/// How the weight is stored, and whether its source's integers were kept.
std::string describeWeight(plx::FusedLinearOp op, const PackedForm &form) {
  std::string text = "weights " + form.spelling();
  auto param = op.getWeight().getDefiningOp<plx::ParamOp>();
  auto weight =
      param ? SymbolTable::lookupNearestSymbolFrom<plx::WeightOp>(param, param.getWeightAttr())
            : plx::WeightOp();
  if (!form.isQuantized() || !weight)
    return text;
  return text + (plx::keptForm(weight.getRecipe()) == form ? " as in the source" : " rounded");
}

LogicalResult lowerFusedLinear(SegmentLowering &segment, plx::FusedLinearOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  Product product = describe(segment, op);
  emit::ProductOperands operands{product.x, product.rows, product.weight, {}, product.range};
  operands.scratch = allocateScratch(segment, loc, product);
  bool failedEpilogue = false;
  auto epilogue = [&](OpBuilder &inner, Location innerLoc, const emit::ProductLanes &lanes) {
    SmallVector<Value> inputs(lanes.sums.begin(), lanes.sums.end());
    for (Value extra : product.extras) {
      bool isVector = cast<MemRefType>(extra.getType()).getRank() == 1;
      inputs.push_back(
          lanes.load(inner, innerLoc, extra,
                     isVector ? ValueRange{lanes.column} : ValueRange{lanes.row, lanes.column}));
    }
    auto results = emit::vectorizeRegion(inner, innerLoc, op.getEpilogue(), inputs);
    if (failed(results))
      failedEpilogue = true;
    else
      lanes.store(inner, innerLoc, results->front(), product.out, {lanes.row, lanes.column});
  };
  ManyRows many = decideManyRows(segment.isa(), segment.options(), product.spec);
  emit::ProductFallback fallback;
  HostProduct host(product.spec, many.pairs);
  if (many.oneDnn) {
    operands.x = many.pairs ? product.x : segment.contiguous(loc, product.x);
    host.allocate(segment, loc, product.rows);
    fallback.emit = [&](OpBuilder &inner, Location innerLoc) {
      host.emit(segment, inner, innerLoc, operands, epilogue);
    };
    if (many.matrixUnit)
      fallback.unless = lacksMatrixUnit(segment, loc);
  }
  // One iteration is a block of 64 columns.
  segment.emitParallel(
      64 * product.spec.k,
      [&] { emit::emitProduct(b, loc, segment.isa(), product.spec, operands, epilogue, fallback); },
      emit::kFewRows);
  std::string few = std::to_string(emit::kFewRows);
  segment.report(
      op,
      many.oneDnn && !many.matrixUnit ? "generated, oneDNN above " + few + " rows" : "generated",
      Twine(many.why) + " (" + segment.isa().name + ", " +
          (product.range
               ? "8-bit products, a measured scale for all activations"
               : chooseCompute(product.spec.form, segment.isa(), segment.options().compute).why) +
          ", " + describeWeight(op, product.spec.form) + ")");
  return failure(failedEpilogue);
}

/// Whether every reader is a product that takes the integers themselves.
bool takesFakeQuantize(Operation *op) {
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    auto product = dyn_cast<plx::FusedLinearOp>(use.getOwner());
    plx::PackedAttr packed =
        product ? plx::getPacked(product.getWeight().getType()) : plx::PackedAttr();
    return packed && use.getOperandNumber() == 0 && packed.getForm().isInteger();
  });
}

LogicalResult lowerFakeQuantize(SegmentLowering &segment, plx::FakeQuantizeOp op) {
  segment.report(op, "generated", "rounded by the products that read it");
  return success();
}

bool takesFusedLinear(Operation *op) {
  return plx::getPacked(cast<plx::FusedLinearOp>(op).getWeight().getType()) != nullptr;
}

//===--- Rows of weights ----------------------------------------------------------------------===//

/// Element [row, column] of a weight matrix, dense or packed as plain floats, as it is stored.
class WeightReader {
public:
  WeightReader(SegmentLowering &segment, OpBuilder &b, Location loc, Value tensor)
      : b(b), loc(loc), type(cast<RankedTensorType>(tensor.getType())) {
    Value buffer = segment.buffer(tensor);
    plx::PackedAttr packed = plx::getPacked(type);
    if (!packed) {
      memref = buffer;
      return;
    }
    pairs = packed.getForm().info().unit;
    // [N/64][K/(16 pairs)][16][64][pairs], runtime/abi/Call.h
    int64_t n = llvm::divideCeil(type.getDimSize(0), 64);
    int64_t k = llvm::divideCeil(type.getDimSize(1), 16 * pairs);
    auto blocks = MemRefType::get({n, k, 16, 64, pairs}, packed.getStorage());
    memref = call::memrefFromPointer(b, loc, blocks, call::pointerFromMemref(b, loc, buffer), {});
  }

  Value load(Value row, Value column) {
    SmallVector<Value> indices{row, column};
    if (pairs)
      indices = {divide(row, 64), divide(column, 16 * pairs),
                 divide(remainder(column, 16 * pairs), pairs), remainder(row, 64),
                 remainder(column, pairs)};
    return memref::LoadOp::create(b, loc, memref, indices);
  }

private:
  Value divide(Value value, int64_t by) {
    return arith::DivUIOp::create(b, loc, value, arith::ConstantIndexOp::create(b, loc, by));
  }
  Value remainder(Value value, int64_t by) {
    return arith::RemUIOp::create(b, loc, value, arith::ConstantIndexOp::create(b, loc, by));
  }

  OpBuilder &b;
  Location loc;
  RankedTensorType type;
  Value memref;
  int64_t pairs = 0; ///< consecutive k that lie side by side; 0: dense
};

/// `value` in the float type `type`.
Value converted(OpBuilder &b, Location loc, Value value, Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
  if (value.getType() == type)
    return value;
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, value);
  if (from > to)
    return arith::TruncFOp::create(b, loc, type, value);
  Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), value);
  return arith::TruncFOp::create(b, loc, type, wide);
}

/// The weight's row that row `row` of the output is, at a place inside a loop.
using RowOf = function_ref<Value(OpBuilder &, Value row)>;

/// out[row, ...] = the weight's row rowOf(row), for `rows` rows: scf.parallel over rows.
void gatherRows(SegmentLowering &segment, Location loc, Value weight, Value rows, RowOf rowOf,
                Value out) {
  OpBuilder &b = segment.builder();
  auto type = cast<RankedTensorType>(weight.getType());
  int64_t columns = type.getDimSize(1);
  plx::PackedAttr packed = plx::getPacked(type);
  bool quantized = packed && packed.getForm().isQuantized();
  std::optional<WeightReader> reader;
  if (!quantized)
    reader.emplace(segment, b, loc, weight);
  OpBuilder::InsertionGuard guard(b);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value width = arith::ConstantIndexOp::create(b, loc, columns);
  auto parallel = scf::ParallelOp::create(b, loc, zero, rows, one);
  parallel->setAttr(kWorkAttr, b.getI64IntegerAttr(4 * columns));
  b.setInsertionPointToStart(parallel.getBody());
  Value row = parallel.getInductionVars().front(), from = rowOf(b, row);
  auto store = [&](Value column, Value value) {
    value = converted(b, loc, value, cast<MemRefType>(out.getType()).getElementType());
    memref::StoreOp::create(b, loc, value, out, ValueRange{row, column});
  };
  if (quantized) {
    emit::QuantBlock block({b, loc}, packed.getForm(), columns, segment.buffer(weight), 1);
    block.decodeRow(from, [&](Value k, Value element) {
      store(k, vector::ExtractOp::create(b, loc, element, int64_t(0)));
    });
    return;
  }
  auto loop = scf::ForOp::create(b, loc, zero, width, one);
  b.setInsertionPointToStart(loop.getBody());
  store(loop.getInductionVar(), reader->load(from, loop.getInductionVar()));
}

LogicalResult lowerEmbedding(SegmentLowering &segment, plx::EmbeddingOp op) {
  Location loc = op.getLoc();
  auto table = cast<RankedTensorType>(op.getTable().getType());
  Value ids = segment.buffer(op.getIds());
  Value out = segment.allocateLike(op.getResult(), op.getIds());
  auto clampedId = [&](OpBuilder &inner, Value row) -> Value {
    Value id = memref::LoadOp::create(inner, loc, ids, row);
    Value low = arith::ConstantIntOp::create(inner, loc, 0, 32);
    Value high = arith::ConstantIntOp::create(inner, loc, table.getDimSize(0) - 1, 32);
    id = arith::MaxSIOp::create(inner, loc, id, low);
    id = arith::MinSIOp::create(inner, loc, id, high);
    return arith::IndexCastOp::create(inner, loc, inner.getIndexType(), id);
  };
  gatherRows(segment, loc, op.getTable(), segment.rows(loc, out), clampedId, out);
  segment.report(op, "generated",
                 plx::getPacked(table) ? "rows gathered from the packed weight"
                                       : "rows gathered from the dense table");
  return success();
}

LogicalResult lowerUnpack(SegmentLowering &segment, plx::UnpackOp op) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getType());
  Value out = segment.allocate(op.getResult());
  gatherRows(
      segment, loc, op.getInput(), segment.indexConstant(loc, type.getDimSize(0)),
      [](OpBuilder &, Value row) { return row; }, out);
  segment.report(op, "generated", "a packed weight is unpacked at every call: slow");
  return success();
}

} // namespace

void addProductHandlers(HandlerTable &table) {
  addHandler<plx::FusedLinearOp, lowerFusedLinear>(table, takesFusedLinear);
  addHandler<plx::FakeQuantizeOp, lowerFakeQuantize>(table, takesFakeQuantize);
  addHandler<plx::EmbeddingOp, lowerEmbedding>(table);
  addHandler<plx::UnpackOp, lowerUnpack>(table);
}

} // namespace plexus::compiler
