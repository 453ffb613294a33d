// Comparing what was computed with what the reference gave.
#pragma once

#include "runtime/io/TensorSource.h"
#include "runtime/support/Status.h"
#include "runtime/tensor/Tensor.h"

#include <span>
#include <string>
#include <vector>

namespace plexus::conformance {

/// What became of one case. `difference` is empty where it passed, else says what was expected and
/// found, or why the case could not be run.
struct CaseResult {
  std::string name;
  std::string difference;
  std::string remark;      ///< What there is to say about a case that passed.
  double largestError = 0; ///< Largest |got - want|, or ||got - want|| / ||want||, of all compared.
  bool passed() const { return difference.empty(); }
  /// Adds a difference.
  void note(const std::string &what);
};

/// A number passes when |got - want| <= absolute + relative * |want|. With `norm`, a tensor passes
/// as a whole instead, when ||got - want|| <= norm * ||want|| (Euclidean).
struct Tolerance {
  double absolute = 0, relative = 0, norm = 0;
};

/// The numbers of a stored tensor as f32.
Expected<std::vector<float>> readFloats(const TensorSource &source, const std::string &key);
/// The numbers of a stored integer tensor [B, S], row by row. A vector [S] reads as one row.
Expected<std::vector<std::vector<int32_t>>> readRows(const TensorSource &source,
                                                     const std::string &key);
/// The tensor of that name, NotFound with the file's name where there is none.
Expected<const TensorView *> needTensor(const TensorSource &source, const std::string &key);

/// Compares got with want, element by element; where `mask` is not empty, only the rows whose mask
/// is not 0: element i belongs to row i / (size / mask.size()). Lists the worst element.
void compareFloats(const std::string &what, std::span<const float> got, std::span<const float> want,
                   std::span<const float> mask, const Tolerance &tolerance, CaseResult &result);
/// Token ids must be equal.
void compareIds(const std::string &what, std::span<const int32_t> got,
                std::span<const int32_t> want, CaseResult &result);

} // namespace plexus::conformance
