// What the runtime asks of the compiler, which lives in another library that is loaded only when
// something is to be compiled (libMLIR costs 50 ms and 100 MB).
#pragma once

#include "runtime/program/Program.h"
#include "runtime/support/Status.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct plx_graph;
struct plx_graph_api;

namespace plexus {

/// Choices of a compilation, as the command line names them. Unknown words are refused by name.
struct CompileChoices {
  std::string weights = "source"; ///< source, or a form as PackedForm spells it: bf16, q8, q4:64.
  /// Exceptions, "pattern=form" or "pattern@layers=form": lm_head*=q8, *down_proj*@0-3+29=q8.
  std::vector<std::string> keep;
  /// Bytes of the artifact ("300MB", "1.2GB"): forms are chosen to fit. Empty: `weights` says.
  std::string size;
  /// A text or a .safetensors file of inputs to calibrate on; empty: none.
  std::string calibrate;
  int64_t calibrateTokens = 4096;      ///< Of a text, at most.
  std::string rounding = "compensate"; ///< nearest, importance, compensate: with calibration.
  /// mse, minmax, percentile:99.9: which values the scales of rounded weights, and of calibrated
  /// activations, have to reach.
  std::string ranges = "mse";
  std::string kv = "auto";       ///< auto, f32, bf16, int8, int4: how keys and values are kept.
  std::string compute = "auto";  ///< auto, f32, bf16, int8: how activations enter products.
  /// dynamic (rounded row by row, in groups), static (one scale for each product, measured by the
  /// calibration): activations of 8 bits.
  std::string activations = "dynamic";
  std::string products = "auto"; ///< auto, generated, onednn: products with many rows.
  /// needed, all: which ops are lowered through their decompositions (all: slow, for comparison).
  std::string decompose = "needed";
  std::vector<std::string> isas; ///< x86-64-v3, avx512; empty: all (artifacts), the host's (cache).
  std::string cacheFolder;       ///< Empty: the default place.
  bool useCache = true;
};

/// How the work goes on: the phase ("compile", "pack"), and how much of it is done. False cancels.
using CompileProgress = std::function<bool(std::string_view phase, uint64_t done, uint64_t total)>;

/// What the product or convolution of a weight reads, as one 8-bit grid in each layer.
struct InputRange {
  std::string weight;
  double error;  ///< Relative, in the worst layer.
  bool isStatic; ///< Small enough that the grid is used; otherwise rows are rounded one by one.
};

/// How far a quantized model is from the same in f32, on the samples of a calibration.
struct QuantizationQuality {
  /// Relative error, |got - want| / |want|, of "hidden_states.0", ..., and the last outputs.
  std::vector<std::pair<std::string, double>> errors;
  std::vector<InputRange> inputs; ///< With static activations.
  int64_t tokens = 0; ///< Scored ids; 0: no causal language model on a text.
  double basePerplexity = 0, perplexity = 0;
};

/// What a compilation made and what it took.
struct CompileReply {
  std::vector<std::string> paths; ///< Files written.
  Program program;
  double compileSeconds = 0, packSeconds = 0;
  uint64_t codeBytes = 0, weightBytes = 0;
  bool codeCached = false, weightsCached = false;
  std::optional<QuantizationQuality> quality; ///< With a calibration.
};

/// A graph that a program builds with the functions of plx_graph_api (include/plexus/family.h).
class GraphBuild {
public:
  virtual ~GraphBuild() = default;
  virtual const plx_graph_api *api() const = 0;
  virtual plx_graph *graph() = 0;
  /// Ends the building and compiles just in time. Once.
  virtual Expected<std::shared_ptr<const ModelImage>> compile(const CompileChoices &choices,
                                                              const CompileProgress &progress) = 0;
};

/// MODEL is a Hugging Face directory, a GGUF file or a module's text (.mlir).
class CompilerService {
public:
  virtual ~CompilerService() = default;
  /// emit: "plx" (artifact), "lib" (shared library and C header), "obj" (relocatable objects).
  virtual Expected<CompileReply> compileToFile(const std::string &model, const std::string &emit,
                                               const std::string &output,
                                               const CompileChoices &choices,
                                               const CompileProgress &progress) = 0;
  /// The artifact in the cache, made if it is not there: CompileReply::paths[0].
  virtual Expected<CompileReply> compileThroughCache(const std::string &model,
                                                     const CompileChoices &choices,
                                                     const CompileProgress &progress) = 0;
  /// Compiled just in time, weights packed into memory.
  virtual Expected<std::shared_ptr<const ModelImage>>
  compileInMemory(const std::string &model, const CompileChoices &choices,
                  const CompileProgress &progress) = 0;
  /// Profiling code (runtime/profile/Profile.h) of an artifact's text, for ISA choices.isas[0] and
  /// as `choices` say, which should be the artifact's.
  virtual Expected<std::shared_ptr<const CodeModule>>
  profilingCode(const std::string &text, const CompileChoices &choices) = 0;
  /// The module as text after a pass; "import": as the front end made it.
  virtual Expected<std::string> printModule(const std::string &model, const std::string &afterPass,
                                            const CompileChoices &choices) = 0;
  /// `weights`: the .safetensors file of the graph's sources; empty where it has none.
  virtual Expected<std::unique_ptr<GraphBuild>> newGraph(const std::string &name,
                                                         const std::string &weights) = 0;
};

/// Name of the library beside the runtime's, and of the function in it that returns the service.
inline constexpr const char *kCompilerLibrary = "libplexus_frontends.so";
inline constexpr const char *kCompilerEntry = "plxCompilerService";
using CompilerEntry = CompilerService *(*)();

/// Loads the compiler once; NotFound where this installation has none.
Expected<CompilerService *> compilerService();

} // namespace plexus
