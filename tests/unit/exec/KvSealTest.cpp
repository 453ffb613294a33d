// Pages of keys and values in 4 bits: what they keep, and states that seal their pages.
#include "runtime/state/KvSeal.h"

#include "runtime/state/KvState.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace plexus::test {
namespace {

constexpr int64_t kTokens = PLX_PAGE_TOKENS;

float widen(uint16_t half) {
  uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

uint16_t narrow(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>(bits >> 16);
}

/// One layer of a page that is not sealed.
struct Page {
  KvSealedLayout layout;
  std::vector<uint16_t> halves;

  explicit Page(const KvSealedLayout &layout) : layout(layout) {
    KvPartLayout keys{KvForm::BF16, layout.heads, layout.keyDim};
    KvPartLayout values{KvForm::BF16, layout.heads, layout.valueDim};
    halves.resize((keys.bytes() + values.bytes()) / 2);
  }
  uint16_t &key(int64_t h, int64_t t, int64_t d) {
    int64_t padded = (layout.keyDim + 1) / 2 * 2;
    return halves[((h * padded + d) / 2 * kTokens + t) * 2 + d % 2];
  }
  uint16_t &value(int64_t h, int64_t t, int64_t d) {
    int64_t keys = layout.heads * ((layout.keyDim + 1) / 2 * 2) * kTokens;
    int64_t padded = (layout.valueDim + 1) / 2 * 2;
    return halves[keys + ((h * kTokens + t) / 2 * padded + d) * 2 + t % 2];
  }
  void fill(unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    for (int64_t h = 0; h < layout.heads; ++h)
      for (int64_t t = 0; t < kTokens; ++t) {
        for (int64_t d = 0; d < layout.keyDim; ++d)
          key(h, t, d) = narrow(normal(generator) + 10.0f * static_cast<float>(d % 3));
        for (int64_t d = 0; d < layout.valueDim; ++d)
          value(h, t, d) = narrow(normal(generator));
      }
  }
  std::vector<uint8_t> sealed() const {
    std::vector<uint8_t> bytes(layout.bytes());
    sealLayer(layout, reinterpret_cast<const uint8_t *>(halves.data()), bytes.data());
    return bytes;
  }
  static Page opened(const KvSealedLayout &layout, const std::vector<uint8_t> &sealed) {
    Page page(layout);
    unsealLayer(layout, sealed.data(), reinterpret_cast<uint8_t *>(page.halves.data()));
    return page;
  }
};

TEST(KvSeal, EntriesStayWithinHalfAStepOfTheirVectors) {
  for (auto [keyDim, valueDim] :
       {std::pair<int64_t, int64_t>{64, 64}, {17, 5}, {128, 96}, {2, 33}}) {
    Page page({3, keyDim, valueDim});
    page.fill(7);
    Page back = Page::opened(page.layout, page.sealed());
    for (int64_t h = 0; h < 3; ++h)
      for (int64_t t = 0; t < kTokens; ++t) {
        // A range of some 4.5 in 15 steps, and keys of up to 24 as bf16.
        for (int64_t d = 0; d < keyDim; ++d)
          ASSERT_NEAR(widen(back.key(h, t, d)), widen(page.key(h, t, d)), 0.3) << h << t << d;
        for (int64_t d = 0; d < valueDim; ++d)
          ASSERT_NEAR(widen(back.value(h, t, d)), widen(page.value(h, t, d)), 0.27) << h << t << d;
      }
  }
}

TEST(KvSeal, OutliersAreKeptAndDoNotStretchTheRangeOfOthers) {
  Page page({2, 64, 64});
  page.fill(3);
  page.key(1, 13, 40) = narrow(300);
  page.value(0, 31, 63) = narrow(-200);
  Page back = Page::opened(page.layout, page.sealed());
  EXPECT_EQ(widen(back.key(1, 13, 40)), 300);
  EXPECT_EQ(widen(back.value(0, 31, 63)), -200);
  for (int64_t t = 0; t < kTokens; ++t)
    if (t != 13)
      EXPECT_NEAR(widen(back.key(1, t, 40)), widen(page.key(1, t, 40)), 0.3) << t;
  for (int64_t d = 32; d < 63; ++d)
    EXPECT_NEAR(widen(back.value(0, 31, d)), widen(page.value(0, 31, d)), 0.27) << d;
}

TEST(KvSeal, EqualEntriesAndNumbersThatAreNoneDoNoHarm) {
  Page page({1, 8, 8});
  Page back = Page::opened(page.layout, page.sealed());
  for (uint16_t half : back.halves)
    EXPECT_EQ(widen(half), 0);
  page.fill(1);
  page.key(0, 4, 2) = 0x7fc0;   // NaN
  page.value(0, 9, 1) = 0x7f80; // infinity
  page.sealed();                // runs, and reads no memory that is not its own (ASan)
}

TEST(KvSeal, OutliersAreChosenWhereManyEntriesAreNoNumbers) {
  Page page({1, 64, 64});
  page.fill(5);
  for (int64_t d = 0; d < 64; d += 3)
    for (int64_t t : {1, 2, 30}) {
      page.key(0, t, d) = t == 2 ? 0xff80 : 0x7f80; // infinities: ranges without a difference
      page.value(0, t, d) = d % 2 ? 0x7fc0 : 0xff80;
    }
  page.key(0, 13, 40) = narrow(300);
  Page back = Page::opened(page.layout, page.sealed());
  EXPECT_EQ(widen(back.key(0, 13, 40)), 300);
}

TEST(KvSeal, BytesOfATokenAreUnderAThirdOfBf16) {
  for (int64_t dim : {64, 128}) {
    KvSealedLayout layout{4, dim, dim};
    EXPECT_LE(static_cast<double>(layout.bytes()) / (4 * 2 * dim * 2 * kTokens), 0.30) << dim;
  }
}

//===--- States ---===//

class Sealing : public testing::Test {
protected:
  static StateInfo makeInfo(int64_t window = 0) {
    StateInfo info;
    info.name = "kv";
    info.heads = 2, info.keyDim = 6, info.valueDim = 10;
    info.window = window;
    info.form = KvForm::Int4;
    info.layers = {1, 4};
    return info;
  }

  /// What generated code does for rows [begin, end) of a lane: writes rows, seals pages. Row r of
  /// layer l holds the number `tag + r` in all places.
  void run(KvState &state, int lane, int64_t begin, int64_t end, float tag) {
    ASSERT_TRUE(state.prepare(lane, begin, end));
    for (int64_t row = begin; row < end; ++row)
      write(state, lane, row, tag + static_cast<float>(row));
    seal(state, lane, end);
  }
  void seal(KvState &state, int lane, int64_t end) {
    for (int layer : {1, 4}) {
      plx_kv view = state.view(layer);
      for (int64_t p = 0; p < (end - 1) / kTokens - 1; ++p)
        if (state.pages(lane)[p] && state.sealedPages(lane)[p])
          view.seal(&view, state.pages(lane)[p], state.sealedPages(lane)[p]);
    }
  }
  void commitInOrder(KvState &state, int lane, int64_t begin, int64_t end, float tag = 0) {
    run(state, lane, begin, end, tag);
    state.settle(lane, end, true);
  }

  uint16_t *layerOf(const KvState &state, int lane, int64_t row, int layer) {
    return reinterpret_cast<uint16_t *>(state.pages(lane)[row / kTokens] +
                                        state.layerOffset(layer));
  }
  void write(KvState &state, int lane, int64_t row, float number) {
    auto *positions = reinterpret_cast<int32_t *>(state.pages(lane)[row / kTokens]);
    positions[row % kTokens] = static_cast<int32_t>(number);
    for (int layer : {1, 4})
      eachHalf(layerOf(state, lane, row, layer), row % kTokens,
               [&](uint16_t &half) { half = narrow(number); });
  }
  template <typename Fn>
  static void eachHalf(uint16_t *base, int64_t t, Fn fn) {
    for (int64_t i = 0; i < 2 * 6; ++i)
      fn(base[(i / 2 * kTokens + t) * 2 + i % 2]);
    for (int64_t h = 0; h < 2; ++h)
      for (int64_t d = 0; d < 10; ++d)
        fn(base[2 * 6 * kTokens + ((h * kTokens + t) / 2 * 10 + d) * 2 + t % 2]);
  }
  void expectRow(const KvState &state, int lane, int64_t row, float number, float bound = 0.5f) {
    uint8_t *page = state.pages(lane)[row / kTokens];
    ASSERT_NE(page, nullptr) << row;
    EXPECT_EQ(reinterpret_cast<int32_t *>(page)[row % kTokens], static_cast<int32_t>(number));
    for (int layer : {1, 4})
      eachHalf(layerOf(state, lane, row, layer), row % kTokens, [&](uint16_t half) {
        EXPECT_NEAR(widen(half), number, bound + number / 128) << row;
      });
  }
};

TEST_F(Sealing, PagesAreGivenBackOnceARowHasReadTheirSmallForm) {
  StateBudget budget;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  for (int64_t row = 0; row < 300; ++row) {
    commitInOrder(state, 0, row, row + 1);
    int64_t sealed = std::max<int64_t>(0, row / kTokens - 1);
    ASSERT_EQ(state.pool().pagesInUse(), row / kTokens + 1 - sealed) << row;
    ASSERT_EQ(state.sealedPool().pagesInUse(), sealed) << row;
    ASSERT_LE(state.pool().pagesInUse(), 2);
  }
  // In one go, the same pages remain.
  state.open(1);
  commitInOrder(state, 1, 0, 300);
  for (int64_t p = 0; p < 10; ++p) {
    EXPECT_EQ(!state.pages(0)[p], !state.pages(1)[p]) << p;
    if (!state.pages(0)[p])
      EXPECT_EQ(std::memcmp(state.sealedPages(0)[p], state.sealedPages(1)[p],
                            makeInfo().sealedPageBytes()),
                0)
          << p;
  }
  state.close(0);
  state.close(1);
  EXPECT_EQ(budget.used, 0);
}

TEST_F(Sealing, ForksShareSealedPagesAndWriteTheirOwn) {
  StateBudget budget;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  commitInOrder(state, 0, 0, 140); // sealed: 0, 1, 2; open: 3, 4
  state.open(1);
  state.share(0, 1, 140);
  EXPECT_EQ(state.sealedPages(0)[2], state.sealedPages(1)[2]);
  EXPECT_EQ(state.pages(0)[3], state.pages(1)[3]);
  commitInOrder(state, 1, 140, 200, 1000);
  commitInOrder(state, 0, 140, 200);
  expectRow(state, 0, 199, 199);
  expectRow(state, 1, 199, 1199);
  expectRow(state, 1, 170, 1170);
  EXPECT_NE(state.sealedPages(0)[4], state.sealedPages(1)[4]);
  state.close(0);
  EXPECT_NE(state.sealedPages(1)[0], nullptr);
}

TEST_F(Sealing, TruncationIntoASealedPageOpensIt) {
  StateBudget budget;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  commitInOrder(state, 0, 0, 300);
  ASSERT_TRUE(state.canTruncate(0, 40));
  state.truncate(0, 40);
  EXPECT_EQ(state.pages(0)[1], nullptr) << "opened when it is written";
  state.open(1);
  state.share(0, 1, 40); // a fork of what is not opened yet
  commitInOrder(state, 0, 40, 41, 500);
  for (int64_t row : {32, 39})
    expectRow(state, 0, row, static_cast<float>(row), 1.5f); // steps of 31 / 15
  expectRow(state, 0, 40, 540);
  EXPECT_EQ(state.sealedPages(0)[1], nullptr);
  EXPECT_NE(state.sealedPages(0)[0], nullptr);
  commitInOrder(state, 0, 41, 200, 500);
  EXPECT_NE(state.sealedPages(0)[1], nullptr) << "sealed again";
  commitInOrder(state, 1, 40, 60, 900);
  expectRow(state, 1, 40, 940);
  expectRow(state, 1, 35, 35, 1.5f);
}

TEST_F(Sealing, PathsOfATreeAreMovedBeforeTheyAreSealed) {
  StateBudget budget;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  commitInOrder(state, 0, 0, 90);
  run(state, 0, 90, 120, 0); // pending: a tree
  const int32_t path[] = {0, 2, 3, 7, 8, 9, 20, 29};
  state.compact(0, 90, path);
  state.settle(0, 98, false);
  EXPECT_EQ(state.pages(0)[1], nullptr) << "its rows were final when the tree ran";
  expectRow(state, 0, 90, 90);
  expectRow(state, 0, 91, 92);
  expectRow(state, 0, 96, 110);
  expectRow(state, 0, 97, 119);
  // What was sealed for the tree and not given back is sealed again with the rows that it has now.
  commitInOrder(state, 0, 98, 170);
  KvState other(makeInfo(), 1000, budget);
  other.open(0);
  run(other, 0, 0, 90, 0);
  const float moved[] = {90, 92, 93, 97, 98, 99, 110, 119};
  ASSERT_TRUE(other.prepare(0, 90, 98));
  for (int64_t i = 0; i < 8; ++i)
    write(other, 0, 90 + i, moved[i]);
  seal(other, 0, 98);
  other.settle(0, 98, true);
  commitInOrder(other, 0, 98, 170);
  for (int64_t p = 0; p < 4; ++p)
    EXPECT_EQ(
        std::memcmp(state.sealedPages(0)[p], other.sealedPages(0)[p], makeInfo().sealedPageBytes()),
        0)
        << p;
}

TEST_F(Sealing, PagesOfPendingRowsStayOpenForOneCommitMore) {
  StateBudget budget;
  KvState state(makeInfo(), 1000, budget);
  state.open(0);
  commitInOrder(state, 0, 0, 60);
  run(state, 0, 60, 140, 0);
  state.settle(0, 140, false);
  EXPECT_EQ(state.pages(0)[0], nullptr);
  EXPECT_NE(state.pages(0)[1], nullptr) << "it held pending rows when row 139 ran";
  commitInOrder(state, 0, 140, 141);
  EXPECT_EQ(state.pages(0)[1], nullptr);
}

TEST_F(Sealing, WindowsGiveBackBothForms) {
  StateBudget budget;
  KvState state(makeInfo(100), 100000, budget);
  state.open(0);
  for (int64_t row = 0; row < 5000; ++row) {
    commitInOrder(state, 0, row, row + 1);
    ASSERT_LE(state.pool().pagesInUse(), 2) << row;
    ASSERT_LE(state.sealedPool().pagesInUse(), 4) << row;
  }
  EXPECT_EQ(state.sealedPages(0)[100], nullptr);
}

TEST_F(Sealing, HeadsThatAreTooLongAreRefusedByName) {
  StateBudget budget;
  StateInfo info = makeInfo();
  info.keyDim = 4096;
  Status status = createStateGroup(info, 10, budget).status();
  EXPECT_EQ(status.code(), Code::Unsupported);
  EXPECT_NE(status.message().find("4096"), std::string::npos);
}

} // namespace
} // namespace plexus::test
