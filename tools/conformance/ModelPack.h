// Running a model's conformance pack: a model directory and recorded cases of the reference.
#pragma once

#include "runtime/api/OpenModel.h"
#include "tools/conformance/Compare.h"

#include <nlohmann/json.hpp>

#include <functional>

namespace plexus::conformance {

/// A pack's folder, opened.
struct ModelPack {
  std::string path;
  std::shared_ptr<const TensorSource> tensors; ///< cases.safetensors
  OpenedModelPtr model;
};

/// One case of cases.json with what it is judged by.
struct ModelCase {
  const ModelPack &pack;
  const nlohmann::json &json;
  Tolerance tolerance;
  const TensorSource &tensors() const { return *pack.tensors; }
  /// The tensor key of an input or output; empty where the case has none of that name.
  std::string input(const char *name) const;
  std::string output(const char *name) const;
};

/// Runs one case of a kind; an error where it cannot be run. Adds differences to the result.
using CaseRunner = Status (*)(const ModelCase &c, CaseResult &result);

/// A run of named tensors: "forward", and every kind of pack that is one (kalman, hmm, forecast,
/// filter, retrieval, ...), whole or, with `pieces`, in chunks.
Status runForward(const ModelCase &c, CaseResult &result);
Status runGreedy(const ModelCase &c, CaseResult &result);
Status runBeam(const ModelCase &c, CaseResult &result);
Status runSampleLogits(const ModelCase &c, CaseResult &result);
/// Fed hop by hop through a stream.
Status runStream(const ModelCase &c, CaseResult &result);
/// Tokens of each row: those of the output "tokens" ahead of the first -1.
Status runCtc(const ModelCase &c, CaseResult &result);
/// Optional: run where the model has a schedule of the case's name or kind.
Status runInternal(const ModelCase &c, CaseResult &result);

/// Compares outputs by their names in the case: floats by its tolerance, whole numbers exactly.
/// `looseBatch`: a batch of one may be absent from the shape.
Status compareOutputs(const ModelCase &c, const std::vector<NamedTensor> &outputs, bool looseBatch,
                      CaseResult &result);

/// Opens the pack's model with `options` and runs its cases one by one, handing out each result as
/// it is there; `onResult` returns false to stop. With `norm` > 0 only forward and chunked runs,
/// whose floats are judged by it (Tolerance). An error where the pack itself cannot be read.
Status runModelPack(const std::string &path, const OpenOptions &options, double norm,
                    const std::function<bool(const CaseResult &)> &onResult);

} // namespace plexus::conformance
