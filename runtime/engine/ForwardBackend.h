// What the engine needs of a model and its states: a Session, or whatever else can run rows.
#pragma once

#include "runtime/exec/Forward.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plexus {

struct BackendInfo {
  std::string name, family;
  int64_t vocabSize = 0, context = 0, layers = 0, hiddenSize = 0;
};

/// One model with its sequences. Semantics, errors and checks are those of Session; used by the
/// engine's thread alone.
class ForwardBackend {
public:
  virtual ~ForwardBackend() = default;
  virtual const BackendInfo &info() const = 0;

  virtual Expected<SequenceId> openSequence() = 0;
  virtual Status closeSequence(SequenceId sequence) = 0;
  virtual Expected<SequenceId> fork(SequenceId sequence) = 0;
  virtual Expected<int64_t> length(SequenceId sequence) const = 0;
  virtual Expected<int64_t> pending(SequenceId sequence) const = 0;
  virtual Status truncate(SequenceId sequence, int64_t length) = 0;
  virtual Status commit(SequenceId sequence, std::span<const int32_t> path) = 0;
  virtual Expected<SnapshotId> snapshot(SequenceId sequence) = 0;
  virtual Status restore(SequenceId sequence, SnapshotId snapshot) = 0;
  virtual Status dropSnapshot(SnapshotId snapshot) = 0;
  virtual void forward(std::span<const ForwardRequest> requests,
                       std::span<ForwardOutcome> outcomes) = 0;

  /// Ids of plx_generation_api::has_capability that belong to the model.
  virtual bool hasCapability(std::string_view id) const = 0;
  /// Unsupported, naming the key, where the model has no such option.
  virtual Status setOption(std::string_view key, std::string_view value) = 0;
};

} // namespace plexus
