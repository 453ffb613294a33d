// Merges requests into runs, chunk by chunk, and hands the rows out.
#include "runtime/exec/SessionImpl.h"

#include <algorithm>
#include <optional>

namespace plexus {
namespace {

/// Adds `item` to an ascending list without duplicates.
template <typename T>
void insertSorted(std::vector<T> &list, T item) {
  auto at = std::lower_bound(list.begin(), list.end(), item);
  if (at == list.end() || *at != item)
    list.insert(at, item);
}

bool skipsNothing(std::span<const uint8_t> skip) {
  return std::all_of(skip.begin(), skip.end(), [](uint8_t bits) { return bits == SkipNone; });
}

/// Whether two requests may run in one batch.
bool fitTogether(const ForwardWork &a, const ForwardWork &b) {
  const ForwardRequest &x = *a.request, &y = *b.request;
  bool sameSkip = std::equal(x.skip.begin(), x.skip.end(), y.skip.begin(), y.skip.end()) ||
                  (skipsNothing(x.skip) && skipsNothing(y.skip));
  return a.layerBegin == b.layerBegin && a.layerEnd == b.layerEnd &&
         x.hidden.empty() == y.hidden.empty() && sameSkip;
}

/// Calls fn(place in the result, row of the request) for the wanted rows in [begin, end). What has
/// one row for a request comes with its last one.
template <typename Fn>
void eachWantedRow(const Want &want, const WantTarget &target, int64_t rows, int64_t begin,
                   int64_t end, Fn fn) {
  switch (target.perToken() ? want.rows : RowSet::Last) {
  case RowSet::Last:
    if (begin < rows && rows <= end)
      fn(int64_t(0), rows - 1);
    break;
  case RowSet::All:
    for (int64_t row = begin; row < end; ++row)
      fn(row, row);
    break;
  case RowSet::Listed: {
    auto first = std::lower_bound(want.listed.begin(), want.listed.end(), begin);
    for (auto it = first; it != want.listed.end() && *it < end; ++it)
      fn(it - want.listed.begin(), int64_t(*it));
    break;
  }
  }
}

} // namespace

void Session::Impl::forward(std::span<const ForwardRequest> requests,
                            std::span<ForwardOutcome> outcomes) {
  works.clear();
  targets.clear();
  for (size_t i = 0; i < requests.size(); ++i) {
    ForwardWork &work = works.emplace_back();
    work.request = &requests[i];
    work.outcome = &outcomes[i];
    outcomes[i] = ForwardOutcome();
  }
  while (runRound()) {
  }
}

/// The first request in line of those whose sequence has no earlier one in line. Requests are
/// checked when their turn comes: earlier ones on the same sequence change what is right.
ForwardWork *Session::Impl::nextLeader() {
  ++round;
  ForwardWork *leader = nullptr;
  for (ForwardWork &work : works) {
    if (work.finished)
      continue;
    if (!work.begun) {
      auto sequence = store->find(work.request->sequence);
      if (sequence && (*sequence)->mark == round)
        continue;
      if (Status status = begin(work); !status) {
        fail(work, std::move(status));
        continue;
      }
    }
    if (work.sequence->mark == round)
      continue;
    work.sequence->mark = round;
    if (!leader)
      leader = &work;
  }
  return leader;
}

bool Session::Impl::runRound() {
  ForwardWork *leader = nextLeader();
  if (!leader)
    return false;
  collect(*leader, false);
  Status status = execute();
  if (!status && members.size() > 1) {
    // One request's plan may be at fault: the leader runs alone, the others in later rounds.
    for (Member &member : members)
      if (member.work->request->reenter.empty())
        store->dropPending(*member.work->sequence,
                           member.work->sequence->pending.size() - member.count);
    collect(*leader, true);
    status = execute();
  }
  for (Member &member : members)
    if (status)
      deliver(*member.work, member.firstRow, member.count);
    else
      fail(*member.work, status);
  return true;
}

/// Gathers rows of the leader and, unless it is to run alone, of all that fit with it.
void Session::Impl::collect(ForwardWork &leader, bool alone) {
  members.clear();
  batch.clear();
  entry.clear();
  key.values.clear();
  key.taps.clear();
  key.schedule = schedule;
  key.layerBegin = leader.layerBegin;
  key.layerEnd = leader.layerEnd;
  key.entersHidden = !leader.request->hidden.empty();
  key.keepsStates = false;
  key.skip.clear();
  if (!skipsNothing(leader.request->skip))
    key.skip.assign(leader.request->skip.begin(), leader.request->skip.end());
  ++round;
  for (ForwardWork &work : works) {
    if (work.finished || !work.begun || work.sequence->mark == round)
      continue;
    if (alone ? &work != &leader : !fitTogether(leader, work))
      continue;
    int64_t left = work.rows - work.done, room = options.chunk - batch.tokens();
    bool fits = &work == &leader || left <= room;
    int64_t count = work.whole ? (fits ? left : 0) : std::min(left, room);
    if (count <= 0)
      continue;
    work.sequence->mark = round;
    if (Status status = addRows(work, count); !status)
      fail(work, std::move(status));
  }
}

/// Makes the next `count` rows of a request pending and adds them to the batch.
Status Session::Impl::addRows(ForwardWork &work, int64_t count) {
  const ForwardRequest &request = *work.request;
  size_t first = work.sequence->pending.size();
  numbers.clear();
  if (request.reenter.empty())
    addPending(work, count);
  else
    numbers.assign(request.reenter.begin(), request.reenter.end());
  // Others may go on from any drafted row; appended and scratch ones are chains, but for trees.
  bool everyRow = request.mode == RowMode::Draft || !request.parents.empty();
  PLX_RETURN_IF_ERROR(store->prepare(*work.sequence, first, everyRow));
  std::span<const int32_t> ids = request.ids;
  if (!key.entersHidden)
    ids = ids.subspan(work.done, count);
  int64_t row = batch.add(*work.sequence, numbers, ids);
  if (key.entersHidden) {
    int64_t width = model->info().hiddenSize;
    auto rows = request.hidden.subspan(work.done * width, count * width);
    entry.insert(entry.end(), rows.begin(), rows.end());
  }
  for (size_t w = 0; w < request.wants.size(); ++w) {
    const WantTarget &target = targets[work.firstTarget + w];
    eachWantedRow(request.wants[w], target, work.rows, work.done, work.done + count,
                  [&](int64_t, int64_t wanted) {
                    addTarget(target);
                    if (target.type->rows == Rows::Outputs)
                      batch.wantRow(row + wanted - work.done);
                  });
  }
  key.keepsStates |= request.mode != RowMode::Scratch || work.done + count < work.rows;
  members.push_back({&work, row, count});
  return Status::ok();
}

void Session::Impl::addTarget(const WantTarget &target) {
  if (target.isTap)
    insertSorted(key.taps, target.tap);
  else
    insertSorted(key.values, target.value);
}

void Session::Impl::addPending(const ForwardWork &work, int64_t count) {
  const ForwardRequest &request = *work.request;
  Sequence &sequence = *work.sequence;
  std::vector<PendingRow> &pending = sequence.pending;
  size_t end = pending.size() + static_cast<size_t>(count);
  LayerSet block = work.layers; // What every pending row went through: bidirectional rows see all.
  for (const PendingRow &row : pending)
    if (request.bidirectional)
      block &= row.visible;
  std::optional<int32_t> padding =
      request.ids.empty() ? std::nullopt : model->info().positionPadding;
  auto isPadding = [&](int32_t id) { return id == padding; };
  auto counted = request.ids.first(padding ? work.done : 0);
  int64_t tokens = static_cast<int64_t>(counted.size()) -
                   std::count_if(counted.begin(), counted.end(), isPadding);
  // Appended rows are a chain, and earlier chunks of it are committed by now.
  bool explicitParents = !request.parents.empty() && request.mode != RowMode::Append;
  for (int64_t i = work.done; i < work.done + count; ++i) {
    auto number = static_cast<int32_t>(pending.size());
    PendingRow row;
    row.parent = explicitParents ? request.parents[i] : number - 1;
    row.index =
        row.parent < 0 ? static_cast<int32_t>(sequence.committed) : pending[row.parent].index + 1;
    row.position = row.index;
    if (!request.positions.empty())
      row.position = request.positions[i];
    else if (padding) // Counts the tokens that are none, from the padding's own position + 1.
      row.position = isPadding(request.ids[i])
                         ? *padding
                         : *padding + 1 + static_cast<int32_t>(work.committedBefore + tokens++);
    row.tokenType = request.tokenTypes.empty() ? 0 : request.tokenTypes[i];
    row.seesUpTo = request.bidirectional ? static_cast<int32_t>(end) : 0;
    row.layers = row.visible = work.layers;
    if (request.bidirectional)
      row.visible = block;
    else if (row.parent >= 0)
      row.visible &= pending[row.parent].visible;
    pending.push_back(row);
    numbers.push_back(number);
  }
}

Status Session::Impl::execute() {
  if (members.empty())
    return Status::ok();
  const plx_batch &built = batch.finish();
  PLX_ASSIGN(ran, executor.plan(key));
  const void *ids = batch.ids();
  return executor.run(*ran, built, batch.sequences(), {&ids, 1}, entry.data());
}

/// The run's value or tap row that belongs to a token of the batch.
const void *Session::Impl::rowOf(const WantTarget &target, int64_t token) const {
  auto place = [](const auto &list, const auto &item) {
    return std::lower_bound(list.begin(), list.end(), item) - list.begin();
  };
  int buffer = target.isTap ? ran->tapBuffers[place(key.taps, target.tap)]
                            : ran->valueBuffers[place(key.values, target.value)];
  int64_t row = 0;
  if (target.type->rows == Rows::Tokens)
    row = token;
  else if (target.type->rows == Rows::Outputs)
    row = batch.outputOf(token);
  else if (target.type->rows == Rows::Sequences)
    row = batch.sequenceOf(token);
  return static_cast<const uint8_t *>(executor.buffer(buffer)) + row * target.type->rowBytes();
}

/// Copies what was wanted of rows that ran, and moves the request on.
void Session::Impl::deliver(ForwardWork &work, int64_t firstRow, int64_t count) {
  const ForwardRequest &request = *work.request;
  for (size_t w = 0; w < request.wants.size(); ++w) {
    const WantTarget &target = targets[work.firstTarget + w];
    eachWantedRow(request.wants[w], target, work.rows, work.done, work.done + count,
                  [&](int64_t place, int64_t row) {
                    ResultWriter::write(*work.result, w, request.wants[w], place,
                                        target.type->dtype,
                                        rowOf(target, firstRow + row - work.done), target.width());
                  });
  }
  if (!request.reenter.empty())
    markReentered(work);
  if (request.mode == RowMode::Append)
    store->commitChain(*work.sequence);
  work.done += count;
  if (work.done == work.rows)
    finish(work);
}

void Session::Impl::markReentered(ForwardWork &work) {
  std::vector<PendingRow> &pending = work.sequence->pending;
  for (int32_t row : work.request->reenter)
    pending[row].layers |= work.layers;
  for (PendingRow &row : pending) {
    row.visible = row.layers;
    if (row.parent >= 0)
      row.visible &= pending[row.parent].visible;
  }
  store->inheritSkipped(*work.sequence);
}

void Session::Impl::releaseKept(ForwardWork &work) {
  if (work.carryBefore)
    store->carries()->release(work.carryBefore);
  work.carryBefore = nullptr;
}

void Session::Impl::finish(ForwardWork &work) {
  work.finished = true;
  releaseKept(work);
  if (work.request->mode == RowMode::Scratch)
    store->dropPending(*work.sequence, work.pendingBefore);
}

/// Undoes what the request did to its sequence.
void Session::Impl::fail(ForwardWork &work, Status status) {
  work.finished = true;
  work.outcome->result = ResultRef();
  if (work.begun) {
    Sequence &sequence = *work.sequence;
    store->dropPending(sequence, std::min(sequence.pending.size(), work.pendingBefore));
    if (!work.request->reenter.empty())
      store->inheritSkipped(sequence);
    if (sequence.committed > work.committedBefore)
      if (Status undone =
              store->truncateCommitted(sequence, work.committedBefore, work.carryBefore);
          !undone)
        status = error(status.code()) << status.message() << "; " << sequence.committed
                                      << " rows stay committed: " << undone.message();
    releaseKept(work);
  }
  work.outcome->status = std::move(status);
}

} // namespace plexus
