// Activation-aware scaling: columns whose inputs are large are stored larger, which makes their
// rounding errors smaller where they count most, and what feeds them is divided by the same factors
// (AWQ, arXiv:2306.00978). Both are done to the weights while they are packed: a norm's weight
// takes the division, so that it costs nothing when the model runs.
#pragma once

#include "compiler/program/ProgramBuilder.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace plexus::compiler {

/// By the weight's name in the program, and its layer (-1: shared by all).
using FactorMap = std::map<std::pair<std::string, int>, std::shared_ptr<const PackFactors>>;

/// Mean squares of the inputs of a weight's product, [K], or empty.
using FindImportance = std::function<std::vector<float>(const WeightInfo &)>;

/// Finds factors for products of fewer than 8 bits that read a norm nobody else reads: column k
/// gets (mean square of its input)^(a / 2), with the a of a grid for which the weighted square
/// error of sampled rows is least. Products whose blocks are kept as the file has them are left
/// alone, and the norms that they read.
Expected<FactorMap> findFactors(mlir::plx::ModelOp model, const ProgramPlan &plan,
                                const TensorSource &tensors, const FindImportance &importance,
                                const RangeRule &ranges);

} // namespace plexus::compiler
