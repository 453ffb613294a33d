//===- SegmentLowering.cpp - one segment on its way from tensors to buffers -------------------===//
// Function, arguments and buffers of a segment that is being lowered.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/SegmentLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Report.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/Rows.h"
#include "passes/lower/cpu/SegmentArgs.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

const HandlerTable &handlers() {
  static const HandlerTable table = [] {
    HandlerTable handlers;
    addProductHandlers(handlers);
    addAttentionHandlers(handlers);
    addBatchHandlers(handlers);
    addTensorHandlers(handlers);
    addKanHandlers(handlers);
    addMapHandlers(handlers);
    addQuantizedConvHandlers(handlers);
    addCarryHandlers(handlers);
    addScanHandlers(handlers);
    addGatedHandlers(handlers);
    addCellHandlers(handlers);
    addDiagonalHandlers(handlers);
    addDplrHandlers(handlers);
    addExpertHandlers(handlers);
    addBankHandlers(handlers);
    addDecoderHandlers(handlers);
    addSensorHandlers(handlers);
    addSignalHandlers(handlers);
    addGaussianHandlers(handlers);
    addMatmulHandlers(handlers);
    return handlers;
  }();
  return table;
}

MemRefType memrefOf(Type tensor) {
  auto ranked = cast<RankedTensorType>(tensor);
  return MemRefType::get(ranked.getShape(), ranked.getElementType());
}

/// "T", "S", "R" or "" for a static leading dimension.
StringRef rowsOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getRank() == 0 || !type.isDynamicDim(0))
    return "";
  auto symbol = plx::sizeSymbol(tensor);
  return symbol ? plx::stringify(*symbol) : "T";
}

/// The value that `tensor`'s buffer ends up as: through ops that write into their init.
Value finalValue(Value tensor) {
  while (tensor.hasOneUse()) {
    OpOperand &use = *tensor.use_begin();
    auto writer = dyn_cast<DestinationStyleOpInterface>(use.getOwner());
    if (!writer || !writer.isDpsInit(&use))
      break;
    tensor = writer.getTiedOpResult(&use);
  }
  return tensor;
}

} // namespace

bool hasCpuForm(Operation *op) {
  auto form = handlers().find(op->getName().getStringRef());
  return form != handlers().end() && (!form->second.takes || form->second.takes(op));
}

SegmentLowering::SegmentLowering(plx::SegmentOp segment, const emit::Isa &isa,
                                 const CpuOptions &options)
    : segment(segment), target(isa), settings(options), body(segment.getContext()) {}

ModuleOp SegmentLowering::module() { return function->getParentOfType<ModuleOp>(); }

LogicalResult SegmentLowering::run(OpBuilder &builder) {
  Location loc = segment.getLoc();
  Type i32 = builder.getI32Type();
  function =
      func::FuncOp::create(builder, loc, segment.getName(), builder.getFunctionType({}, {i32}));
  makeInternal(function);
  function->setAttr(kSegmentAttr, builder.getStringAttr("plx_" + segment.getName()));
  if (Attribute rows = segment->getAttr(kReportAttr)) // of ops that are decomposed by now
    function->setAttr(kReportAttr, rows);
  body.setInsertionPointToStart(function.addEntryBlock());
  addSegmentArguments();
  if (failed(lowerBlock(segment.getBody().front())))
    return failure();
  return lowerReturn(cast<plx::ReturnOp>(segment.getBody().front().getTerminator()));
}

LogicalResult SegmentLowering::lowerBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    auto form = handlers().find(op.getName().getStringRef());
    if (failed(form != handlers().end() ? form->second.lower(*this, &op)
                                        : lowerUpstream(*this, &op)))
      return failure();
  }
  return success();
}

//===--- Arguments ----------------------------------------------------------------------------===//

Value SegmentLowering::argument(Type type, StringRef role, int64_t index, StringRef rows) {
  Value &value = arguments[(role + Twine(index)).str()];
  if (value)
    return value;
  OpBuilder attributes(type.getContext());
  SmallVector<NamedAttribute> named{
      attributes.getNamedAttr(kRoleAttr, attributes.getStringAttr(role)),
      attributes.getNamedAttr(kIndexAttr, attributes.getI64IntegerAttr(index))};
  if (!rows.empty())
    named.push_back(attributes.getNamedAttr(kRowsAttr, attributes.getStringAttr(rows)));
  unsigned number = function.getNumArguments();
  (void)function.insertArgument(number, type, attributes.getDictionaryAttr(named),
                                segment.getLoc());
  return value = function.getArgument(number);
}

void SegmentLowering::addSegmentArguments() {
  for (StringRef role : kSizeRoles)
    argument(body.getIndexType(), role);
  int64_t input = 0;
  for (BlockArgument value : segment.getBody().getArguments())
    if (isa<RankedTensorType>(value.getType())) {
      StringRef rows = rowsOf(value);
      bind(value, argument(memrefOf(value.getType()), "input", input++, rows));
    }
  auto result = cast<plx::ReturnOp>(segment.getBody().front().getTerminator());
  auto rows = result->getAttrOfType<ArrayAttr>(kRowsAttr); // noted by NumberParameters
  for (auto [index, value] : llvm::enumerate(result.getValues()))
    outputs.push_back(argument(memrefOf(value.getType()), "output", index,
                               rows ? cast<StringAttr>(rows[index]).getValue() : rowsOf(value)));
}

Value SegmentLowering::size(plx::SizeSymbol symbol) {
  return argument(body.getIndexType(), kSizeRoles[static_cast<unsigned>(symbol)]);
}
Value SegmentLowering::context() { return argument(body.getIndexType(), "context"); }
Value SegmentLowering::host() {
  return argument(LLVM::LLVMPointerType::get(body.getContext()), "host");
}
Value SegmentLowering::batch() {
  return argument(LLVM::LLVMPointerType::get(body.getContext()), "batch");
}
Value SegmentLowering::scalar(int64_t index) {
  return argument(body.getF32Type(), "scalar", index);
}

/// Numbered by NumberParameters, before anything could reorder the ops.
static int64_t parameterIndex(Operation *op) {
  return op->getAttrOfType<IntegerAttr>(kIndexAttr).getInt();
}

Value SegmentLowering::state(plx::GetStateOp op) {
  return argument(LLVM::LLVMPointerType::get(body.getContext()), "state", parameterIndex(op));
}

Value SegmentLowering::weight(plx::ParamOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  // A packed weight is bytes: only emitters know its layout.
  MemRefType memref = plx::getPacked(type)
                          ? MemRefType::get({ShapedType::kDynamic}, body.getI8Type())
                          : MemRefType::get(type.getShape(), type.getElementType());
  return argument(memref, "weight", parameterIndex(op));
}

Value SegmentLowering::batchArray(plx::BatchField field) {
  static constexpr StringLiteral rows[] = {"T", "T", "T", "T", "", "S", "R", "T"};
  auto type = MemRefType::get({ShapedType::kDynamic}, body.getI32Type());
  auto index = static_cast<int64_t>(field);
  return argument(type, "batch_array", index, rows[index]);
}

//===--- Buffers ------------------------------------------------------------------------------===//

Value SegmentLowering::outputFor(Value tensor) {
  Value final = finalValue(tensor);
  if (final.getType() != tensor.getType())
    return {};
  auto result = cast<plx::ReturnOp>(segment.getBody().front().getTerminator());
  for (auto [index, value] : llvm::enumerate(result.getValues()))
    if (value == final)
      return outputs[index];
  return {};
}

Value SegmentLowering::allocate(Value tensor, ValueRange sizes) {
  if (Value output = outputFor(tensor)) {
    bind(tensor, output);
    return output;
  }
  auto type = memrefOf(tensor.getType());
  SmallVector<Value> extents(sizes);
  if (extents.empty() && !type.hasStaticShape()) {
    auto symbol = plx::sizeSymbol(tensor);
    extents.push_back(size(symbol.value_or(plx::SizeSymbol::Tokens)));
  }
  Value memref = allocate(type, extents);
  bind(tensor, memref);
  return memref;
}

Value SegmentLowering::allocateLike(Value tensor, Value like) {
  if (cast<RankedTensorType>(tensor.getType()).hasStaticShape())
    return allocate(tensor);
  return allocate(tensor, rows(tensor.getLoc(), buffer(like)));
}

Value SegmentLowering::allocate(MemRefType type, ValueRange sizes) {
  return memref::AllocOp::create(body, segment.getLoc(), type, sizes);
}

bool SegmentLowering::isTemporary(Value memref) {
  return memref.getDefiningOp<memref::AllocOp>() || llvm::is_contained(outputs, memref);
}

Value SegmentLowering::contiguous(Location loc, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getLayout().isIdentity())
    return memref;
  SmallVector<Value> sizes;
  for (unsigned dim = 0; dim < type.getRank(); ++dim)
    if (type.isDynamicDim(dim))
      sizes.push_back(getValueOrCreateConstantIndexOp(body, loc, extentOf(memref, dim)));
  Value copy = allocate(MemRefType::get(type.getShape(), type.getElementType()), sizes);
  linalg::CopyOp::create(body, loc, memref, copy);
  return copy;
}

Value SegmentLowering::asMatrix(Location loc, Value memref, unsigned trailing) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() == 2)
    return memref;
  unsigned leading = type.getRank() - trailing;
  SmallVector<ReassociationIndices> groups(2);
  for (unsigned dim = 0; dim < type.getRank(); ++dim)
    groups[dim < leading ? 0 : 1].push_back(dim);
  if (!memref::CollapseShapeOp::isGuaranteedCollapsible(type, groups))
    memref = contiguous(loc, memref);
  return memref::CollapseShapeOp::create(body, loc, memref, groups);
}

Value SegmentLowering::rows(Location loc, Value memref) {
  if (OpFoldResult extent = extentOf(memref, 0))
    return getValueOrCreateConstantIndexOp(body, loc, extent);
  // Leading dimensions made one, only the first of them dynamic: arithmetic of the call's sizes.
  auto view = memref.getDefiningOp<memref::CollapseShapeOp>();
  if (view && view.getSrcType().isDynamicDim(0) && view.getSrcType().getNumDynamicDims() == 1) {
    int64_t others = 1;
    SmallVector<ReassociationIndices> axes = view.getReassociationIndices();
    for (int64_t dim : ArrayRef(axes.front()).drop_front())
      others *= view.getSrcType().getDimSize(dim);
    return arith::MulIOp::create(body, loc, rows(loc, view.getSrc()), indexConstant(loc, others),
                                 arith::IntegerOverflowFlags::nsw);
  }
  return memref::DimOp::create(body, loc, memref, 0);
}

Value SegmentLowering::constant(Location loc, DenseElementsAttr value) {
  Value &known = sharedValues[value];
  if (known)
    return known;
  auto type = MemRefType::get(value.getType().getShape(), value.getElementType());
  std::string name = ("constant_" + segment.getName() + "_" + Twine(sharedValues.size())).str();
  OpBuilder top = OpBuilder::atBlockBegin(module().getBody());
  memref::GlobalOp::create(top, loc, name, top.getStringAttr("private"), type, value, true,
                           top.getI64IntegerAttr(64));
  OpBuilder start = OpBuilder::atBlockBegin(&function.getBody().front());
  return known = memref::GetGlobalOp::create(start, loc, type, name);
}

//===--- Other values -------------------------------------------------------------------------===//

Value SegmentLowering::indexConstant(Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(body, loc, value);
}

Value SegmentLowering::status() {
  if (statusBuffer)
    return statusBuffer;
  OpBuilder start = OpBuilder::atBlockBegin(&function.getBody().front());
  Location loc = segment.getLoc();
  statusBuffer = memref::AllocaOp::create(start, loc, MemRefType::get({}, start.getI32Type()));
  Value zero = arith::ConstantIntOp::create(start, loc, 0, 32);
  memref::StoreOp::create(start, loc, zero, statusBuffer, ValueRange());
  return statusBuffer;
}

void SegmentLowering::emitParallel(int64_t work, function_ref<void()> emit, int64_t manyRows) {
  Block *block = body.getInsertionBlock();
  Block::iterator place = body.getInsertionPoint(); // In a branch, ahead of its terminator.
  Operation *last = place == block->begin() ? nullptr : &*std::prev(place);
  emit();
  auto first = last ? std::next(last->getIterator()) : block->begin();
  for (Operation &op : llvm::make_range(first, body.getInsertionPoint()))
    op.walk([&](scf::ParallelOp loop) {
      auto branch = loop->getParentOfType<scf::IfOp>();
      bool many = branch && branch.getThenRegion().isAncestor(loop->getParentRegion());
      if (!loop->hasAttr(kWorkAttr))
        loop->setAttr(kWorkAttr, body.getI64IntegerAttr(many ? work * manyRows : work));
    });
}

void SegmentLowering::report(Operation *op, StringRef form, const Twine &why) {
  addReportRow(function, op, form, why);
}

LogicalResult SegmentLowering::lowerReturn(plx::ReturnOp op) {
  Location loc = op.getLoc();
  for (auto [value, output] : llvm::zip(op.getValues(), outputs))
    if (buffer(value) != output)
      linalg::CopyOp::create(body, loc, buffer(value), output);
  // Every segment has these, whatever it uses.
  host();
  argument(MemRefType::get({ShapedType::kDynamic}, body.getI8Type()), "scratch");
  Value code = statusBuffer ? memref::LoadOp::create(body, loc, statusBuffer, ValueRange())
                            : arith::ConstantIntOp::create(body, loc, 0, 32).getResult();
  func::ReturnOp::create(body, loc, code);
  return success();
}

} // namespace plexus::compiler
