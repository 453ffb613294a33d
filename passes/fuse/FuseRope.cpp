//===- FuseRope.cpp - rotary positions join the attention that reads them ---------------------===//
// Moves attn.rope into the `rope` attribute of the KV write or attention that is its only user.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/attn/AttnOps.h"
#include "passes/Passes.h"
#include "passes/Report.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_FUSEROPE
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// The rope behind `value` if `user`'s op alone reads it, over the same batch.
attn::RopeOp joiningRope(Value value, Operation *user, Value batch) {
  auto rope = value ? value.getDefiningOp<attn::RopeOp>() : attn::RopeOp();
  bool joins =
      rope && rope->hasOneUse() && rope.getBatch() == batch && rope->getBlock() == user->getBlock();
  return joins ? rope : attn::RopeOp();
}

/// Hands `operand` what `rope` turned.
void bypass(OpOperand &operand, attn::RopeOp rope) {
  Operation *reader = operand.getOwner();
  reader->setLoc(plexus::compiler::joinedLocation(reader->getLoc(), rope,
                                                  "heads turn in registers as they are read"));
  operand.set(rope.getInput());
  rope.erase();
}

void fuse(attn::KVWriteOp op) {
  attn::RopeOp rope = joiningRope(op.getKey(), op, op.getBatch());
  if (!rope || op.getRope())
    return;
  op.setRopeAttr(rope.getRope());
  bypass(op.getKeyMutable(), rope);
}

void fuse(attn::AttentionOp op) {
  attn::RopeOp query = joiningRope(op.getQuery(), op, op.getBatch());
  if (!query || op.getRope())
    return;
  if (op.getState()) { // its keys turned when they were written
    op.setRopeAttr(query.getRope());
    return bypass(op.getQueryMutable(), query);
  }
  // One attribute turns both: they must agree.
  attn::RopeOp key = joiningRope(op.getKey(), op, op.getBatch());
  if (!key || key.getRope() != query.getRope())
    return;
  op.setRopeAttr(query.getRope());
  bypass(op.getQueryMutable(), query);
  bypass(op.getKeyMutable()[0], key);
}

class FuseRopePass : public plexus::compiler::impl::FuseRopeBase<FuseRopePass> {
public:
  void runOnOperation() override {
    SmallVector<Operation *> readers;
    getOperation().walk([&](Operation *op) {
      if (isa<attn::KVWriteOp, attn::AttentionOp>(op))
        readers.push_back(op);
    });
    for (Operation *op : readers)
      if (auto write = dyn_cast<attn::KVWriteOp>(op))
        fuse(write);
      else
        fuse(cast<attn::AttentionOp>(op));
  }
};

} // namespace
