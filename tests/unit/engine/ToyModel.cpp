#include "tests/unit/engine/ToyModel.h"

#include <algorithm>

namespace plexus::test {
namespace {

uint64_t mix(uint64_t x) { // SplitMix64's finaliser (Steele et al. 2014)
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

uint64_t hashIds(uint64_t seed, std::span<const int32_t> ids) {
  uint64_t hash = mix(seed);
  for (const int32_t id : ids)
    hash = mix(hash ^ static_cast<uint64_t>(id));
  return hash;
}

/// A number in [-1, 1).
float noise(uint64_t hash, int64_t id) {
  return static_cast<float>(
      static_cast<double>(mix(hash + static_cast<uint64_t>(id)) >> 11) * 0x1p-52 - 1);
}

} // namespace

std::vector<float> toyLogits(const ToyOptions &options, std::span<const int32_t> history) {
  const auto tail = history.subspan(history.size() - std::min<size_t>(2, history.size()));
  const uint64_t near = hashIds(options.seed, tail), far = hashIds(options.seed + 1, history),
                 own = hashIds(options.ownSeed + 2, history);
  std::vector<float> logits(static_cast<size_t>(options.vocabSize));
  for (int64_t id = 0; id < options.vocabSize; ++id)
    logits[static_cast<size_t>(id)] = 3 * noise(near, id) + options.historyWeight * noise(far, id) +
                                      options.ownWeight * noise(own, id);
  return logits;
}

ToyBackend::ToyBackend(const ToyOptions &options)
    : ToyBackend({"toy", "ngram", options.vocabSize, options.context, 1, 1},
                 [options](std::span<const int32_t> seen) { return toyLogits(options, seen); }) {}
ToyBackend::~ToyBackend() { pool_->close(); }

Expected<ToyBackend::Sequence *> ToyBackend::find(SequenceId id) const {
  const auto found = sequences_.find(id);
  if (found == sequences_.end())
    return error(Code::NotFound) << "no such sequence";
  return found->second.get();
}

Expected<SequenceId> ToyBackend::openSequence() {
  const auto id = static_cast<SequenceId>(nextId_++);
  sequences_[id] = std::make_unique<Sequence>();
  return id;
}

Status ToyBackend::closeSequence(SequenceId id) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  if (!sequence->pending.empty())
    return error(Code::InvalidArgument) << "rows are pending";
  sequences_.erase(id);
  return Status::ok();
}

Expected<SequenceId> ToyBackend::fork(SequenceId id) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  if (!sequence->pending.empty())
    return error(Code::InvalidArgument) << "rows are pending";
  PLX_ASSIGN(const SequenceId copy, openSequence());
  *sequences_[copy] = *sequence;
  return copy;
}

Expected<int64_t> ToyBackend::length(SequenceId id) const {
  PLX_ASSIGN(Sequence * sequence, find(id));
  return static_cast<int64_t>(sequence->committed.size());
}
Expected<int64_t> ToyBackend::pending(SequenceId id) const {
  PLX_ASSIGN(Sequence * sequence, find(id));
  return static_cast<int64_t>(sequence->pending.size());
}

Status ToyBackend::truncate(SequenceId id, int64_t length) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  const auto committed = static_cast<int64_t>(sequence->committed.size());
  if (length < 0 || length > committed + static_cast<int64_t>(sequence->pending.size()))
    return error(Code::InvalidArgument) << "length " << length << " is out of range";
  sequence->pending.resize(static_cast<size_t>(std::max<int64_t>(0, length - committed)));
  sequence->committed.resize(static_cast<size_t>(std::min(length, committed)));
  return Status::ok();
}

Status ToyBackend::commit(SequenceId id, std::span<const int32_t> path) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  int32_t parent = -1;
  for (const int32_t row : path) {
    if (row < 0 || row >= static_cast<int32_t>(sequence->pending.size()) ||
        sequence->pending[static_cast<size_t>(row)].parent != parent)
      return error(Code::InvalidArgument) << "row " << row << " is no child of row " << parent;
    parent = row;
  }
  for (const int32_t row : path)
    sequence->committed.push_back(sequence->pending[static_cast<size_t>(row)].id);
  sequence->pending.clear();
  return Status::ok();
}

Expected<SnapshotId> ToyBackend::snapshot(SequenceId id) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  if (!sequence->pending.empty())
    return error(Code::InvalidArgument) << "rows are pending";
  const auto snapshot = static_cast<SnapshotId>(nextId_++);
  snapshots_[snapshot] = sequence->committed;
  return snapshot;
}
Status ToyBackend::restore(SequenceId id, SnapshotId snapshot) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  const auto found = snapshots_.find(snapshot);
  if (found == snapshots_.end())
    return error(Code::NotFound) << "no such snapshot";
  *sequence = {found->second, {}};
  return Status::ok();
}
Status ToyBackend::dropSnapshot(SnapshotId snapshot) {
  return snapshots_.erase(snapshot) ? Status::ok() : Status(Code::NotFound, "no such snapshot");
}

Status ToyBackend::setOption(std::string_view key, std::string_view) {
  return error(Code::Unsupported) << "the toy has no option '" << key << "'";
}

std::vector<int32_t> ToyBackend::history(const Sequence &sequence, std::span<const Row> rows,
                                         int32_t row) const {
  std::vector<int32_t> path;
  for (; row >= 0; row = rows[static_cast<size_t>(row)].parent)
    path.insert(path.begin(), rows[static_cast<size_t>(row)].id);
  path.insert(path.begin(), sequence.committed.begin(), sequence.committed.end());
  return path;
}

ForwardOutcome ToyBackend::run(const ForwardRequest &request) {
  auto found = find(request.sequence);
  if (!found)
    return {found.status(), {}};
  Sequence &sequence = **found;
  std::vector<Row> all = sequence.pending;
  const size_t first = all.size(), count = request.ids.size();
  if (request.mode == RowMode::Append && first > 0)
    return {error(Code::InvalidArgument) << "rows are pending", {}};
  if (sequence.committed.size() + first + count > static_cast<size_t>(info_.context))
    return {error(Code::ResourceExhausted) << "the context of " << info_.context << " is full", {}};
  for (size_t i = 0; i < count; ++i) {
    const auto newest = static_cast<int32_t>(all.size()) - 1;
    const int32_t parent = request.parents.empty() ? newest : request.parents[i];
    if (request.ids[i] < 0 || request.ids[i] >= info_.vocabSize || parent > newest || parent < -1)
      return {error(Code::InvalidArgument) << "row " << i << ": bad id or parent", {}};
    all.push_back({request.ids[i], parent});
  }
  Result *result = pool_->take();
  ResultRef reference(result);
  std::vector<int64_t> wantedRows, widths;
  for (const Want &want : request.wants) {
    wantedRows.push_back(want.rows == RowSet::All ? static_cast<int64_t>(count) : 1);
    widths.push_back(info_.vocabSize);
  }
  ResultWriter::layOut(*result, request.wants, wantedRows, widths);
  for (size_t w = 0; w < request.wants.size(); ++w)
    for (int64_t r = 0; r < wantedRows[w]; ++r) {
      const size_t row = all.size() - static_cast<size_t>(wantedRows[w] - r);
      const auto logits = logits_(history(sequence, all, static_cast<int32_t>(row)));
      ResultWriter::write(*result, w, request.wants[w], r, DType::F32, logits.data(),
                          info_.vocabSize);
    }
  if (request.mode == RowMode::Append)
    sequence.committed.insert(sequence.committed.end(), request.ids.begin(), request.ids.end());
  else if (request.mode == RowMode::Draft)
    sequence.pending = std::move(all);
  return {Status::ok(), std::move(reference)};
}

void ToyBackend::forward(std::span<const ForwardRequest> requests,
                         std::span<ForwardOutcome> outcomes) {
  size_t total = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    total += requests[i].ids.size();
    outcomes[i] = run(requests[i]);
  }
  ++calls;
  rows += static_cast<int64_t>(total);
  mostRequests = std::max(mostRequests, requests.size());
  mostRows = std::max(mostRows, total);
}

Expected<std::string> ToyCodec::bytes(int32_t id) const {
  if (id < 0 || id > 30)
    return error(Code::Unsupported) << "id " << id << " stands for no bytes";
  return std::string(1, id < 26    ? static_cast<char>('a' + id)
                        : id == 26 ? '\xc3'
                        : id == 27 ? '\xa9'
                                   : ' ');
}

Expected<std::vector<int32_t>> ToyCodec::encode(std::string_view text, bool addSpecial) const {
  std::vector<int32_t> ids;
  if (addSpecial)
    ids.push_back(31);
  for (const char c : text)
    ids.push_back(c >= 'a' && c <= 'z' ? c - 'a' : 28);
  return ids;
}

Expected<std::string> ToyCodec::decode(std::span<const int32_t> ids, bool) const {
  std::string text;
  for (const int32_t id : ids)
    if (auto piece = bytes(id))
      text += *piece;
  return text;
}

std::optional<int32_t> ToyCodec::specialId(std::string_view name) const {
  return name == "eos" ? std::optional<int32_t>(31) : std::nullopt;
}

std::unique_ptr<TextStream> ToyCodec::stream() const {
  struct Stream final : TextStream {
    Status step(int32_t id, std::string &text) override {
      if (auto piece = ToyCodec().bytes(id))
        held += *piece;
      // Half an "é" waits for its other half.
      if (held.empty() || held.back() == '\xc3')
        return Status::ok();
      text += held;
      held.clear();
      return Status::ok();
    }
    Status finish(std::string &text) override {
      text += held.empty() ? "" : "\xef\xbf\xbd";
      held.clear();
      return Status::ok();
    }
    std::string held;
  };
  return std::make_unique<Stream>();
}

} // namespace plexus::test
