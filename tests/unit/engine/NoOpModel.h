// A model that does nothing: it keeps lengths and hands out the same row again and again. What a
// step costs with it is what the engine costs.
#pragma once

#include "runtime/engine/GenerationTypes.h"
#include "runtime/exec/Results.h"

namespace plexus::test {

class NoOpBackend final : public ForwardBackend {
public:
  explicit NoOpBackend(int64_t vocabSize) : logits_(static_cast<size_t>(vocabSize)) {
    info_ = {"no-op", "no-op", vocabSize, 0, 1, 1};
    // Some spread, so that samplers have something to do; the best is id 1.
    for (size_t i = 0; i < logits_.size(); ++i)
      logits_[i] = static_cast<float>(i * 2654435761u % 100003) * 1e-4f;
    logits_[1] = 11;
  }
  ~NoOpBackend() override { pool_->close(); }
  const BackendInfo &info() const override { return info_; }
  Expected<SequenceId> openSequence() override { return static_cast<SequenceId>(++opened_); }
  Status closeSequence(SequenceId) override { return Status::ok(); }
  Expected<SequenceId> fork(SequenceId) override { return static_cast<SequenceId>(++opened_); }
  Expected<int64_t> length(SequenceId) const override { return int64_t(0); }
  Expected<int64_t> pending(SequenceId) const override { return int64_t(0); }
  Status truncate(SequenceId, int64_t) override { return Status::ok(); }
  Status commit(SequenceId, std::span<const int32_t>) override { return Status::ok(); }
  Expected<SnapshotId> snapshot(SequenceId) override { return SnapshotId::None; }
  Status restore(SequenceId, SnapshotId) override { return Status::ok(); }
  Status dropSnapshot(SnapshotId) override { return Status::ok(); }
  void forward(std::span<const ForwardRequest> requests,
               std::span<ForwardOutcome> outcomes) override {
    const int64_t rows[] = {1}, widths[] = {info_.vocabSize};
    for (size_t i = 0; i < requests.size(); ++i) {
      Result *result = pool_->take();
      ResultRef reference(result);
      const auto wants = requests[i].wants.first(std::min<size_t>(1, requests[i].wants.size()));
      ResultWriter::layOut(*result, wants, {rows, wants.size()}, {widths, wants.size()});
      for (const Want &want : wants)
        ResultWriter::write(*result, 0, want, 0, DType::F32, logits_.data(), info_.vocabSize);
      outcomes[i].status = Status::ok();
      outcomes[i].result = std::move(reference);
    }
  }
  bool hasCapability(std::string_view) const override { return false; }
  Status setOption(std::string_view key, std::string_view) override {
    return error(Code::Unsupported) << "no option '" << key << "'";
  }

private:
  BackendInfo info_;
  std::vector<float> logits_;
  ResultPool *pool_ = ResultPool::create();
  uint64_t opened_ = 0;
};

} // namespace plexus::test
