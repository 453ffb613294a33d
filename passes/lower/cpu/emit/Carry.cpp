// Recurrences over the tokens of a batch: where their states come from and go to.
#include "passes/lower/cpu/emit/Carry.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/lower/cpu/emit/KvPages.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// This state's part of the slot that `array` names for `token`.
struct Slot {
  Value absent; ///< i1
  Value start;  ///< meaningless where absent
};

Slot slotOf(const Code &code, const CarryFields &fields, Value array, Value token) {
  Value pointer = loadPointer(code.builder, code.loc, array, token);
  return {isNull(code.builder, code.loc, pointer),
          byteOffset(code.builder, code.loc, pointer, fields.layerOffset)};
}

/// Prefetches the line of an element.
void askFor(const Code &code, const Slot &slot, Value element) {
  code.make<LLVM::Prefetch>(elementAddress(code, slot.start, element), /*rw=*/0, /*hint=*/3,
                            /*cache=*/1);
}

/// Tokens [begin, end) of a sequence.
std::pair<Value, Value> bordersOf(const Code &code, const CarryFields &fields, Value sequence) {
  auto border = [&](Value number) {
    return loadI32(code.builder, code.loc, fields.batch.tokenBegin, number);
  };
  return {border(sequence), border(code.add(sequence, 1))};
}

/// Whether [begin, end) is one token, where that makes a difference.
Value isAlone(const Code &code, const CarryFields &fields, Value begin, Value end) {
  if (!fields.streams)
    return {};
  return code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, code.sub(end, begin), code.index(1));
}

/// Emits stores to a slot: `put` gets how a vector is stored.
using Store = llvm::function_ref<void(Value value, Value address)>;
void storing(const Code &code, const CarryFields &fields, const Slot &slot, Value alone,
             llvm::function_ref<void(Store)> put) {
  auto plain = [&] { put([&](Value value, Value address) { storeAt(code, value, address); }); };
  if (!fields.streams || !alone)
    return plain();
  constexpr int64_t kLine = 64;
  Value address = code.make<LLVM::PtrToIntOp>(code.builder.getI64Type(), slot.start);
  Value aligned = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                           code.rem(code.toIndex(address), kLine), code.index(0));
  code.ifElse(
      code.make<arith::AndIOp>(alone, aligned),
      [&] {
        put([&](Value value, Value address) {
          int64_t bytes = cast<VectorType>(value.getType()).getNumElements() * sizeof(float);
          code.make<LLVM::StoreOp>(value, address, /*alignment=*/std::min(bytes, kLine),
                                   /*isVolatile=*/false, /*isNonTemporal=*/true);
        });
      },
      plain);
}

/// Emits stores to the slot that the state is left in after `token`, where there is one.
void storeTo(const Code &code, const CarryFields &fields, Value token, Value alone,
             llvm::function_ref<void(Value start, Store put)> body) {
  if (!fields.layerOffset)
    return;
  Slot slot = slotOf(code, fields, fields.batch.carryTo, token);
  code.ifElse(
      slot.absent, [] {},
      [&] { storing(code, fields, slot, alone, [&](Store put) { body(slot.start, put); }); });
}

/// A block between its buffer and the slots of the batch.
struct BlockMover {
  const Code &code;
  const CarryFields &fields;
  const CarryBlock &block;

  void clear() const {
    forRows([&](Value, Value place) {
      code.storeVector(code.constant(block.type, 0), block.buffer, {place});
    });
  }
  void load(Value token) const {
    if (!fields.layerOffset)
      return;
    Slot slot = slotOf(code, fields, fields.batch.carryFrom, token);
    code.ifElse(
        slot.absent, [] {},
        [&] {
          forRows([&](Value element, Value place) {
            Value loaded = loadAt(code, block.type, elementAddress(code, slot.start, element));
            code.storeVector(loaded, block.buffer, {place});
            prefetch(slot, element);
          });
        });
  }
  void store(Value token, Value alone = {}) const {
    storeTo(code, fields, token, alone, [&](Value start, Store put) {
      forRows([&](Value element, Value place) {
        put(code.loadVector(block.type, block.buffer, {place}),
            elementAddress(code, start, element));
      });
    });
  }

private:
  void prefetch(const Slot &slot, Value element) const {
    if (!block.ahead || !fields.streams)
      return;
    Value next = code.add(element, block.ahead);
    constexpr int64_t kLine = 16;
    for (int64_t i = 0; i < block.type.getNumElements(); i += kLine)
      askFor(code, slot, code.add(next, i));
  }
  void forRows(llvm::function_ref<void(Value element, Value place)> body) const {
    code.loop(0, block.rows, 1, [&](Value row) {
      body(code.add(block.element, code.mul(row, block.stride)), code.mul(row, block.lanes));
    });
  }
};

/// Calls `body` with the number of each element of a static memref.
void forElements(const Code &code, Value memref, llvm::function_ref<void(Value, ValueRange)> body) {
  llvm::ArrayRef<int64_t> shape = cast<MemRefType>(memref.getType()).getShape();
  code.loop(0, ShapedType::getNumElements(shape), 1, [&](Value element) {
    Code::Values indices(shape.size());
    Value rest = element;
    for (size_t axis = shape.size(); axis-- > 0; rest = code.div(rest, shape[axis]))
      indices[axis] = code.rem(rest, shape[axis]);
    body(element, indices);
  });
}

/// i1: whether a sequence begins at `token`, or with `reverse` ends there.
Value isBorder(const Code &code, const BatchFields &batch, Value token, bool reverse) {
  Value sequence = loadI32(code.builder, code.loc, batch.sequence, token);
  Value border =
      reverse
          ? code.add(loadI32(code.builder, code.loc, batch.tokenBegin, code.add(sequence, 1)), -1)
          : loadI32(code.builder, code.loc, batch.tokenBegin, sequence);
  return code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, border, token);
}

/// The first token of the sequence of `token`, and its last one.
Value firstOf(const Code &code, const BatchFields &batch, Value token) {
  Value sequence = loadI32(code.builder, code.loc, batch.sequence, token);
  return loadI32(code.builder, code.loc, batch.tokenBegin, sequence);
}
Value lastOf(const Code &code, const BatchFields &batch, Value token) {
  Value sequence = loadI32(code.builder, code.loc, batch.sequence, token);
  return code.add(loadI32(code.builder, code.loc, batch.tokenBegin, code.add(sequence, 1)), -1);
}

} // namespace

CarryFields loadCarry(OpBuilder &builder, Location loc, Value batch, Value state) {
  CarryFields fields{loadBatch(builder, loc, batch), {}};
  if (state) {
    Code code{builder, loc};
    Value place = byteOffset(builder, loc, state, code.index(offsetof(plx_kv, layer_offset)));
    fields.layerOffset = code.toIndex(code.make<LLVM::LoadOp>(builder.getI64Type(), place));
  }
  return fields;
}

Code::Values loadPieces(const Code &code, const CarryFields &fields, Value token,
                        llvm::ArrayRef<CarryPiece> pieces, ValueRange last) {
  if (!fields.layerOffset)
    return Code::Values(last);
  Slot slot = slotOf(code, fields, fields.batch.carryFrom, token);
  return code.ifElse(
      slot.absent, last.getTypes(), [&] { return Code::Values(last); },
      [&] {
        Code::Values loaded;
        for (const CarryPiece &piece : pieces)
          loaded.push_back(
              loadAt(code, piece.type, elementAddress(code, slot.start, piece.element)));
        return loaded;
      });
}

void storePieces(const Code &code, const CarryFields &fields, Value token,
                 llvm::ArrayRef<CarryPiece> pieces, ValueRange next, Value alone) {
  storeTo(code, fields, token, alone, [&](Value start, Store put) {
    for (auto [piece, value] : llvm::zip(pieces, next))
      put(value, elementAddress(code, start, piece.element));
  });
}

void prefetchPieces(const Code &code, const CarryFields &fields, Value sequence,
                    llvm::ArrayRef<CarryPiece> pieces, Value elements) {
  if (!fields.layerOffset)
    return;
  auto [begin, end] = bordersOf(code, fields, sequence);
  code.ifThen(code.less(begin, end), [&, begin = begin] {
    Slot slot = slotOf(code, fields, fields.batch.carryFrom, begin);
    code.ifElse(
        slot.absent, [] {},
        [&] {
          for (const CarryPiece &piece : pieces)
            askFor(code, slot, code.add(piece.element, elements));
        });
  });
}

void forTokensOf(const Code &code, const CarryFields &fields, Value sequence,
                 llvm::ArrayRef<CarryPiece> pieces, bool reverse, CarryStep step) {
  auto [begin, end] = bordersOf(code, fields, sequence);
  Value alone = isAlone(code, fields, begin, end);
  Code::Values zeros;
  for (const CarryPiece &piece : pieces)
    zeros.push_back(code.constant(piece.type, 0));
  code.loop(begin, end, 1, zeros, [&, begin = begin, end = end](Value number, ValueRange last) {
    Value token =
        reverse ? code.sub(code.add(code.sub(end, number), begin), code.index(1)) : number;
    Code::Values next = step(token, loadPieces(code, fields, token, pieces, last));
    storePieces(code, fields, token, pieces, next, alone);
    return next;
  });
}

void forTokensInBlock(const Code &code, const CarryFields &fields, Value sequence,
                      const CarryBlock &block, bool reverse, BlockStep step) {
  auto [begin, end] = bordersOf(code, fields, sequence);
  Value alone = isAlone(code, fields, begin, end);
  BlockMover mover{code, fields, block};
  mover.clear();
  code.loop(begin, end, 1, [&, begin = begin, end = end](Value number) {
    Value token =
        reverse ? code.sub(code.add(code.sub(end, number), begin), code.index(1)) : number;
    mover.load(token);
    step(token);
    mover.store(token, alone);
  });
}

Value isChain(const Code &code, const CarryFields &fields, Value sequence, int64_t shortest) {
  auto [begin, end] = bordersOf(code, fields, sequence);
  auto flag = [&](bool value) -> Value {
    return code.make<arith::ConstantOp>(code.builder.getBoolAttr(value));
  };
  auto absent = [&](Value array, Value token) {
    return isNull(code.builder, code.loc, loadPointer(code.builder, code.loc, array, token));
  };
  // Pairs of neighbours: the first leaves nothing, the second starts from nothing else.
  auto follows = [&](Value token, ValueRange last) -> Code::Values {
    Value both =
        code.make<arith::AndIOp>(absent(fields.batch.carryFrom, token),
                                 absent(fields.batch.carryTo, code.sub(token, code.index(1))));
    return {code.make<arith::AndIOp>(last[0], both)};
  };
  Value isShort = code.less(code.sub(end, begin), code.index(shortest)), none = flag(false);
  return code
      .ifElse(
          isShort, none.getType(), [&] { return Code::Values{none}; },
          [&, begin = begin, end = end] {
            if (!fields.layerOffset)
              return Code::Values{flag(true)};
            return code.loop(code.add(begin, 1), end, 1, flag(true), follows);
          })
      .front();
}

void outsideChains(const Code &code, const CarryFields &fields, Value sequence, int64_t shortest,
                   llvm::function_ref<void()> body) {
  if (shortest == 0)
    return body();
  code.ifElse(isChain(code, fields, sequence, shortest), [] {}, body);
}

void forChunksInBlock(const Code &code, const CarryFields &fields, Value sequence,
                      const CarryBlock &block, int64_t size, ChunkStep step) {
  auto [begin, end] = bordersOf(code, fields, sequence);
  BlockMover mover{code, fields, block};
  mover.clear();
  mover.load(begin);
  code.loop(begin, end, size, [&, end = end](Value token) {
    step(token, code.min(code.sub(end, token), code.index(size)));
  });
  mover.store(code.sub(end, code.index(1)));
}

void forTokensInNumbers(const Code &code, const CarryFields &fields, Value sequence, Value buffer,
                        BlockStep step) {
  int64_t size = cast<MemRefType>(buffer.getType()).getDimSize(1);
  Type f64 = code.builder.getF64Type();
  auto border = [&](Value number) {
    return loadI32(code.builder, code.loc, fields.batch.tokenBegin, number);
  };
  auto forNumbers = [&](llvm::function_ref<void(Value number, VectorType type)> body) {
    code.pieces(size, 4, [&](Value number, VectorType floats) { body(number, floats.clone(f64)); });
  };
  auto inSlot = [&](Value array, Value token,
                    llvm::function_ref<void(Value address, Value number, VectorType type)> body) {
    if (!fields.layerOffset)
      return;
    Slot slot = slotOf(code, fields, array, token);
    code.ifElse(
        slot.absent, [] {},
        [&] {
          forNumbers([&](Value number, VectorType type) {
            body(elementAddress(code, slot.start, code.mul(number, 2)), number, type);
          });
        });
  };
  forNumbers([&](Value number, VectorType type) {
    code.storeVector(code.constant(type, 0), buffer, {sequence, number});
  });
  code.loop(border(sequence), border(code.add(sequence, 1)), 1, [&](Value token) {
    inSlot(fields.batch.carryFrom, token, [&](Value address, Value number, VectorType type) {
      code.storeVector(loadAt(code, type, address), buffer, {sequence, number});
    });
    step(token);
    inSlot(fields.batch.carryTo, token, [&](Value address, Value number, VectorType type) {
      storeAt(code, code.loadVector(type, buffer, {sequence, number}), address);
    });
  });
}

void loadCarryRow(const Code &code, const CarryFields &fields, Value token, Value memref, Value row,
                  int64_t lanes) {
  Slot slot = slotOf(code, fields, fields.batch.carryFrom, token);
  int64_t size = cast<MemRefType>(memref.getType()).getShape().back();
  code.ifElse(
      slot.absent, [] {},
      [&] {
        code.pieces(size, lanes, [&](Value column, VectorType type) {
          code.storeVector(loadAt(code, type, elementAddress(code, slot.start, column)), memref,
                           {row, column});
        });
      });
}

void storeCarryRow(const Code &code, const CarryFields &fields, Value token, Value memref,
                   Value row, int64_t lanes) {
  Slot slot = slotOf(code, fields, fields.batch.carryTo, token);
  int64_t size = cast<MemRefType>(memref.getType()).getShape().back();
  code.ifElse(
      slot.absent, [] {},
      [&] {
        code.pieces(size, lanes, [&](Value column, VectorType type) {
          storeAt(code, code.loadVector(type, memref, {row, column}),
                  elementAddress(code, slot.start, column));
        });
      });
}

void forChannelBlocks(const Code &code, Value sequences, int64_t channels, int64_t lanes,
                      int64_t vectors, ChannelBody body) {
  int64_t width = lanes * vectors, blocks = channels / width, done = blocks * width;
  if (blocks > 0) {
    llvm::SmallVector<VectorType> types(vectors, code.floats(lanes));
    code.parallel(code.mul(sequences, blocks), [&](Value item) {
      body(code.div(item, blocks), code.mul(code.rem(item, blocks), width), types);
    });
  }
  llvm::SmallVector<VectorType> rest;
  for (int64_t left = channels - done; left > 0; left -= lanes)
    rest.push_back(code.floats(std::min(left, lanes)));
  if (!rest.empty())
    code.parallel(sequences, [&](Value sequence) { body(sequence, code.index(done), rest); });
}

void emitCarryRead(OpBuilder &builder, Location loc, Value batch, Value state, Value token,
                   bool reverse, Value last, Value out) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, batch, state);
  auto keep = [&] {
    if (last != out)
      code.make<memref::CopyOp>(last, out);
  };
  auto load = [&](Value source) {
    Slot slot = slotOf(code, fields, fields.batch.carryFrom, source);
    code.ifElse(slot.absent, keep, [&] {
      forElements(code, out, [&](Value element, ValueRange indices) {
        Value value = code.make<LLVM::LoadOp>(builder.getF32Type(),
                                              elementAddress(code, slot.start, element));
        code.make<memref::StoreOp>(value, out, indices);
      });
    });
  };
  if (state && !reverse)
    return load(token);
  auto clear = [&] {
    Value zero = code.constant(builder.getF32Type(), 0);
    forElements(code, out,
                [&](Value, ValueRange indices) { code.make<memref::StoreOp>(zero, out, indices); });
  };
  auto start = [&] {
    clear();
    if (state)
      load(firstOf(code, fields.batch, token));
  };
  code.ifElse(isBorder(code, fields.batch, token, reverse), start, keep);
}

void emitCarryWrite(OpBuilder &builder, Location loc, Value batch, Value state, Value token,
                    bool reverse, Value value) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, batch, state);
  auto store = [&](Value target) {
    Slot slot = slotOf(code, fields, fields.batch.carryTo, target);
    code.ifElse(
        slot.absent, [] {},
        [&] {
          forElements(code, value, [&](Value element, ValueRange indices) {
            storeAt(code, code.loadScalar(value, indices),
                    elementAddress(code, slot.start, element));
          });
        });
  };
  if (!reverse)
    return store(token);
  Value isFirst = isBorder(code, fields.batch, token, /*reverse=*/false);
  code.ifThen(isFirst, [&] { store(lastOf(code, fields.batch, token)); });
}

Value loadFloats(const Code &code, VectorType type, Value memref, ValueRange indices) {
  Type element = getElementTypeOrSelf(memref.getType());
  Value loaded = code.loadVector(type.clone(element), memref, indices);
  return element.isF32() ? loaded : code.make<arith::ExtFOp>(type, loaded).getResult();
}

} // namespace plexus::emit
