// What a compilation's results depend on, as SHA-256 keys.
#pragma once

#include "compiler/pack/Packer.h"
#include "compiler/program/ProgramBuilder.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plexus::compiler {

/// Version of the compiler, part of every key.
std::string_view compilerVersion();

/// Which build of it: the build ids of the compiler's libraries. Part of the code's key, so that a
/// changed compiler of the same version does not take over what it would make differently.
const std::string &compilerBuild();

/// SHA-256 in hex of pieces fed one after another; each is preceded by its length.
class KeyHasher {
public:
  KeyHasher();
  KeyHasher(const KeyHasher &) = delete;
  ~KeyHasher();
  KeyHasher &add(std::string_view piece);
  KeyHasher &add(const void *bytes, size_t size);
  std::string hex();

private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of the whole model after the graph passes: segments, schedules, recipes, states. Names of SSA
/// values, of the model and of weights, and locations do not count.
std::string functionalHash(mlir::plx::ModelOp model);

/// Of what the code depends on: the segments with the types of their weights and states, not how
/// often they run nor where weights come from, so that models of any depth share code. `options`
/// and the ISAs count, as do the version and build of the compiler and the calling convention.
std::string codeKey(mlir::plx::ModelOp model, std::span<const std::string> options,
                    std::span<const std::string> isas);

/// Of the packed weights: the source files' identities (contents for tensors in memory), the
/// recipes and the layout.
std::string weightsKey(mlir::plx::ModelOp model, const ProgramPlan &plan,
                       std::span<const std::shared_ptr<const TensorSource>> sources,
                       std::string_view rounding = "");

} // namespace plexus::compiler
