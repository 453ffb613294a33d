#include "runtime/engine/SessionBackend.h"

#include "runtime/exec/Model.h"

#include <algorithm>
#include <array>

namespace plexus {
namespace {

class SessionBackend final : public ForwardBackend {
public:
  explicit SessionBackend(std::unique_ptr<Session> session) : session_(std::move(session)) {
    const ModelInfo &model = session_->model().program().model;
    const int64_t limit = session_->options().maxContext;
    info_ = {model.name,
             model.family,
             model.vocabSize,
             limit > 0 && (model.context == 0 || limit < model.context) ? limit : model.context,
             model.layers,
             model.hiddenSize};
  }

  const BackendInfo &info() const override { return info_; }
  Expected<SequenceId> openSequence() override { return session_->openSequence(); }
  Status closeSequence(SequenceId id) override { return session_->closeSequence(id); }
  Expected<SequenceId> fork(SequenceId id) override { return session_->fork(id); }
  Expected<int64_t> length(SequenceId id) const override { return session_->length(id); }
  Expected<int64_t> pending(SequenceId id) const override { return session_->pending(id); }
  Status truncate(SequenceId id, int64_t length) override { return session_->truncate(id, length); }
  Status commit(SequenceId id, std::span<const int32_t> path) override {
    return session_->commit(id, path);
  }
  Expected<SnapshotId> snapshot(SequenceId id) override { return session_->snapshot(id); }
  Status restore(SequenceId id, SnapshotId snapshot) override {
    return session_->restore(id, snapshot);
  }
  Status dropSnapshot(SnapshotId id) override { return session_->dropSnapshot(id); }
  void forward(std::span<const ForwardRequest> requests,
               std::span<ForwardOutcome> outcomes) override {
    session_->forward(requests, outcomes);
  }
  bool hasCapability(std::string_view id) const override {
    static constexpr std::array<std::string_view, 8> known = {
        "forward.rows",          "forward.layers", "forward.skip", "forward.positions",
        "forward.bidirectional", "want.hidden",    "want.tap",     "state.truncate"};
    return std::find(known.begin(), known.end(), id) != known.end();
  }
  Status setOption(std::string_view key, std::string_view) override {
    return error(Code::Unsupported)
           << "model '" << info_.name << "' has no run-time option '" << key << "'";
  }

private:
  std::unique_ptr<Session> session_;
  BackendInfo info_;
};

} // namespace

Expected<std::shared_ptr<EngineModel>> makeEngineModel(std::shared_ptr<const Model> model,
                                                       const SessionOptions &options,
                                                       std::shared_ptr<const TextCodec> codec) {
  PLX_ASSIGN(auto session, Session::create(std::move(model), options));
  auto engineModel = std::make_shared<EngineModel>();
  engineModel->backend = std::make_unique<SessionBackend>(std::move(session));
  engineModel->codec = std::move(codec);
  return engineModel;
}

} // namespace plexus
