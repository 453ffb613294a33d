//===- Options.h - choices that a user has over compilation -----------------------------*- C++
//-*-===//
// Options of the pipelines, and what they report.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_OPTIONS_H
#define PLEXUS_PASSES_OPTIONS_H

#include <string>
#include <vector>

namespace plexus::compiler {

/// How products with more rows than the streaming form takes are computed.
enum class Products {
  Auto,      ///< the cost table of LowerProducts.cpp
  Generated, ///< generated loops on every ISA
  OneDnn     ///< oneDNN wherever it runs the weight's layout
};
/// How activations enter products.
enum class Compute { Auto, F32, Bf16, Int8 };

/// Options of the target-independent passes.
struct ModelOptions {
  /// How packed weights are stored: "source" or a form as PackedForm spells it ("bf16", "q4:64").
  std::string weights = "source";
  /// Exceptions: "pattern=form" or "pattern@layers=form" with commas between.
  std::string keep;
  /// Forms that were found to fit (compiler/choose), spelled likewise; exceptions go before them.
  std::string chosen;
  /// How keys and values are kept: f32, bf16, int8, int4; auto is bf16 where products have weights
  /// of fewer than 32 bits.
  std::string kv = "auto";
  /// Weights whose inputs calibration has given a fixed range (plx-quantize-activations).
  std::vector<std::string> measured;
  /// Whether what products read is tapped (plx-probe-products).
  bool probes = false;
};

/// Which ops are lowered through their decompositions.
enum class Decompositions {
  Needed, ///< those without an emitter
  All     ///< every op that has one: slow, what the emitters are tested against
};

/// Options of the lowering to CPU code.
struct CpuOptions {
  Products products = Products::Auto;
  Compute compute = Compute::Auto;
  Decompositions decompose = Decompositions::Needed;
  bool marks = false; ///< Code that tells the host which op begins (plx_host::mark).
};

/// One line of `--report`: which form an op of a segment was given, and why.
struct ReportRow {
  std::string segment, op, location, target, why;
};

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_OPTIONS_H
