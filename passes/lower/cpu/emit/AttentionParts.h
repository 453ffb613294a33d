// What the emitter of attention is made of: softmaxes under way, what tokens see, and the products
// of a work item's rows with pages.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTIONPARTS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTIONPARTS_H

#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/KvPages.h"

namespace plexus::emit {

/// Pages whose scores are made before their softmax: what is done once for them is the largest
/// score, the correction of sums, and the reading of their values.
constexpr int64_t kStepPages = 4;
constexpr int64_t kStepSlots = kStepPages * kPageTokens;

//===--- Softmaxes under way ---===//

/// For each row of some kind: memrefs of f32.
struct Softmaxes {
  mlir::Value largest; ///< [rows]
  mlir::Value sums;    ///< [rows][lanes] partial sums of exponentials
  mlir::Value outputs; ///< [rows][valueDim], not yet normalised
};

/// What is done with them. Rows are of type index.
class SoftmaxRows {
public:
  SoftmaxRows(const Code &code, const Isa &isa, int64_t valueDim)
      : code(code), lanes(isa.lanes()), valueDim(valueDim) {}

  Softmaxes onStack(int64_t rows) const;
  void clear(const Softmaxes &rows, mlir::Value row) const;
  /// total[row] takes in part[partRow].
  void merge(const Softmaxes &total, mlir::Value row, const Softmaxes &part,
             mlir::Value partRow) const;
  /// Takes in that the largest score is `now`, no less than before, and `added` ([lanes]) to the
  /// sum.
  void grow(const Softmaxes &rows, mlir::Value row, mlir::Value now, mlir::Value added) const;
  /// {place, vector} of outputs[row] / sum, where a score `sink` (or null) adds to the sum alone.
  void finish(const Softmaxes &total, mlir::Value row, mlir::Value sink,
              llvm::function_ref<void(mlir::Value, mlir::Value)> store) const;

private:
  const Code &code;
  int64_t lanes, valueDim;
};

/// The larger of two f32 or vectors of them.
mlir::Value maximum(const Code &code, mlir::Value a, mlir::Value b);
/// Combines the lanes of a vector, halves first.
mlir::Value reduceLanes(const Code &code, mlir::Value vector,
                        llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);

//===--- What tokens see ---===//

/// The tokens [begin, end) of one sequence, and what they see of it. Sizes and slots are index.
struct AttentionSegment {
  mlir::Value sequence, begin, end;
  mlir::Value past, slots;      ///< committed slots; all slots that a token may see
  mlir::Value lowMin, lowMax;   ///< of the first visible slot
  mlir::Value highMin, highMax; ///< of the end of the visible slots; all below highMin are seen
  mlir::Value sealed; ///< of a state that seals: pages before it are read in their sealed form
};

class Visibility {
public:
  Visibility(const Code &code, const Isa &isa, const AttentionSpec &spec, const BatchFields &batch,
             bool hasState)
      : code(code), spec(spec), batch(batch), hasState(hasState), lanes(isa.lanes()) {}

  /// Room for so many tokens, on the stack.
  void allocate(int64_t tokens);
  /// Fills in what depends on the segment's tokens.
  void measure(AttentionSegment &segment);
  /// i1: whether some token does not see all of the page from slot `first` on.
  mlir::Value isPartial(const AttentionSegment &segment, mlir::Value first) const;
  /// For each token of the segment, number `local`, the vectors of i1 that hide slots of the page.
  using Hide = llvm::function_ref<void(mlir::Value local, llvm::ArrayRef<mlir::Value> hidden)>;
  void hide(const AttentionSegment &segment, mlir::Value first, Hide body);

private:
  std::pair<mlir::Value, mlir::Value> visibleRange(const AttentionSegment &segment,
                                                   mlir::Value token);
  void maskRange(mlir::Value local, mlir::Value first);
  void maskTree(const AttentionSegment &segment, mlir::Value first, mlir::Value token);
  mlir::Value hasTree();

  const Code &code;
  const AttentionSpec &spec;
  const BatchFields &batch;
  bool hasState;
  int64_t lanes;
  mlir::Value lows, highs; ///< [tokens] visible range of slots, index
  mlir::Value mask;        ///< [32] f32, negative: hidden
};

//===--- Products ---===//

/// Products of up to `maxRows` rows with pages. Where the state is bf16 and the instruction set
/// multiplies pairs of it, queries and the exponentials of scores are rounded to bf16 too; all sums
/// are f32.
class AttentionTiles {
public:
  AttentionTiles(const Code &code, const Isa &isa, const AttentionSpec &spec, int64_t maxRows);

  void allocate();
  const Softmaxes &rows() const { return softmaxes; }
  const SoftmaxRows &ops() const { return softmaxOps; }

  /// One page of one key head. `next`: what the memory will be asked for after it, or null.
  struct Keys {
    mlir::Value data; ///< !llvm.ptr; words [keyDim][32], or [keyDim / 2][32] of pairs
    mlir::Value next;
  };
  struct Values {
    mlir::Value data;   ///< !llvm.ptr; words [32][stride], or [16][stride] of pairs
    mlir::Value stride; ///< index, words
    mlir::Value next;
    mlir::Value slots; ///< index: of the page, those that may be seen
  };

  /// queries[row, entry..] = `vector`, scaled already.
  void storeQuery(mlir::Value row, mlir::Value entry, mlir::Value vector) const;
  /// Fills up the query where pairs need it.
  void padQuery(mlir::Value row) const;
  /// Rows [first, first + count): those of one key head, a multiple of a group.
  struct Rows {
    mlir::Value first, count;
  };
  /// scores[rows, column..column + 32] = queries K^T.
  void score(const Keys &keys, const Rows &rows, mlir::Value column) const;
  /// Scores that the vectors of i1 (of a page) tell of become -inf.
  void hide(mlir::Value row, mlir::Value column, llvm::ArrayRef<mlir::Value> hidden) const;
  /// Scores of columns [begin, end), whole pages, become e^(score - largest so far).
  void softmax(mlir::Value row, mlir::Value begin, mlir::Value end) const;
  /// outputs[rows] += e^scores[rows, column..] V.
  void addValues(const Values &values, const Rows &rows, mlir::Value column) const;

private:
  int64_t unit() const { return spec.form == KvForm::BF16 ? 2 : 1; } ///< entries of a word
  int64_t tileRows() const;
  int64_t tileVectors(int64_t rows, int64_t most) const;
  void scoreTile(const Keys &keys, mlir::Value few, int64_t rows, mlir::Value row,
                 mlir::Value column) const;
  void valueTiles(const Values &values, mlir::Value few, int64_t rows, mlir::Value row,
                  mlir::Value column) const;
  struct Columns {
    mlir::Value first;
    int64_t vectors, width;
  };
  void valueTile(const Values &values, mlir::Value few, int64_t rows, mlir::Value row,
                 mlir::Value column, const Columns &columns) const;
  /// tile[r] += row r's factor `part` of a word times words[v], all lanes.
  using Factor = llvm::function_ref<mlir::Value(int64_t row, int64_t part)>;
  void multiply(Code::Values &tile, llvm::ArrayRef<mlir::Value> words, int64_t rows, int64_t parts,
                Factor factor) const;
  mlir::Value factorWord(mlir::Value words, mlir::Value floats, mlir::Value place, int64_t part,
                         int64_t width) const;
  Code::Values loadWords(mlir::Value data, mlir::Value place, int64_t vectors, int64_t width) const;
  void prefetch(mlir::Value few, mlir::Value base, mlir::Value word, int64_t words) const;

  const Code &code;
  const Isa &isa;
  const AttentionSpec &spec;
  int64_t maxRows, lanes, group, queryWidth;
  bool dots; ///< pairs of bf16 are multiplied
  SoftmaxRows softmaxOps;
  Softmaxes softmaxes;
  mlir::Value queries;     ///< [rows][queryWidth] f32, or bf16 with `dots`
  mlir::Value queryWords;  ///< the same as i32
  mlir::Value scores;      ///< [rows][kStepSlots], then their exponentials
  mlir::Value weights;     ///< with `dots`: the exponentials as bf16
  mlir::Value weightWords; ///< the same as i32
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTIONPARTS_H
