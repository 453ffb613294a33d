// Which weights of a checkpoint a model used: missing and unused ones are errors that list them
// all.
#pragma once

#include "runtime/io/TensorSource.h"

#include <set>

namespace plexus::frontends {

class WeightIndex {
public:
  explicit WeightIndex(std::shared_ptr<const TensorSource> source) : source_(std::move(source)) {}

  /// Null when there is none. Does not count as a use: a family may ask what a checkpoint has.
  const TensorView *find(std::string_view name) const { return source_->find(name); }
  /// The model needs this weight. Null, and remembered, when there is none.
  const TensorView *use(std::string_view name);
  /// Weights that may stay unused; '*' stands for any run of characters.
  void allowUnused(std::string_view pattern) { allowed_.emplace_back(pattern); }

  /// NotFound for missing weights, Mismatch for unused ones: all of both kinds in one message.
  Status check() const;
  const TensorSource &source() const { return *source_; }

private:
  std::shared_ptr<const TensorSource> source_;
  std::set<std::string, std::less<>> used_, missing_;
  std::vector<std::string> allowed_;
};

/// Whether `text` matches `pattern`, in which '*' stands for any run of characters.
bool matchesPattern(std::string_view text, std::string_view pattern);

} // namespace plexus::frontends
