// Pages: shared until written, given back behind windows, moved row by row.
#include "runtime/state/KvState.h"

#include <gtest/gtest.h>

#include <limits>

namespace plexus::test {
namespace {

StateInfo makeInfo(int64_t window = 0) {
  StateInfo info;
  info.name = "kv";
  info.heads = 2;
  info.keyDim = 3;
  info.valueDim = 5;
  info.window = window;
  info.layers = {1, 4};
  return info;
}

/// The floats of one row of a layer, in the layout of runtime/abi/Call.h.
template <typename Fn>
void eachFloat(const KvState &state, int lane, int layer, int64_t slot, Fn fn) {
  auto *base = reinterpret_cast<float *>(state.pages(lane)[slot / PLX_PAGE_TOKENS] +
                                         state.layerOffset(layer));
  int64_t in = slot % PLX_PAGE_TOKENS;
  for (int i = 0; i < 2 * 3; ++i)
    fn(base[i * PLX_PAGE_TOKENS + in], i);
  base += 2 * 3 * PLX_PAGE_TOKENS;
  for (int h = 0; h < 2; ++h)
    for (int d = 0; d < 5; ++d)
      fn(base[(h * PLX_PAGE_TOKENS + in) * 5 + d], 6 + h * 5 + d);
}

void fill(const KvState &state, int lane, int64_t slot, float value) {
  for (int layer : {1, 4})
    eachFloat(state, lane, layer, slot,
              [&](float &f, int i) { f = value + layer * 100.0f + static_cast<float>(i); });
}

void expectRow(const KvState &state, int lane, int64_t slot, float value) {
  for (int layer : {1, 4})
    eachFloat(state, lane, layer, slot, [&](float &f, int i) {
      ASSERT_EQ(f, value + layer * 100.0f + static_cast<float>(i)) << "slot " << slot;
    });
}

TEST(KvState, LayersLieOneAfterTheOtherInAPage) {
  StateBudget budget;
  KvState state(makeInfo(), 100, budget);
  EXPECT_EQ(state.layerOffset(1), 0);
  EXPECT_EQ(state.layerOffset(4), 32 * 2 * (3 + 5) * 4);
}

TEST(KvState, WrittenPagesAreCopiedWhenShared) {
  StateBudget budget;
  KvState state(makeInfo(), 100, budget);
  state.open(0);
  ASSERT_TRUE(state.prepare(0, 0, 40));
  for (int64_t slot = 0; slot < 40; ++slot)
    fill(state, 0, slot, 1000.0f * slot);
  state.open(1);
  state.share(0, 1, 40);
  EXPECT_EQ(state.pool().pagesInUse(), 2);
  ASSERT_TRUE(state.prepare(1, 40, 41));
  EXPECT_EQ(state.pool().pagesInUse(), 3) << "only the page that is written was copied";
  EXPECT_EQ(state.pages(0)[0], state.pages(1)[0]);
  fill(state, 1, 39, 7);
  expectRow(state, 0, 39, 39000);
  expectRow(state, 1, 38, 38000);
  state.close(0);
  EXPECT_EQ(state.pool().pagesInUse(), 2);
  expectRow(state, 1, 0, 0);
}

TEST(KvState, PathsAreMovedAcrossPages) {
  StateBudget budget;
  KvState state(makeInfo(), 100, budget);
  state.open(0);
  ASSERT_TRUE(state.prepare(0, 0, 60));
  for (int64_t slot = 0; slot < 60; ++slot)
    fill(state, 0, slot, static_cast<float>(slot));
  const int32_t path[] = {0, 3, 4, 20};
  state.compact(0, 29, path);
  expectRow(state, 0, 28, 28);
  expectRow(state, 0, 29, 29);
  expectRow(state, 0, 30, 32);
  expectRow(state, 0, 31, 33);
  expectRow(state, 0, 32, 49);
}

/// The bits of one row of a state of bf16: keys in pairs of entries, values in pairs of tokens.
template <typename Fn>
void eachHalf(const KvState &state, int64_t slot, Fn fn) {
  auto *base = reinterpret_cast<uint16_t *>(state.pages(0)[slot / PLX_PAGE_TOKENS]);
  int64_t in = slot % PLX_PAGE_TOKENS;
  for (int h = 0; h < 2; ++h)
    for (int d = 0; d < 4; ++d)
      fn(base[((h * 2 + d / 2) * PLX_PAGE_TOKENS + in) * 2 + d % 2], h * 4 + d);
  base += 2 * 4 * PLX_PAGE_TOKENS;
  for (int h = 0; h < 2; ++h)
    for (int d = 0; d < 6; ++d)
      fn(base[((h * PLX_PAGE_TOKENS + in) / 2 * 6 + d) * 2 + in % 2], 8 + h * 6 + d);
}

TEST(KvState, PathsOfPairsAreMovedWithoutTheirNeighbours) {
  StateInfo info = makeInfo();
  info.form = KvForm::BF16;
  info.layers = {1};
  StateBudget budget;
  KvState state(info, 100, budget);
  state.open(0);
  ASSERT_TRUE(state.prepare(0, 0, 60));
  auto bits = [](int64_t slot, int i) { return static_cast<uint16_t>(slot * 100 + i); };
  for (int64_t slot = 0; slot < 60; ++slot)
    eachHalf(state, slot, [&](uint16_t &half, int i) { half = bits(slot, i); });
  const int32_t path[] = {0, 3, 4, 20};
  state.compact(0, 29, path);
  for (auto [slot, from] :
       {std::pair<int64_t, int64_t>{28, 28}, {29, 29}, {30, 32}, {31, 33}, {32, 49}, {33, 33}})
    eachHalf(state, slot, [&, slot = slot, from = from](uint16_t &half, int i) {
      ASSERT_EQ(half, bits(from, i)) << "slot " << slot;
    });
}

TEST(KvState, PagesBehindTheWindowAreGivenBackAndUsedAgain) {
  StateBudget budget;
  KvState state(makeInfo(10), 100000, budget);
  state.open(0);
  for (int64_t slot = 0; slot < 5000; ++slot) {
    ASSERT_TRUE(state.prepare(0, slot, slot + 1));
    state.settle(0, slot + 1, true);
    ASSERT_LE(state.pool().pagesInUse(), 2) << slot;
  }
  EXPECT_EQ(state.pages(0)[0], nullptr);
  EXPECT_FALSE(state.canTruncate(0, 4900));
  EXPECT_TRUE(state.canTruncate(0, 5000));
  EXPECT_TRUE(state.canTruncate(0, 0));
}

TEST(KvState, RecycledPagesComeBackZeroed) {
  StateBudget budget;
  KvState state(makeInfo(), 32, budget);
  state.open(0);
  ASSERT_TRUE(state.prepare(0, 0, 1));
  fill(state, 0, 5, std::numeric_limits<float>::quiet_NaN());
  state.close(0);
  state.open(0);
  ASSERT_TRUE(state.prepare(0, 0, 1));
  eachFloat(state, 0, 4, 5, [](float &f, int) { ASSERT_EQ(f, 0.0f); });
}

TEST(KvState, BudgetsAreKept) {
  StateBudget budget;
  budget.limit = makeInfo().pageBytes() * 2;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  EXPECT_EQ(state.prepare(0, 0, 65).code(), Code::ResourceExhausted);
  state.close(0);
  EXPECT_EQ(budget.used, 0);
  EXPECT_TRUE(state.prepare(0, 0, 64));
}

TEST(KvState, OtherElementTypesAreRefusedByName) {
  StateBudget budget;
  StateInfo info = makeInfo();
  info.dtype = DType::F16;
  Status status = createStateGroup(info, 10, budget).status();
  EXPECT_EQ(status.code(), Code::Unsupported);
  EXPECT_NE(status.message().find("F16"), std::string::npos);
}

} // namespace
} // namespace plexus::test
