// Page tables, copy on write, and rows moved within the transposed layout.
#include "runtime/state/KvState.h"

#include <algorithm>
#include <cstring>

namespace plexus {
namespace {

constexpr int64_t kPage = PLX_PAGE_TOKENS;
constexpr int64_t pagesFor(int64_t rows) { return (rows + kPage - 1) / kPage; }

} // namespace

KvState::KvState(const StateInfo &info, int64_t maxRows, StateBudget &budget)
    : info_(info), pagesPerLane_(pagesFor(maxRows)), pool_(info.pageBytes(), budget) {}

KvState::~KvState() {
  for (Lane &lane : lanes_)
    drop(lane, lane.first, lane.end);
}

void KvState::open(int lane) {
  if (lane >= static_cast<int>(lanes_.size()))
    lanes_.resize(lane + 1);
  lanes_[lane].pages.resize(pagesPerLane_, nullptr);
}

void KvState::close(int lane) {
  Lane &l = lanes_[lane];
  drop(l, l.first, l.end);
  l.first = l.end = 0;
}

void KvState::share(int from, int to, int64_t committed) {
  const Lane &source = lanes_[from];
  Lane &target = lanes_[to];
  target.end = std::min(source.end, pagesFor(committed));
  target.first = std::min(source.first, target.end);
  for (int64_t p = target.first; p < target.end; ++p) {
    target.pages[p] = source.pages[p];
    if (target.pages[p])
      PagePool::retain(target.pages[p]);
  }
}

Status KvState::prepare(int lane, int64_t begin, int64_t end) {
  Lane &l = lanes_[lane];
  for (int64_t p = begin / kPage; p < pagesFor(end); ++p) {
    uint8_t *&page = l.pages[p];
    if (page && !PagePool::isShared(page))
      continue;
    PLX_ASSIGN(uint8_t *fresh, pool_.take());
    if (page) {
      std::memcpy(fresh, page, static_cast<size_t>(pool_.pageBytes()));
      pool_.release(page);
    }
    page = fresh;
    l.end = std::max(l.end, p + 1);
  }
  return Status::ok();
}

int64_t KvState::firstVisible(int64_t committed) const {
  return info_.window > 0 ? std::max<int64_t>(0, committed - info_.window + 1) : 0;
}

bool KvState::canTruncate(int lane, int64_t committed) const {
  return committed == 0 || lanes_[lane].first * kPage <= firstVisible(committed);
}

void KvState::truncate(int lane, int64_t committed) {
  Lane &l = lanes_[lane];
  int64_t keep = pagesFor(committed);
  if (keep < l.end) {
    drop(l, std::max(keep, l.first), l.end);
    l.end = keep;
  }
  l.first = std::min(l.first, l.end);
}

void KvState::settle(int lane, int64_t committed) {
  Lane &l = lanes_[lane];
  int64_t first = std::min(firstVisible(committed) / kPage, l.end);
  if (first <= l.first)
    return;
  drop(l, l.first, first);
  l.first = first;
}

void KvState::drop(Lane &lane, int64_t begin, int64_t end) {
  for (int64_t p = begin; p < end; ++p) {
    if (lane.pages[p])
      pool_.release(lane.pages[p]);
    lane.pages[p] = nullptr;
  }
}

void KvState::compact(int lane, int64_t begin, std::span<const int32_t> path) {
  for (size_t i = 0; i < path.size(); ++i)
    if (path[i] != static_cast<int32_t>(i))
      moveRow(lanes_[lane], begin + path[i], begin + static_cast<int64_t>(i));
}

void KvState::moveRow(const Lane &lane, int64_t from, int64_t to) {
  const int64_t keys = info_.heads * info_.keyDim, values = info_.valueDim;
  for (size_t layer = 0; layer < info_.layers.size(); ++layer) {
    int64_t offset = static_cast<int64_t>(layer) * info_.layerBytes();
    auto *source = reinterpret_cast<float *>(lane.pages[from / kPage] + offset);
    auto *target = reinterpret_cast<float *>(lane.pages[to / kPage] + offset);
    for (int64_t k = 0; k < keys; ++k) // K: [heads][keyDim][token]
      target[k * kPage + to % kPage] = source[k * kPage + from % kPage];
    source += keys * kPage; // V: [heads][token][valueDim]
    target += keys * kPage;
    for (int64_t h = 0; h < info_.heads; ++h)
      std::memcpy(target + (h * kPage + to % kPage) * values,
                  source + (h * kPage + from % kPage) * values,
                  static_cast<size_t>(values) * sizeof(float));
  }
}

int64_t KvState::layerOffset(int layer) const {
  return std::max(info_.ordinalOf(layer), 0) * info_.layerBytes();
}

Expected<std::unique_ptr<StateGroup>> createStateGroup(const StateInfo &info, int64_t maxRows,
                                                       StateBudget &budget) {
  if (info.kind != StateKind::Kv)
    return error(Code::Unsupported) << "state " << info.name << " keeps no keys and values";
  if (info.dtype != DType::F32)
    return error(Code::Unsupported)
           << "state " << info.name << ": keys and values are kept as F32, "
           << "not as " << dtypeName(info.dtype);
  return std::unique_ptr<StateGroup>(std::make_unique<KvState>(info, maxRows, budget));
}

} // namespace plexus
