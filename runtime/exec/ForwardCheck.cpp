// The rules of a forward request: everything that can be refused is refused before anything runs.
#include "runtime/exec/SessionImpl.h"

#include <algorithm>

namespace plexus {

Status Session::Impl::begin(ForwardWork &work) {
  const ForwardRequest &request = *work.request;
  PLX_ASSIGN(work.sequence, store->find(request.sequence));
  if (schedule < 0)
    return error(Code::Unsupported)
           << "model " << model->info().name << " has no schedule \"forward\": use runNamed";
  int64_t hiddenSize = std::max<int64_t>(model->info().hiddenSize, 1);
  work.rows = request.hidden.empty() ? static_cast<int64_t>(request.ids.size())
                                     : static_cast<int64_t>(request.hidden.size()) / hiddenSize;
  work.committedBefore = work.sequence->committed;
  work.pendingBefore = work.sequence->pending.size();
  work.whole = (request.flags & NoChunk) || request.bidirectional || model->wholeRequests() ||
               !request.reenter.empty();
  PLX_RETURN_IF_ERROR(checkRows(work));
  PLX_RETURN_IF_ERROR(checkInputs(work));
  PLX_RETURN_IF_ERROR(checkLayers(work));
  PLX_RETURN_IF_ERROR(request.reenter.empty() ? checkParents(work) : checkReentry(work));
  PLX_RETURN_IF_ERROR(checkWants(work));
  work.result = results->take();
  work.outcome->result = ResultRef(work.result);
  ResultWriter::layOut(*work.result, request.wants, wantRows, wantWidths);
  if (request.mode == RowMode::Append && work.sequence->carry)
    work.carryBefore = CarrySlots::retain(work.sequence->carry);
  work.begun = true;
  return Status::ok();
}

Status Session::Impl::checkRows(const ForwardWork &work) const {
  const ForwardRequest &request = *work.request;
  if (!request.ids.empty() && !request.hidden.empty())
    return Status(Code::InvalidArgument, "a request has token ids or hidden rows, not both");
  if (work.rows == 0)
    return Status(Code::InvalidArgument, "the prompt is empty: a request has one row at least");
  if (request.flags & ~uint32_t(NoChunk))
    return error(Code::Unsupported) << "unknown flags " << request.flags;
  auto perRow = [&](std::string_view what, size_t size) {
    return size == 0 || static_cast<int64_t>(size) == work.rows
               ? Status::ok()
               : Status(error(Code::InvalidArgument)
                        << what << " has " << size << " entries for " << work.rows << " rows");
  };
  PLX_RETURN_IF_ERROR(perRow("parents", request.parents.size()));
  PLX_RETURN_IF_ERROR(perRow("positions", request.positions.size()));
  PLX_RETURN_IF_ERROR(perRow("tokenTypes", request.tokenTypes.size()));
  PLX_RETURN_IF_ERROR(perRow("reenter", request.reenter.size()));
  if (request.bidirectional && model->recurrent())
    return error(Code::Unsupported)
           << "model " << model->info().name
           << " has recurrent states, which go one way: its rows cannot all "
           << "see each other";
  if (request.bidirectional && !request.parents.empty())
    return Status(Code::InvalidArgument, "rows that all see each other have no parents");
  if (request.mode == RowMode::Append && work.pendingBefore > 0)
    return error(Code::InvalidArgument)
           << "append while " << work.pendingBefore
           << " rows are pending: commit a path or truncate them first";
  int64_t before = work.committedBefore + static_cast<int64_t>(work.pendingBefore);
  int64_t added = request.reenter.empty() ? work.rows : 0;
  if (before + added > store->maxRows())
    return error(Code::ResourceExhausted)
           << added << " rows after " << before << " do not fit the context of " << store->maxRows()
           << " rows";
  return Status::ok();
}

Status Session::Impl::checkInputs(const ForwardWork &work) const {
  const ForwardRequest &request = *work.request;
  const ModelInfo &info = model->info();
  for (size_t i = 0; i < request.ids.size(); ++i)
    if (request.ids[i] < 0 || request.ids[i] >= info.vocabSize)
      return error(Code::InvalidArgument) << "token id " << request.ids[i] << " at row " << i
                                          << " is outside the vocabulary of " << info.vocabSize;
  if (!request.hidden.empty() &&
      static_cast<int64_t>(request.hidden.size()) != work.rows * info.hiddenSize)
    return error(Code::InvalidArgument) << request.hidden.size() << " hidden elements are no "
                                        << "multiple of the hidden size " << info.hiddenSize;
  // Learned positions are a table of that many rows.
  int64_t positions = store->maxRows() + (info.positionPadding ? *info.positionPadding + 1 : 0);
  for (int32_t position : request.positions)
    if (position < 0 || position >= positions)
      return error(Code::InvalidArgument)
             << "position " << position << " is outside the model's " << positions << " positions";
  int64_t types = std::max<int64_t>(info.tokenTypes, 1); // Without types, 0 changes nothing.
  for (int32_t type : request.tokenTypes)
    if (type < 0 || type >= types)
      return error(Code::InvalidArgument)
             << "token type " << type << ": the model knows " << info.tokenTypes << " types";
  return Status::ok();
}

Status Session::Impl::checkLayers(ForwardWork &work) const {
  const ForwardRequest &request = *work.request;
  int layers = model->schedule(schedule).layers();
  work.layerBegin = request.layerBegin;
  work.layerEnd = request.layerEnd < 0 ? layers : request.layerEnd;
  if (work.layerBegin < 0 || work.layerBegin > work.layerEnd || work.layerEnd > layers)
    return error(Code::InvalidArgument) << "layers [" << request.layerBegin << ", "
                                        << request.layerEnd << ") of a model of " << layers;
  if (!request.hidden.empty() && layers == 0)
    return error(Code::Unsupported)
           << "model " << model->info().name << " has no layers that hidden rows could enter";
  if (work.layerBegin > 0 && request.hidden.empty())
    return error(Code::InvalidArgument)
           << "layers from " << work.layerBegin << " on need hidden rows, not token ids";
  if (!request.skip.empty() && static_cast<int>(request.skip.size()) != layers)
    return error(Code::InvalidArgument)
           << "the skip mask has " << request.skip.size() << " entries for " << layers << " layers";
  bool all = work.layerBegin == 0 && work.layerEnd == layers && request.hidden.empty();
  work.layers = LayerSet();
  if (request.hidden.empty())
    work.layers.insert(LayerSet::kBefore);
  if (work.layerEnd == layers)
    work.layers.insert(LayerSet::kAfter);
  for (int layer = work.layerBegin; layer < work.layerEnd; ++layer) {
    uint8_t bits = request.skip.empty() ? SkipNone : request.skip[layer];
    if (bits > SkipBoth)
      return error(Code::InvalidArgument) << "skip bits " << bits << " of layer " << layer;
    if (!(bits & SkipAttention))
      work.layers.insert(layer);
    all &= !(bits & SkipAttention);
  }
  if (all)
    work.layers = LayerSet::all();
  int missing = store->stateLayers().firstMissingIn(work.layers);
  if (request.mode == RowMode::Append && missing >= 0)
    return error(Code::InvalidArgument) << "append without layer " << missing
                                        << ": later rows could not see these rows there; use "
                                        << "draft or scratch rows";
  return Status::ok();
}

Status Session::Impl::checkParents(const ForwardWork &work) const {
  const ForwardRequest &request = *work.request;
  const std::vector<PendingRow> &pending = work.sequence->pending;
  auto before = static_cast<int32_t>(work.pendingBefore);
  LayerSet required = store->stateLayers();
  required &= work.layers;
  auto seen = [&](int32_t parent) {
    int missing =
        parent < 0 || parent >= before ? -1 : required.firstMissingIn(pending[parent].visible);
    return missing < 0 ? Status::ok()
                       : Status(error(Code::InvalidArgument)
                                << "pending row " << parent << " or a row before it did not go "
                                << "through layer " << missing << ", where this request sees it");
  };
  if (request.bidirectional)
    for (int32_t row = 0; row < before; ++row)
      PLX_RETURN_IF_ERROR(seen(row));
  if (request.parents.empty())
    return seen(before - 1);
  for (int32_t i = 0; i < static_cast<int32_t>(work.rows); ++i) {
    int32_t parent = request.parents[i];
    if (parent < -1 || parent >= before + i)
      return error(Code::InvalidArgument)
             << "row " << i << " has parent " << parent
             << ", expected -1 or an earlier pending row (below " << before + i << ")";
    if (request.mode == RowMode::Append && parent != i - 1)
      return error(Code::InvalidArgument)
             << "appended rows are a chain, but row " << i << " has parent " << parent;
    PLX_RETURN_IF_ERROR(seen(parent));
  }
  return Status::ok();
}

Status Session::Impl::checkReentry(const ForwardWork &work) const {
  const ForwardRequest &request = *work.request;
  const std::vector<PendingRow> &pending = work.sequence->pending;
  if (request.mode != RowMode::Draft || request.hidden.empty() || !request.parents.empty() ||
      !request.positions.empty() || request.bidirectional)
    return Status(Code::InvalidArgument, "rows that enter again are draft rows with hidden rows, "
                                         "and keep their parents and positions");
  LayerSet required = store->stateLayers();
  required &= work.layers;
  int32_t last = -1;
  for (int32_t row : request.reenter) {
    if (row <= last || static_cast<size_t>(row) >= pending.size())
      return error(Code::InvalidArgument) << "reenter: row " << row << " is not pending ("
                                          << pending.size() << " rows are) or not ascending";
    last = row;
    int32_t parent = pending[row].parent;
    bool together = std::binary_search(request.reenter.begin(), request.reenter.end(), parent);
    int missing = parent < 0 || together ? -1 : required.firstMissingIn(pending[parent].visible);
    if (missing >= 0)
      return error(Code::InvalidArgument) << "reenter: row " << row << " sees row " << parent
                                          << ", which did not go through layer " << missing;
  }
  return Status::ok();
}

Status Session::Impl::checkWants(ForwardWork &work) {
  const ForwardRequest &request = *work.request;
  work.firstTarget = targets.size();
  wantRows.clear();
  wantWidths.clear();
  for (const Want &want : request.wants) {
    PLX_ASSIGN(WantTarget target, resolveWant(*model, schedule, want));
    PLX_RETURN_IF_ERROR(checkReduction(want, target));
    int32_t last = -1;
    for (int32_t row : want.listed) {
      if (row <= last || row >= work.rows)
        return error(Code::InvalidArgument) << "wanted row " << row << " of " << work.rows
                                            << " does not exist or does not ascend";
      last = row;
    }
    work.whole |= !target.perToken();
    int64_t rows = 1;
    if (target.perToken() && want.rows == RowSet::All)
      rows = work.rows;
    if (target.perToken() && want.rows == RowSet::Listed)
      rows = static_cast<int64_t>(want.listed.size());
    wantRows.push_back(rows);
    wantWidths.push_back(target.width());
    targets.push_back(target);
  }
  return Status::ok();
}

} // namespace plexus
