// Keys of the compile cache. IR is printed in generic form after everything that may differ between
// equal models was renamed or taken out.
#include "compiler/cache/Keys.h"

#include "runtime/abi/Call.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

#ifndef PLEXUS_VERSION
#error "PLEXUS_VERSION is given by the build"
#endif

namespace plexus::compiler {

using namespace mlir;

struct KeyHasher::State {
  llvm::SHA256 sha;
};

KeyHasher::KeyHasher() : state_(std::make_unique<State>()) {}
KeyHasher::~KeyHasher() = default;

KeyHasher &KeyHasher::add(const void *bytes, size_t size) {
  uint64_t length = size;
  state_->sha.update({reinterpret_cast<const uint8_t *>(&length), sizeof(length)});
  state_->sha.update({static_cast<const uint8_t *>(bytes), size});
  return *this;
}

KeyHasher &KeyHasher::add(std::string_view piece) { return add(piece.data(), piece.size()); }

std::string KeyHasher::hex() { return llvm::toHex(state_->sha.final(), /*LowerCase=*/true); }

std::string_view compilerVersion() { return PLEXUS_VERSION; }

namespace {

/// Renames the symbols of one kind of op in order of declaration.
template <typename OpT>
void renameAll(plx::ModelOp model, llvm::StringRef prefix) {
  SymbolTable table(model);
  // Two rounds, since the final names may be taken at first.
  for (llvm::StringRef round : {"renaming.", ""})
    for (auto [i, op] : llvm::enumerate(llvm::to_vector(model.getOps<OpT>())))
      (void)table.rename(op, (round + prefix + llvm::Twine(i)).str());
}

/// A copy with the names of the model and its weights taken out; the module keeps it.
OwningOpRef<plx::ModelOp> canonicalCopy(plx::ModelOp model) {
  OwningOpRef<plx::ModelOp> copy(cast<plx::ModelOp>(model->clone()));
  copy->setSymName("model");
  renameAll<plx::WeightOp>(*copy, "w");
  return copy;
}

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out, OpPrintingFlags().printGenericOpForm().useLocalScope());
  return text;
}

std::string printAttribute(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

void addTensors(KeyHasher &hasher, const TensorSource &source) {
  auto files = source.files();
  for (const auto &file : files)
    hasher.add(file->identity());
  if (!files.empty())
    return;
  for (const std::string &name : source.names()) {
    const TensorView *view = source.find(name);
    hasher.add(name).add(view->encodingName()).add(shapeToString(view->shape));
    hasher.add(view->bytes, view->size);
  }
}

} // namespace

std::string functionalHash(plx::ModelOp model) {
  return KeyHasher().add(print(*canonicalCopy(model))).hex();
}

std::string codeKey(plx::ModelOp model, std::span<const std::string> options,
                    std::span<const std::string> isas) {
  OwningOpRef<plx::ModelOp> copy = canonicalCopy(model);
  for (auto schedule : llvm::to_vector(copy->getOps<plx::ScheduleOp>()))
    schedule.erase();
  for (auto weight : copy->getOps<plx::WeightOp>())
    weight.setRecipeAttr(plx::SourceAttr::get(copy->getContext(), ""));
  for (NamedAttribute attribute : llvm::to_vector((*copy)->getDiscardableAttrs()))
    (*copy)->removeDiscardableAttr(attribute.getName());
  KeyHasher hasher;
  hasher.add("code").add(compilerVersion()).add(compilerBuild());
  hasher.add(std::to_string(PLX_CALL_VERSION));
  for (const std::string &option : options)
    hasher.add(option);
  for (const std::string &isa : isas)
    hasher.add(isa);
  return hasher.add(print(*copy)).hex();
}

std::string weightsKey(plx::ModelOp model, const ProgramPlan &plan,
                       std::span<const std::shared_ptr<const TensorSource>> sources,
                       std::string_view rounding) {
  KeyHasher hasher;
  hasher.add("weights").add(compilerVersion()).add(rounding);
  for (const auto &source : sources)
    addTensors(hasher, *source);
  for (const PackJob &job : plan.jobs) {
    auto weight = model.lookupSymbol<plx::WeightOp>(job.info.name);
    hasher.add(printAttribute(weight.getRecipe()))
        .add(printAttribute(TypeAttr::get(weight.getType())));
    hasher.add(std::to_string(job.info.layer)).add(std::to_string(job.info.offset));
  }
  return hasher.hex();
}

} // namespace plexus::compiler
