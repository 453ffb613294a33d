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

namespace {

/// Moves one token of [rows][32 tokens] elements of `size` bytes.
void moveColumn(const uint8_t *from, int64_t fromToken, uint8_t *to, int64_t toToken, int64_t rows,
                size_t size) {
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(to + (r * kPage + toToken) * size, from + (r * kPage + fromToken) * size, size);
}

/// Moves one token's values among pairs of bf16.
void moveHalves(const uint8_t *from, int64_t fromToken, uint8_t *to, int64_t toToken,
                const KvPartLayout &values) {
  auto place = [&](int64_t head, int64_t token) {
    return ((head * kPage + token) / 2 * values.paddedDim() * 2 + token % 2) * 2;
  };
  for (int64_t h = 0; h < values.heads; ++h)
    for (int64_t d = 0; d < values.paddedDim(); ++d)
      std::memcpy(to + place(h, toToken) + d * 4, from + place(h, fromToken) + d * 4, 2);
}

} // namespace

void KvState::moveRow(const Lane &lane, int64_t from, int64_t to) {
  const KvPartLayout keys = info_.keys(), values = info_.values();
  const int64_t fromToken = from % kPage, toToken = to % kPage;
  const bool quantized = keys.isQuantized();
  for (size_t layer = 0; layer < info_.layers.size(); ++layer) {
    int64_t offset = static_cast<int64_t>(layer) * info_.layerBytes();
    const uint8_t *source = lane.pages[from / kPage] + offset;
    uint8_t *target = lane.pages[to / kPage] + offset;
    // Keys lie across tokens; scales of theirs too. A pair of bf16 is as wide as an f32.
    size_t element = quantized ? 1 : sizeof(float);
    moveColumn(source, fromToken, target, toToken,
               keys.heads * keys.codeBytes() / static_cast<int64_t>(element), element);
    if (quantized)
      moveColumn(source + keys.scalesOffset(), fromToken, target + keys.scalesOffset(), toToken,
                 keys.heads * keys.groups() * 2, sizeof(uint16_t));
    source += keys.bytes();
    target += keys.bytes();
    // Values lie token by token: whole rows of a head are one element. Two tokens share pairs.
    if (values.form == KvForm::BF16)
      moveHalves(source, fromToken, target, toToken, values);
    else
      moveColumn(source, fromToken, target, toToken, values.heads,
                 static_cast<size_t>(values.codeBytes()));
    if (quantized)
      moveColumn(source + values.scalesOffset(), fromToken, target + values.scalesOffset(), toToken,
                 values.heads, static_cast<size_t>(values.groups() * 2) * sizeof(uint16_t));
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
