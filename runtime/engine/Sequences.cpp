// Host functions on sequences, outputs, text and models.
#include "runtime/engine/GenerationRun.h"
#include "runtime/plugins/Structs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace plexus {
namespace {

constexpr size_t maxSequences = 4096, maxOutputs = 1024, maxCounters = 16, maxIds = 1 << 20;

Status checkIds(const int32_t *ids, size_t count, std::string_view function) {
  if (count > maxIds || (count && !ids))
    return error(Code::InvalidArgument)
           << function << ": " << count << " ids, expected at most " << maxIds << " and an array";
  return Status::ok();
}

/// Stores the size and, if it fits, the elements.
template <typename T>
Status giveArray(std::span<const T> from, T *to, size_t capacity, size_t *size,
                 std::string_view function) {
  if (!size || (capacity && !to))
    return error(Code::InvalidArgument) << function << ": size or buffer is NULL";
  *size = from.size();
  std::copy_n(from.begin(), std::min(from.size(), capacity), to);
  return Status::ok();
}

} // namespace

Expected<EngineModel *> GenerationRun::model(int32_t index, std::string_view function) const {
  if (index < 0 || index >= static_cast<int32_t>(models_.size()))
    return error(Code::InvalidArgument)
           << function << ": there is no model " << index << " (0 is the target"
           << (models_.size() == 1 ? "; no draft model was given)" : ", the rest are drafts)");
  return models_[static_cast<size_t>(index)];
}

Expected<GenerationRun::SequenceSlot *> GenerationRun::sequence(plx_seq handle,
                                                                std::string_view function) {
  for (SequenceSlot &slot : sequences_)
    if (slot.handle == handle)
      return &slot;
  return error(Code::InvalidArgument) << function << ": sequence " << handle << " is not open";
}

Expected<GenerationRun::SnapshotSlot *> GenerationRun::snapshotSlot(plx_snapshot handle,
                                                                    std::string_view function) {
  for (SnapshotSlot &slot : snapshots_)
    if (slot.handle == handle)
      return &slot;
  return error(Code::InvalidArgument) << function << ": there is no snapshot " << handle;
}

Status GenerationRun::seqOpen(int32_t index, plx_seq *out) {
  PLX_ASSIGN(EngineModel * on, model(index, "seq_open"));
  if (!out || sequences_.size() >= maxSequences)
    return error(Code::ResourceExhausted) << "seq_open: at most " << maxSequences << " sequences";
  PLX_ASSIGN(const SequenceId id, on->backend->openSequence());
  *out = nextHandle_++;
  sequences_.push_back({*out, on, id});
  return Status::ok();
}

Status GenerationRun::seqClose(plx_seq seq) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "seq_close"));
  PLX_RETURN_IF_ERROR(slot->model->backend->closeSequence(slot->id).at("seq_close"));
  std::swap(*slot, sequences_.back());
  sequences_.pop_back();
  return Status::ok();
}

Status GenerationRun::fork(plx_seq seq, plx_seq *out) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "fork"));
  if (!out || sequences_.size() >= maxSequences)
    return error(Code::ResourceExhausted) << "fork: at most " << maxSequences << " sequences";
  EngineModel *on = slot->model;
  auto id = on->backend->fork(slot->id);
  PLX_RETURN_IF_ERROR(id.status().at("fork"));
  *out = nextHandle_++;
  sequences_.push_back({*out, on, *id});
  return Status::ok();
}

Status GenerationRun::truncate(plx_seq seq, int64_t length) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "truncate"));
  return slot->model->backend->truncate(slot->id, length).at("truncate");
}

Status GenerationRun::snapshot(plx_seq seq, plx_snapshot *out) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "snapshot"));
  if (!out || snapshots_.size() >= maxSequences)
    return error(Code::ResourceExhausted) << "snapshot: at most " << maxSequences << " snapshots";
  auto id = slot->model->backend->snapshot(slot->id);
  PLX_RETURN_IF_ERROR(id.status().at("snapshot"));
  *out = nextHandle_++;
  snapshots_.push_back({*out, slot->model, *id});
  return Status::ok();
}

Status GenerationRun::restore(plx_seq seq, plx_snapshot snapshot) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "restore"));
  PLX_ASSIGN(SnapshotSlot * from, snapshotSlot(snapshot, "restore"));
  if (from->model != slot->model)
    return error(Code::InvalidArgument) << "restore: the snapshot is of another model";
  return slot->model->backend->restore(slot->id, from->id).at("restore");
}

Status GenerationRun::snapshotDrop(plx_snapshot snapshot) {
  PLX_ASSIGN(SnapshotSlot * slot, snapshotSlot(snapshot, "snapshot_drop"));
  PLX_RETURN_IF_ERROR(slot->model->backend->dropSnapshot(slot->id).at("snapshot_drop"));
  std::swap(*slot, snapshots_.back());
  snapshots_.pop_back();
  return Status::ok();
}

Status GenerationRun::commit(plx_seq seq, const int32_t *path, size_t count) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "commit"));
  PLX_RETURN_IF_ERROR(checkIds(path, count, "commit"));
  return slot->model->backend->commit(slot->id, {path, count}).at("commit");
}

Status GenerationRun::seqLength(plx_seq seq, int64_t *committed, int64_t *pending) {
  PLX_ASSIGN(SequenceSlot * slot, sequence(seq, "seq_length"));
  PLX_ASSIGN(const int64_t length, slot->model->backend->length(slot->id));
  PLX_ASSIGN(const int64_t drafted, slot->model->backend->pending(slot->id));
  if (committed)
    *committed = length;
  if (pending)
    *pending = drafted;
  return Status::ok();
}

Expected<Output *> GenerationRun::output(int32_t index) {
  if (index < 0 || index >= static_cast<int32_t>(maxOutputs))
    return error(Code::InvalidArgument)
           << "output is " << index << ", expected 0 to " << maxOutputs - 1;
  const auto at = static_cast<size_t>(index);
  if (outputs_.size() <= at)
    outputs_.resize(at + 1);
  if (!outputs_[at]) {
    PLX_ASSIGN(SamplerChain chain, chain_.clone());
    outputs_[at] = std::make_unique<Output>(&rules_, models_[0]->codec.get(), std::move(chain));
  }
  return outputs_[at].get();
}

Status GenerationRun::emit(int32_t index, const int32_t *ids, size_t count, plx_emitted *out) {
  PLX_RETURN_IF_ERROR(checkIds(ids, count, "emit"));
  auto to = output(index);
  PLX_RETURN_IF_ERROR(to.status().at("emit"));
  const int64_t vocabulary = models_[0]->backend->info().vocabSize;
  for (size_t i = 0; i < count; ++i)
    if (ids[i] < 0 || ids[i] >= vocabulary)
      return error(Code::InvalidArgument)
             << "emit: id " << ids[i] << " is outside the vocabulary of " << vocabulary;
  piece_.clear();
  PLX_ASSIGN(const Output::Taken taken, (*to)->emit({ids, count}, piece_));
  if (taken.ids > 0)
    stepsSinceEmit_ = 0;
  if (index == 0 && (taken.ids > 0 || !piece_.empty()))
    deliver({ids, static_cast<size_t>(taken.ids)}, piece_);
  if (out) {
    out->taken = taken.ids;
    out->stop = taken.stop;
  }
  return Status::ok();
}

Status GenerationRun::finishOutput(int32_t index, double score) {
  auto to = output(index);
  PLX_RETURN_IF_ERROR(to.status().at("finish"));
  (*to)->hasScore = !std::isnan(score);
  (*to)->score = (*to)->hasScore ? score : 0;
  piece_.clear();
  PLX_RETURN_IF_ERROR((*to)->finish(PLX_STOP_FINISHED, piece_));
  if (index == 0 && !piece_.empty())
    deliver({}, piece_);
  return Status::ok();
}

Status GenerationRun::testStop(const int32_t *ids, size_t count, plx_emitted *out) {
  PLX_RETURN_IF_ERROR(checkIds(ids, count, "stop_test"));
  if (!out)
    return error(Code::InvalidArgument) << "stop_test: out is NULL";
  PLX_ASSIGN(const Output::Taken taken, stopTest(rules_, models_[0]->codec.get(), {ids, count}));
  out->taken = taken.ids;
  out->stop = taken.stop;
  return Status::ok();
}

Expected<const TextCodec *> GenerationRun::codec(std::string_view function) const {
  if (!models_[0]->codec)
    return error(Code::Unsupported) << function << ": the model has no tokenizer";
  return models_[0]->codec.get();
}

Status GenerationRun::tokenBytes(int32_t id, char *bytes, size_t capacity, size_t *size) {
  PLX_ASSIGN(const TextCodec *text, codec("token_bytes"));
  PLX_ASSIGN(const std::string found, text->bytes(id));
  return giveArray<char>(found, bytes, capacity, size, "token_bytes");
}

Status GenerationRun::encode(plx_str text, int32_t addSpecial, int32_t *ids, size_t capacity,
                             size_t *size) {
  PLX_ASSIGN(const TextCodec *with, codec("encode"));
  PLX_ASSIGN(const std::vector<int32_t> found, with->encode(fromStr(text), addSpecial != 0));
  return giveArray<int32_t>(found, ids, capacity, size, "encode");
}

Status GenerationRun::decode(const int32_t *ids, size_t count, int32_t skipSpecial, char *text,
                             size_t capacity, size_t *size) {
  PLX_ASSIGN(const TextCodec *with, codec("decode"));
  PLX_RETURN_IF_ERROR(checkIds(ids, count, "decode"));
  PLX_ASSIGN(const std::string found, with->decode({ids, count}, skipSpecial != 0));
  return giveArray<char>(found, text, capacity, size, "decode");
}

Status GenerationRun::specialId(plx_str name, int32_t *out) {
  PLX_ASSIGN(const TextCodec *text, codec("special_id"));
  const auto id = text->specialId(fromStr(name));
  if (!id || !out)
    return error(Code::NotFound) << "special_id: the tokenizer has no '" << fromStr(name) << "'";
  *out = *id;
  return Status::ok();
}

Status GenerationRun::modelInfo(int32_t index, plx_model_info *out) {
  PLX_ASSIGN(const EngineModel *of, model(index, "model_info"));
  if (!out || out->struct_size < sizeof(plx_model_info))
    return error(Code::Mismatch) << "model_info: plx_model_info.struct_size is too small";
  const BackendInfo &info = of->backend->info();
  out->name = toStr(info.name);
  out->family = toStr(info.family);
  out->vocab_size = info.vocabSize;
  out->context = info.context;
  out->layers = info.layers;
  out->hidden_size = info.hiddenSize;
  return Status::ok();
}

bool GenerationRun::hasCapability(int32_t index, std::string_view id) const {
  const auto of = model(index, "has_capability");
  if (!of)
    return false;
  return id == "text" ? (*of)->codec != nullptr : (*of)->backend->hasCapability(id);
}

Status GenerationRun::optionSet(int32_t index, plx_str key, plx_str value) {
  PLX_ASSIGN(EngineModel * of, model(index, "option_set"));
  return of->backend->setOption(fromStr(key), fromStr(value)).at("option_set");
}

Status GenerationRun::counterAdd(plx_str name, int64_t amount) {
  const std::string_view key = fromStr(name);
  for (auto &[known, value] : counters_)
    if (known == key) {
      value += amount;
      return Status::ok();
    }
  if (counters_.size() >= maxCounters || key.empty() || key.size() > 64)
    return error(Code::ResourceExhausted) << "counter_add: '" << key << "': at most " << maxCounters
                                          << " counters with names of 1 to 64 characters";
  counters_.emplace_back(key, amount);
  return Status::ok();
}

Status GenerationRun::callFunction(plx_str function, const plx_chain *) {
  static constexpr std::array<std::string_view, 11> reserved = {
      "module_call", "prompt_part", "edit",      "overlay",   "visibility",     "policy",
      "weight_read", "table_write", "store_get", "store_put", "schedule_policy"};
  const std::string_view name = fromStr(function);
  const bool known = std::find(reserved.begin(), reserved.end(), name) != reserved.end();
  return error(Code::Unsupported)
         << "call: '" << name << "' is "
         << (known ? "reserved for a later version; ask has_capability before calling"
                   : "not a function of this version");
}

} // namespace plexus
