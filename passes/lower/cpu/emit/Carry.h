// Recurrences over the tokens of a batch: where their states come from and go to (carry_from and
// carry_to of runtime/abi/Call.h).
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CARRY_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CARRY_H

#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/Code.h"

namespace plexus::emit {

/// What a recurrence reads of the batch, loaded once where the emitter starts.
struct CarryFields {
  BatchFields batch;
  mlir::Value layerOffset; ///< bytes from a slot's start to this state's part; null: no state
  /// What a run of one token leaves goes past the caches: the states of all layers do not stay
  /// there until the next token, and a line that is written whole need not be read first. For
  /// pieces and blocks of whole vectors, that begin at multiples of one.
  bool streams = false;
};

/// `state` is an !llvm.ptr to the plx_kv of the state, or null: sequences start from zeros.
CarryFields loadCarry(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batch,
                      mlir::Value state);

/// A part of the state that one loop keeps in a register.
struct CarryPiece {
  mlir::Value element; ///< its place in the state, in elements
  mlir::VectorType type;
};

/// The pieces where `carry_from` says for `token`, or `last` where it names no slot.
Code::Values loadPieces(const Code &code, const CarryFields &fields, mlir::Value token,
                        llvm::ArrayRef<CarryPiece> pieces, mlir::ValueRange last);
/// Stores `next` where `carry_to` says for `token`, if anywhere. `alone`: whether the sequence has
/// no other token (i1), or null.
void storePieces(const Code &code, const CarryFields &fields, mlir::Value token,
                 llvm::ArrayRef<CarryPiece> pieces, mlir::ValueRange next, mlir::Value alone = {});

/// Asks the memory for the lines that pieces `elements` further on are in, where the sequence's
/// first token is loaded from, if from a slot: a step of one token waits for little else, and rows
/// that are far apart hide the order of reading from the memory's own prefetchers.
void prefetchPieces(const Code &code, const CarryFields &fields, mlir::Value sequence,
                    llvm::ArrayRef<CarryPiece> pieces, mlir::Value elements);

/// Calls `step` for each token of sequence `sequence` in order (with `reverse`, from the last one)
/// with the pieces of the state that the token starts from; the pieces that it returns are stored
/// where the batch says and are what the next token goes on from. Where the sequence's tokens lie
/// in the batch does not change a bit of any result.
using CarryStep = llvm::function_ref<Code::Values(mlir::Value token, mlir::ValueRange pieces)>;
void forTokensOf(const Code &code, const CarryFields &fields, mlir::Value sequence,
                 llvm::ArrayRef<CarryPiece> pieces, bool reverse, CarryStep step);

/// A part of the state that is too large for registers: `rows` vectors of `type`, `stride` elements
/// apart from `element` on. While a sequence runs they lie in `buffer`, a memref of f32, `lanes`
/// apart.
struct CarryBlock {
  mlir::Value element;
  int64_t stride, rows;
  mlir::VectorType type;
  mlir::Value buffer;
  int64_t lanes;
  mlir::Value ahead = {}; ///< Elements to the block that is next: it is asked for; or null.
};

/// As forTokensOf, with a block in place of pieces: `step` reads and writes its buffer.
using BlockStep = llvm::function_ref<void(mlir::Value token)>;
void forTokensInBlock(const Code &code, const CarryFields &fields, mlir::Value sequence,
                      const CarryBlock &block, bool reverse, BlockStep step);

/// Whether sequence `sequence` has `shortest` tokens or more, none of which but the first starts
/// from another state than its predecessor's, and none but the last leaves one: not so in draft
/// trees. i1.
mlir::Value isChain(const Code &code, const CarryFields &fields, mlir::Value sequence,
                    int64_t shortest);

/// `body` for sequences that are no chains of `shortest` tokens or more; for all where it is 0.
void outsideChains(const Code &code, const CarryFields &fields, mlir::Value sequence,
                   int64_t shortest, llvm::function_ref<void()> body);

/// The chunks of a chain, `size` tokens each, the last one what is left: `step` gets the first
/// token and the number of tokens, and turns what `block` holds before the chunk into what is
/// behind it.
using ChunkStep = llvm::function_ref<void(mlir::Value token, mlir::Value tokens)>;
void forChunksInBlock(const Code &code, const CarryFields &fields, mlir::Value sequence,
                      const CarryBlock &block, int64_t size, ChunkStep step);

/// As forTokensInBlock for a state that is numbers of f64, each kept as two f32: they lie in row
/// `sequence` of `buffer`, a memref [S, n] of f64.
void forTokensInNumbers(const Code &code, const CarryFields &fields, mlir::Value sequence,
                        mlir::Value buffer, BlockStep step);

/// Copies what `carry_from` names for `token` to row `row` of `memref` [.., n], n being the state's
/// elements; nothing where it names no slot.
void loadCarryRow(const Code &code, const CarryFields &fields, mlir::Value token,
                  mlir::Value memref, mlir::Value row, int64_t lanes);
/// The other way round, to where `carry_to` says.
void storeCarryRow(const Code &code, const CarryFields &fields, mlir::Value token,
                   mlir::Value memref, mlir::Value row, int64_t lanes);

/// A parallel loop over all sequences and blocks of `vectors` vectors of `lanes` of the channels
/// [0, channels); what is left is a block of its own, with a shorter vector at its end. Calls
/// `body` with the sequence, the first channel and the vectors' types.
using ChannelBody = llvm::function_ref<void(mlir::Value sequence, mlir::Value channel,
                                            llvm::ArrayRef<mlir::VectorType> types)>;
void forChannelBlocks(const Code &code, mlir::Value sequences, int64_t channels, int64_t lanes,
                      int64_t vectors, ChannelBody body);

/// Emits out = what token `token` starts from, as `plx.carry_read` says: `last` and `out` are
/// memrefs of one static f32 shape without gaps, which may be the same.
void emitCarryRead(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batch,
                   mlir::Value state, mlir::Value token, bool reverse, mlir::Value last,
                   mlir::Value out);

/// Emits the store of `value` where `carry_to` says for `token`.
void emitCarryWrite(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batch,
                    mlir::Value state, mlir::Value token, bool reverse, mlir::Value value);

/// `type`'s elements of `memref` (f32, or bf16 or f16, which are extended) from `indices` on, as
/// f32.
mlir::Value loadFloats(const Code &code, mlir::VectorType type, mlir::Value memref,
                       mlir::ValueRange indices);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CARRY_H
