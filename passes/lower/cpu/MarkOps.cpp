//===- MarkOps.cpp - calls that tell the host which op begins ---------------------------------===//
// Ahead of each loop or call of a segment whose label (OpMarks.h) is not that of the one before it,
// calls plx_host::mark with the label as text (runtime/profile/OpText.h).
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/OpMarks.h"
#include "passes/lower/cpu/SegmentArgs.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_MARKOPS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

using Labels = llvm::SetVector<DictionaryAttr>;

void collectLabels(Location location, Labels &labels) {
  if (DictionaryAttr label = labelOf(location))
    labels.insert(label);
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      collectLabels(part, labels);
}

ArrayRef<int64_t> numbers(DictionaryAttr label, StringRef key) {
  auto values = label.getAs<DenseI64ArrayAttr>(key);
  return values ? values.asArrayRef() : ArrayRef<int64_t>();
}

/// One letter for each of kSizeSymbols.
constexpr char kRowLetters[] = "TSR1";

/// The text of ops that run as one: what some of them write and others read is not moved.
std::string textOf(const Labels &labels) {
  llvm::SetVector<StringRef> names;
  llvm::SetVector<int64_t> weights;
  llvm::MapVector<int64_t, std::pair<int64_t, int64_t>> read, written; // value: symbol, bytes
  std::string rest;
  llvm::raw_string_ostream out(rest);
  for (DictionaryAttr label : labels) {
    names.insert(label.getAs<StringAttr>(kLabelOp).getValue());
    for (int64_t weight : numbers(label, kLabelWeights))
      weights.insert(weight);
    for (auto [key, into] : {std::pair(kLabelReads, &read), {kLabelWrites, &written}})
      for (ArrayRef<int64_t> left = numbers(label, key); !left.empty(); left = left.drop_front(3))
        into->try_emplace(left[0], left[1], left[2]);
    if (auto each = numbers(label, kLabelMultiplies); !each.empty())
      out << " m" << kRowLetters[each[0]] << each[1];
    if (auto each = numbers(label, kLabelAttends); !each.empty())
      out << " a" << each[0] << ":" << each[1];
  }
  int64_t bytes[std::size(kSizeSymbols)] = {};
  for (auto [from, to] : {std::pair(&read, &written), {&written, &read}})
    for (auto &[value, moved] : *from)
      if (!to->contains(value))
        bytes[moved.first] += moved.second;
  for (int64_t weight : weights)
    out << " w" << weight;
  for (auto [letter, count] : llvm::zip(kRowLetters, bytes))
    if (count)
      out << " b" << letter << count;
  return llvm::join(names, "+") + rest;
}

class Marker {
public:
  explicit Marker(func::FuncOp function)
      : function(function), host(segmentArgument(function, "host")) {}

  void run() {
    if (host)
      mark(function.getBody().front());
  }

private:
  /// Branches are entered: products choose among forms by the number of rows.
  void mark(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto branch = dyn_cast<scf::IfOp>(op)) {
        const Labels before = last;
        for (Region &region : branch->getRegions())
          if (!region.empty()) {
            last = before;
            mark(region.front());
          }
        continue;
      }
      if (isWork(op))
        markOne(op);
    }
  }

  static bool isWork(Operation &op) {
    return isa<scf::ParallelOp, scf::ForOp, scf::WhileOp, LLVM::CallOp, func::CallOp>(op);
  }

  /// Constants and indices are left out: equal ones of several ops are one.
  static bool computes(Operation *op) {
    return !op->hasTrait<OpTrait::ConstantLike>() &&
           llvm::none_of(op->getResultTypes(), [](Type type) { return type.isIndex(); });
  }

  void markOne(Operation &op) {
    Labels labels;
    op.walk<WalkOrder::PreOrder>([&](Operation *inner) {
      if (computes(inner))
        collectLabels(inner->getLoc(), labels);
    });
    if (labels.empty() || labels == last)
      return;
    last = labels;
    OpBuilder b(&op);
    Location loc = op.getLoc();
    Value text = textAddress(b, loc, textOf(labels));
    Value self = call::loadHost(b, loc, host, call::HostField::Self);
    Value function = call::loadHost(b, loc, host, call::HostField::Mark);
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {pointer, pointer});
    LLVM::CallOp::create(b, loc, type, ValueRange{function, self, text});
  }

  /// The address of a constant of the module, zero-terminated.
  Value textAddress(OpBuilder &b, Location loc, std::string text) {
    auto module = function->getParentOfType<ModuleOp>();
    std::string name = (function.getName() + "_mark_" + Twine(static_cast<int64_t>(count++))).str();
    text.push_back('\0');
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(top, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                           top.getStringAttr(text));
    return LLVM::AddressOfOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), name);
  }

  func::FuncOp function;
  Value host;
  Labels last;
  unsigned count = 0;
};

class MarkOpsPass : public plexus::compiler::impl::MarkOpsBase<MarkOpsPass> {
public:
  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (isSegment(function))
        Marker(function).run();
  }
};

} // namespace
