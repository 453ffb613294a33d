// Sealed pages (KvSealedLayout of runtime/state/KvForm.h) and keys kept before rope, as the pages
// of bf16 that attention multiplies.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KVSEALED_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KVSEALED_H

#include "passes/lower/cpu/emit/Attention.h"

namespace plexus::emit {

/// Makes a head of a page: keys or values as KvPartLayout has them for BF16 and one head, but
/// values in rows of the sealed layout's paddedValueDim(). All on the stack: what is made is
/// overwritten by the next. Addresses are !llvm.ptr, heads index.
class KvSealed {
public:
  /// `frequencies` are AttentionOperands'.
  KvSealed(const Code &code, const Isa &isa, const AttentionSpec &spec, mlir::Value frequencies)
      : code(code), isa(isa), lanes(isa.lanes()), spec(spec), layout(spec.sealed()),
        frequencies(frequencies) {}

  /// Inside a stackScope, before all others.
  void allocate();
  bool turns() const { return spec.keptRope.has_value(); }
  /// Takes up the positions of the page that starts at `page`: keys of any head turn by them. i1:
  /// whether it is a sealed one.
  void setPage(mlir::Value page, mlir::Value isSealed) const;
  /// Keys of a head of a sealed page, whose layer starts at `layer`.
  mlir::Value keys(mlir::Value layer, mlir::Value head) const;
  /// Keys of a head of another page, at `part`; only where keys turn.
  mlir::Value openKeys(mlir::Value part) const;
  mlir::Value values(mlir::Value layer, mlir::Value head) const;
  /// Asks for the memory of a head of a sealed page. The layer may be anywhere.
  void prefetchKeys(mlir::Value layer, mlir::Value head) const;
  void prefetchValues(mlir::Value layer, mlir::Value head) const;

  /// One entry (index) of a token's head as f32; keys as they are kept.
  mlir::Value keyElement(mlir::Value layer, mlir::Value head, mlir::Value token,
                         mlir::Value entry) const;
  mlir::Value valueElement(mlir::Value layer, mlir::Value head, mlir::Value token,
                           mlir::Value entry) const;

private:
  mlir::Value at(mlir::Value base, mlir::Value bytes) const;
  void prefetch(mlir::Value address, int64_t bytes) const;
  mlir::Value at(mlir::Value base, int64_t bytes) const { return at(base, code.index(bytes)); }
  mlir::Value loadHalf(mlir::Value address) const;
  mlir::Value bytesToFloats(mlir::Value bytes, bool isSigned) const;
  void loadKeyScales(mlir::Value part) const;
  void loadValueScales(mlir::Value part) const;
  /// {entries j.., entries 16 + j..} of 16 codes behind `codes`.
  std::pair<mlir::Value, mlir::Value> decode(mlir::Value codes, mlir::Value scale,
                                             mlir::Value low) const;
  void forOutliers(mlir::Value list, int64_t number,
                   llvm::function_ref<void(mlir::Value place, mlir::Value half)> body) const;
  mlir::Value element(mlir::Value codes, mlir::Value number, mlir::Value scale,
                      mlir::Value low) const;
  mlir::Value withOutliers(mlir::Value value, mlir::Value list, int64_t number,
                           mlir::Value place) const;
  void fillTable(llvm::ArrayRef<mlir::Value> positions, float factor, mlir::Value toCosines,
                 mlir::Value toSines) const;
  void fillSteps() const;
  void addSteps(mlir::Value first) const;
  mlir::Value loadRow(mlir::Value memref, mlir::Value entry, int64_t token) const;
  std::pair<mlir::Value, mlir::Value> turnRows(mlir::Value pair, mlir::Value first,
                                               mlir::Value second, int64_t token) const;
  void storeWords(mlir::Value number, int64_t token, mlir::Value low, mlir::Value high) const;
  void roundRows(int64_t first, int64_t end) const;
  mlir::Value turnKeys() const;
  mlir::Value roundKeys() const;
  mlir::Value joinHalves(mlir::Value low, mlir::Value high) const;
  mlir::Value row(mlir::Value entry, int64_t token) const;

  const Code &code;
  const Isa &isa;
  int64_t lanes;
  const AttentionSpec &spec;
  KvSealedLayout layout;
  mlir::Value frequencies;
  mlir::Value floats;                 ///< [keyDim, to even][32] keys under way
  mlir::Value scales, minima;         ///< f32 of a head's vectors
  mlir::Value cosines, sines;         ///< [dims / 2][32]
  mlir::Value stepCosines, stepSines; ///< the same by 0 to 31 positions
  mlir::Value halves, words;          ///< what is made, as i16 and as i32
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KVSEALED_H
