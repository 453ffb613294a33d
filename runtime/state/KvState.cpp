// Page tables, copy on write, and rows moved within the transposed layout.
#include "runtime/state/KvState.h"

#include "runtime/state/KvSeal.h"

#include <algorithm>
#include <cstring>

namespace plexus {
namespace {

constexpr int64_t kPage = PLX_PAGE_TOKENS;
constexpr int64_t pagesFor(int64_t rows) { return (rows + kPage - 1) / kPage; }
/// The pages that a row of this index reads in their sealed form, as runtime/abi/Call.h says.
constexpr int64_t sealedBefore(int64_t index) { return std::max<int64_t>(0, index / kPage - 1); }

/// plx_kv::seal.
void sealPage(const plx_kv *kv, const uint8_t *page, uint8_t *sealed) {
  std::memcpy(sealed, page, kKvPositionBytes);
  sealLayer(*static_cast<const KvSealedLayout *>(kv->sealed_layout), page + kv->layer_offset,
            sealed + kv->sealed_offset);
}

} // namespace

KvState::KvState(const StateInfo &info, int64_t maxRows, StateBudget &budget)
    : info_(info), sealedLayout_(info.sealed()), pagesPerLane_(pagesFor(maxRows)),
      pool_(info.pageBytes(), budget),
      sealedPool_(info.seals() ? info.sealedPageBytes() : 1, budget) {}

KvState::~KvState() {
  for (Lane &lane : lanes_)
    drop(lane, lane.first, lane.end);
}

void KvState::open(int lane) {
  if (lane >= static_cast<int>(lanes_.size()))
    lanes_.resize(lane + 1);
  lanes_[lane].pages.resize(pagesPerLane_, nullptr);
  if (info_.seals())
    lanes_[lane].sealed.resize(pagesPerLane_, nullptr);
}

void KvState::close(int lane) {
  Lane &l = lanes_[lane];
  drop(l, l.first, l.end);
  l.first = l.end = l.settled = 0;
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
    // Until the page is given back, its sealed form may be written, or written again.
    else if (info_.seals() && source.sealed[p])
      PagePool::retain(target.sealed[p] = source.sealed[p]);
  }
  target.settled = committed;
}

Status KvState::prepare(int lane, int64_t begin, int64_t end) {
  Lane &l = lanes_[lane];
  for (int64_t p = begin / kPage; p < pagesFor(end); ++p) {
    uint8_t *&page = l.pages[p];
    if (!page && info_.seals() && l.sealed[p])
      PLX_RETURN_IF_ERROR(reopen(l, p));
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
  return info_.seals() ? addSealed(l, end) : Status::ok();
}

Status KvState::reopen(Lane &lane, int64_t page) {
  PLX_ASSIGN(uint8_t *fresh, pool_.take());
  std::memcpy(fresh, lane.sealed[page], kKvPositionBytes);
  for (int layer : info_.layers)
    unsealLayer(sealedLayout_, lane.sealed[page] + sealedOffset(layer), fresh + layerOffset(layer));
  sealedPool_.release(lane.sealed[page]);
  lane.sealed[page] = nullptr;
  lane.pages[page] = fresh;
  return Status::ok();
}

/// Pages that rows before slot `end` may read sealed get the memory for it.
Status KvState::addSealed(Lane &lane, int64_t end) {
  for (int64_t p = sealedBefore(end - 1) - 1; p >= lane.first && lane.pages[p]; --p)
    if (!lane.sealed[p]) {
      PLX_ASSIGN(lane.sealed[p], sealedPool_.take());
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
  l.settled = std::min(l.settled, committed);
}

void KvState::settle(int lane, int64_t committed, bool inOrder) {
  Lane &l = lanes_[lane];
  if (info_.seals() && committed > 0) {
    // The last row has had them sealed in all layers: in order, with the rows that they hold now;
    // otherwise if they were final when it ran.
    int64_t end = sealedBefore(committed - 1);
    if (!inOrder)
      end = std::min(end, l.settled / kPage);
    for (int64_t p = end - 1; p >= l.first && l.pages[p] && l.sealed[p]; --p) {
      pool_.release(l.pages[p]);
      l.pages[p] = nullptr;
    }
    l.settled = committed;
  }
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
    if (info_.seals() && lane.sealed[p]) {
      sealedPool_.release(lane.sealed[p]);
      lane.sealed[p] = nullptr;
    }
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
  if (info_.seals()) // the row's position, a column of one i32
    moveColumn(lane.pages[from / kPage], fromToken, lane.pages[to / kPage], toToken, 1,
               sizeof(int32_t));
  for (size_t layer = 0; layer < info_.layers.size(); ++layer) {
    int64_t offset = info_.headerBytes() + static_cast<int64_t>(layer) * info_.layerBytes();
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
  return info_.headerBytes() + std::max(info_.ordinalOf(layer), 0) * info_.layerBytes();
}

int64_t KvState::sealedOffset(int layer) const {
  return info_.headerBytes() + std::max(info_.ordinalOf(layer), 0) * sealedLayout_.bytes();
}

plx_kv KvState::view(int layer) const {
  plx_kv view = {nullptr, layerOffset(layer), nullptr, 0, nullptr, nullptr};
  if (info_.seals()) {
    view.sealed_offset = sealedOffset(layer);
    view.sealed_layout = &sealedLayout_;
    view.seal = sealPage;
  }
  return view;
}

Expected<std::unique_ptr<StateGroup>> createStateGroup(const StateInfo &info, int64_t maxRows,
                                                       StateBudget &budget) {
  if (info.kind != StateKind::Kv)
    return error(Code::Unsupported) << "state " << info.name << " keeps no keys and values";
  if (info.dtype != DType::F32)
    return error(Code::Unsupported)
           << "state " << info.name << ": keys and values are kept as F32, "
           << "not as " << dtypeName(info.dtype);
  if (info.seals() && std::max(info.keyDim, info.valueDim) > KvSealedLayout::kMostDim)
    return error(Code::Unsupported)
           << "state " << info.name << ": heads of " << std::max(info.keyDim, info.valueDim)
           << " entries; int4 takes up to " << KvSealedLayout::kMostDim << ", int8 any";
  return std::unique_ptr<StateGroup>(std::make_unique<KvState>(info, maxRows, budget));
}

} // namespace plexus
