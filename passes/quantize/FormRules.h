//===- FormRules.h - which weights have which form ----------------------------------------*- C++
//-*-===//
// The rules of `--keep` and of a chosen mixture, as passes and the driver read them.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_QUANTIZE_FORMRULES_H
#define PLEXUS_PASSES_QUANTIZE_FORMRULES_H

#include "dialects/plx/PlxOps.h"
#include "llvm/Support/GlobPattern.h"

#include <memory>
#include <optional>
#include <string>

namespace plexus::compiler {

/// On weights, while encodings are assigned: the layers that use it (plx-split-layers).
inline constexpr llvm::StringLiteral kLayersAttr = "plexus.layers";
/// In the name of a weight that plx-split-layers has taken apart: its layers follow.
inline constexpr llvm::StringLiteral kLayersSeparator = "@";

/// Layers as rules spell them: "0-3+29" is 0, 1, 2, 3 and 29.
class LayerSet {
public:
  static std::optional<LayerSet> parse(llvm::StringRef text);
  static LayerSet of(llvm::ArrayRef<int64_t> layers);
  bool contains(int64_t layer) const;
  std::string spelling() const;

private:
  llvm::SmallVector<std::pair<int64_t, int64_t>> spans; ///< First and last, ascending.
};

/// PATTERN=FORM or PATTERN@LAYERS=FORM.
struct FormRule {
  llvm::StringRef text, form;
  llvm::GlobPattern pattern;
  std::optional<LayerSet> layers;
  bool used = false;
};

/// Rules in their order; the first one that fits a weight decides.
class FormRules {
public:
  /// Reads rules with commas between; the message of what is wrong.
  static llvm::Expected<FormRules> read(llvm::StringRef text);

  /// The rule of a weight in one layer (-1: it is shared by all), or null. A pattern fits the
  /// weight's name or that of one of its source tensors.
  FormRule *find(mlir::plx::WeightOp weight, int64_t layer);
  /// The rule of a weight in the layers that use it, which plx-split-layers has made the same.
  FormRule *find(mlir::plx::WeightOp weight);

  bool haveLayers() const;
  llvm::SmallVector<FormRule> rules;

private:
  std::shared_ptr<const std::string> text; ///< What the rules' words and patterns are parts of.
};

/// The name that a weight had before it was taken apart.
inline llvm::StringRef nameOfAllLayers(llvm::StringRef weight) {
  auto [name, layers] = weight.rsplit(kLayersSeparator);
  return LayerSet::parse(layers) ? name : weight;
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_QUANTIZE_FORMRULES_H
