// Keys and values in pages of 32 tokens: whole contexts, and windows as rings of pages.
#pragma once

#include "runtime/state/StateGroup.h"

#include <vector>

namespace plexus {

/// Pages hold all layers of the group, laid out as runtime/abi/Call.h says. With a window, pages
/// wholly behind what the next row sees are given back, so that a lane holds a ring of pages.
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
  void settle(int lane, int64_t committed) override;
  uint8_t *const *pages(int lane) const override { return lanes_[lane].pages.data(); }
  int64_t layerOffset(int layer) const override;

  const PagePool &pool() const { return pool_; }

private:
  struct Lane {
    std::vector<uint8_t *> pages; ///< One entry for each page of maxRows; null where there is none.
    int64_t first = 0;            ///< Pages before it were given back.
    int64_t end = 0;              ///< Pages from it on are null.
  };
  /// The first slot that a row after `committed` rows sees.
  int64_t firstVisible(int64_t committed) const;
  void drop(Lane &lane, int64_t begin, int64_t end);
  void moveRow(const Lane &lane, int64_t from, int64_t to);

  StateInfo info_;
  int64_t pagesPerLane_;
  PagePool pool_;
  std::vector<Lane> lanes_;
};

} // namespace plexus
