//===- EncodeStates.cpp - how keys and values are kept ----------------------------------------===//
// Gives the states of attention their form.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringMap.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_ENCODESTATES
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

class EncodeStatesPass : public plexus::compiler::impl::EncodeStatesBase<EncodeStatesPass> {
public:
  using EncodeStatesBase::EncodeStatesBase;

  void runOnOperation() override {
    auto wanted = kv.getValue() == "auto" ? std::optional(byWeights())
                                          : plexus::kvFormFromName(std::string_view(kv.getValue()));
    if (!wanted) {
      emitError(getOperation().getLoc(), "kv is '")
          << kv.getValue() << "'; known are auto, f32, bf16, int8, int4";
      return signalPassFailure();
    }
    llvm::StringMap<attn::RopeAttr> ropes;
    if (*wanted == plexus::KvForm::Int4)
      ropes = keyRopes();
    auto encoded = [&](Type type, StringRef name) -> Type {
      auto state = dyn_cast<attn::KVType>(type);
      return state ? attn::KVType::get(&getContext(), state.getHeads(), state.getKeyDim(),
                                       state.getValueDim(), *wanted, ropes.lookup(name))
                   : type;
    };
    getOperation().walk(
        [&](plx::StateOp op) { op.setType(encoded(op.getType(), op.getSymName())); });
    getOperation().walk([&](plx::GetStateOp op) {
      op.getResult().setType(encoded(op.getResult().getType(), op.getState()));
    });
  }

private:
  /// Of each state, the rope that turns all keys on their way into it, and by frequencies that stay
  /// what they are: before it, keys of a channel lie closer together.
  llvm::StringMap<attn::RopeAttr> keyRopes() {
    llvm::StringMap<attn::RopeAttr> ropes;
    getOperation().walk([&](attn::KVWriteOp op) {
      auto state = op.getState().getDefiningOp<plx::GetStateOp>();
      if (!state)
        return;
      attn::RopeAttr rope = op.getRope().value_or(attn::RopeAttr());
      if (rope && rope.getOriginalContext())
        rope = {};
      auto [entry, isNew] = ropes.try_emplace(state.getState(), rope);
      if (!isNew && entry->second != rope)
        entry->second = {};
    });
    return ropes;
  }

  /// Keys and values come out of products: where those round, rounding to bf16 adds little.
  plexus::KvForm byWeights() {
    bool rounds = false;
    getOperation().walk([&](plx::WeightOp op) {
      plx::PackedAttr packed = plx::getPacked(op.getType());
      rounds |= packed && packed.getForm().values != plexus::PackedValues::F32;
    });
    return rounds ? plexus::KvForm::BF16 : plexus::KvForm::F32;
  }
};

} // namespace
