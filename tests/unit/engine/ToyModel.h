// A model for tests: its logits are a hash of everything that a row sees, so that a wrong parent,
// commit or fork changes them, and its states obey the rules of the executor's.
#pragma once

#include "runtime/engine/GenerationTypes.h"
#include "runtime/exec/Results.h"

#include <functional>
#include <map>

namespace plexus::test {

struct ToyOptions {
  int64_t vocabSize = 32;
  int64_t context = 4096;
  uint64_t seed = 1;
  /// How much the whole history counts beside the last two ids. Small: text that repeats itself.
  float historyWeight = 0.1f;
  /// Noise on top that is the model's own: how a draft differs from its target.
  float ownWeight = 0;
  uint64_t ownSeed = 0;
};

/// The logits of a row that sees `history`, itself included.
std::vector<float> toyLogits(const ToyOptions &options, std::span<const int32_t> history);

class ToyBackend final : public ForwardBackend {
public:
  /// The logits of a row that sees a history, itself included.
  using Logits = std::function<std::vector<float>(std::span<const int32_t> history)>;

  explicit ToyBackend(const ToyOptions &options);
  ToyBackend(BackendInfo info, Logits logits)
      : info_(std::move(info)), logits_(std::move(logits)) {}
  ~ToyBackend() override;

  const BackendInfo &info() const override { return info_; }
  Expected<SequenceId> openSequence() override;
  Status closeSequence(SequenceId sequence) override;
  Expected<SequenceId> fork(SequenceId sequence) override;
  Expected<int64_t> length(SequenceId sequence) const override;
  Expected<int64_t> pending(SequenceId sequence) const override;
  Status truncate(SequenceId sequence, int64_t length) override;
  Status commit(SequenceId sequence, std::span<const int32_t> path) override;
  Expected<SnapshotId> snapshot(SequenceId sequence) override;
  Status restore(SequenceId sequence, SnapshotId snapshot) override;
  Status dropSnapshot(SnapshotId snapshot) override;
  void forward(std::span<const ForwardRequest> requests,
               std::span<ForwardOutcome> outcomes) override;
  bool hasCapability(std::string_view id) const override { return id == "state.truncate"; }
  Status setOption(std::string_view key, std::string_view value) override;

  size_t openSequences() const { return sequences_.size(); }
  size_t openSnapshots() const { return snapshots_.size(); }

  // What was asked of it.
  int64_t calls = 0, rows = 0;
  size_t mostRequests = 0, mostRows = 0; ///< Of one call.

private:
  struct Row {
    int32_t id, parent;
  };
  struct Sequence {
    std::vector<int32_t> committed;
    std::vector<Row> pending;
  };
  Expected<Sequence *> find(SequenceId id) const;
  ForwardOutcome run(const ForwardRequest &request);
  std::vector<int32_t> history(const Sequence &sequence, std::span<const Row> rows,
                               int32_t row) const;

  BackendInfo info_;
  Logits logits_;
  ResultPool *pool_ = ResultPool::create();
  std::map<SequenceId, std::unique_ptr<Sequence>> sequences_;
  std::map<SnapshotId, std::vector<int32_t>> snapshots_;
  uint64_t nextId_ = 1;
};

/// Letters for ids 0..25, "é" in two bytes for 26 and 27, a space for 28 and above; id 31 is
/// special.
class ToyCodec final : public TextCodec {
public:
  Expected<std::string> bytes(int32_t id) const override;
  Expected<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const override;
  Expected<std::string> decode(std::span<const int32_t> ids, bool skipSpecial) const override;
  std::optional<int32_t> specialId(std::string_view name) const override;
  std::unique_ptr<TextStream> stream() const override;
};

} // namespace plexus::test
