// Keys and values in pages of 32 tokens: whole contexts, and windows as rings of pages.
#pragma once

#include "runtime/state/StateGroup.h"

#include <vector>

namespace plexus {

/// Pages hold all layers of the group, laid out as runtime/abi/Call.h says. With a window, pages
/// wholly behind what the next row sees are given back, so that a lane holds a ring of pages.
///
/// With KvForm::Int4, pages are sealed: a row of index i reads the small form of all pages before
/// i / 32 - 1 and bf16 of the others, whoever ran with it and however its prompt was cut. That form
/// is made while the first such row runs, when the page holds committed rows for all that a draft
/// tree of 32 levels can reach; the page itself is given back once such a row is committed. Rows
/// behind a truncation inside of a sealed page are decoded from it.
class KvState final : public StateGroup {
public:
  KvState(const StateInfo &info, int64_t maxRows, StateBudget &budget);
  ~KvState() override;

  void open(int lane) override;
  void close(int lane) override;
  void share(int from, int to, int64_t committed) override;
  Status prepare(int lane, int64_t begin, int64_t end) override;
  bool canTruncate(int lane, int64_t committed) const override;
  void truncate(int lane, int64_t committed) override;
  void compact(int lane, int64_t begin, std::span<const int32_t> path) override;
  void settle(int lane, int64_t committed, bool inOrder) override;
  uint8_t *const *pages(int lane) const override { return lanes_[lane].pages.data(); }
  uint8_t *const *sealedPages(int lane) const override { return lanes_[lane].sealed.data(); }
  int64_t layerOffset(int layer) const override;
  plx_kv view(int layer) const override;

  const PagePool &pool() const { return pool_; }
  const PagePool &sealedPool() const { return sealedPool_; }

private:
  struct Lane {
    std::vector<uint8_t *> pages; ///< One entry for each page of maxRows; null where there is none.
    std::vector<uint8_t *> sealed; ///< The same of sealed ones; empty where none are.
    int64_t first = 0;             ///< Pages before it were given back.
    int64_t end = 0;               ///< Pages from it on are null.
    int64_t settled = 0;           ///< Rows that were final already.
  };
  /// The first slot that a row after `committed` rows sees.
  int64_t firstVisible(int64_t committed) const;
  void drop(Lane &lane, int64_t begin, int64_t end);
  void moveRow(const Lane &lane, int64_t from, int64_t to);
  /// A page that only has its sealed form gets the other one again.
  Status reopen(Lane &lane, int64_t page);
  Status addSealed(Lane &lane, int64_t end);
  int64_t sealedOffset(int layer) const;

  StateInfo info_;
  KvSealedLayout sealedLayout_;
  int64_t pagesPerLane_;
  PagePool pool_, sealedPool_;
  std::vector<Lane> lanes_;
};

} // namespace plexus
