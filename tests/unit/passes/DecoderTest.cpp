// Ops of brain decoders: the code of the emitters against the decompositions, and against loops
// that are written as the papers have it.
#include "SegmentHarness.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

Floats randomValues(int64_t count, unsigned seed) { return randomRows(count, 1, seed); }
Floats bits(const std::vector<int32_t> &values) {
  Floats out;
  for (int32_t value : values)
    out.push_back(std::bit_cast<float>(value));
  return out;
}
std::vector<int32_t> integers(const Floats &values) {
  std::vector<int32_t> out(values.size());
  std::memcpy(out.data(), values.data(), values.size() * sizeof(float));
  return out;
}
void expectClose(const Floats &actual, const Floats &expected) {
  expectNear(actual, expected, 2e-5);
}

struct Both {
  explicit Both(const std::string &text) : fast(text, Path::Fast), plain(text, Path::Decomposed) {}
  CompiledSegment fast, plain;
};

//===--- Banks --------------------------------------------------------------------------------===//

constexpr const char *kBank = R"(plx.model @m {
  plx.weight @w : tensor<192x17xf32> = #plx.source<"w">
  plx.weight @b : tensor<3x20xf32> = #plx.source<"b">
  plx.segment @s(%x: tensor<?x17xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %w = plx.param @w : tensor<192x17xf32>
    %b = plx.param @b : tensor<3x20xf32>
    %y = brain.switched_linear %x, %i, %w bias %b {parts = 3 : i64, columns = 20 : i64} : (tensor<?x17xf32>, tensor<?xi32>, tensor<192x17xf32>, tensor<3x20xf32>) -> tensor<?x20xf32>
    plx.return %y : tensor<?x20xf32>
  }
})";

TEST(SwitchedLinear, EqualsItsDecompositionForAnyOrderOfLayers) {
  Both bank(kBank);
  std::mt19937 generator(3);
  for (int32_t rows : {1, 2, 7, 17, 65, 130}) {
    std::vector<int32_t> mixed(rows), runs(rows), outside(rows);
    for (int32_t t = 0; t < rows; ++t)
      mixed[t] = generator() % 3, runs[t] = t * 3 / rows, outside[t] = t % 2 ? -5 : 9;
    Floats x = randomValues(rows * 17, rows);
    for (const std::vector<int32_t> &index : {mixed, runs, outside})
      expectClose(bank.fast(RaggedBatch({rows}), {x, bits(index)})[0],
                  bank.plain(RaggedBatch({rows}), {x, bits(index)})[0]);
  }
}

TEST(SwitchedLinear, GivesARowTheSameBitsAloneAndAmongOthers) {
  CompiledSegment bank(kBank, Path::Fast);
  std::vector<int32_t> index(70);
  for (int32_t t = 0; t < 70; ++t)
    index[t] = t / 20 % 3;
  Floats x = randomValues(70 * 17, 5);
  Floats together = bank(RaggedBatch({70}), {x, bits(index)})[0];
  for (int32_t row : {0, 19, 20, 69}) {
    Floats one(x.begin() + row * 17, x.begin() + (row + 1) * 17);
    Floats alone = bank(RaggedBatch({1}), {one, bits({index[row]})})[0];
    EXPECT_EQ(std::memcmp(alone.data(), together.data() + row * 20, 20 * sizeof(float)), 0) << row;
  }
}

TEST(MergeBanks, ChoiceAndNeighboursBecomeOneSwitchedProduct) {
  // 12 -> 9, one of three layers 9 -> 11, 11 -> 5.
  std::string text = R"(plx.model @m {
  plx.weight @p : tensor<9x12xf32> = #plx.source<"p" : tensor<9x12xf32>>
  plx.weight @pb : tensor<9xf32> = #plx.source<"pb" : tensor<9xf32>>
  plx.weight @u0 : tensor<11x9xf32> = #plx.source<"u0" : tensor<11x9xf32>>
  plx.weight @u1 : tensor<11x9xf32> = #plx.source<"u1" : tensor<11x9xf32>>
  plx.weight @u2 : tensor<11x9xf32> = #plx.source<"u2" : tensor<11x9xf32>>
  plx.weight @b0 : tensor<11xf32> = #plx.source<"b0" : tensor<11xf32>>
  plx.weight @b1 : tensor<11xf32> = #plx.source<"b1" : tensor<11xf32>>
  plx.weight @b2 : tensor<11xf32> = #plx.source<"b2" : tensor<11xf32>>
  plx.weight @q : tensor<5x11xf32> = #plx.source<"q" : tensor<5x11xf32>>
  plx.weight @qb : tensor<5xf32> = #plx.source<"qb" : tensor<5xf32>>
  plx.segment @s(%x: tensor<?x12xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x5xf32> {
    %p = plx.param @p : tensor<9x12xf32>
    %pb = plx.param @pb : tensor<9xf32>
    %u0 = plx.param @u0 : tensor<11x9xf32>
    %u1 = plx.param @u1 : tensor<11x9xf32>
    %u2 = plx.param @u2 : tensor<11x9xf32>
    %b0 = plx.param @b0 : tensor<11xf32>
    %b1 = plx.param @b1 : tensor<11xf32>
    %b2 = plx.param @b2 : tensor<11xf32>
    %q = plx.param @q : tensor<5x11xf32>
    %qb = plx.param @qb : tensor<5xf32>
    %h = plx.linear %x, %p bias %pb : (tensor<?x12xf32>, tensor<9x12xf32>, tensor<9xf32>) -> tensor<?x9xf32>
    %y0 = plx.linear %h, %u0 bias %b0 : (tensor<?x9xf32>, tensor<11x9xf32>, tensor<11xf32>) -> tensor<?x11xf32>
    %y1 = plx.linear %h, %u1 bias %b1 : (tensor<?x9xf32>, tensor<11x9xf32>, tensor<11xf32>) -> tensor<?x11xf32>
    %y2 = plx.linear %h, %u2 bias %b2 : (tensor<?x9xf32>, tensor<11x9xf32>, tensor<11xf32>) -> tensor<?x11xf32>
    %y = brain.choose %i of %y0, %y1, %y2 : tensor<?xi32>, tensor<?x11xf32>, tensor<?x11xf32>, tensor<?x11xf32>
    %z = plx.linear %y, %q bias %qb : (tensor<?x11xf32>, tensor<5x11xf32>, tensor<5xf32>) -> tensor<?x5xf32>
    plx.return %z : tensor<?x5xf32>
  }
})";
  Both both(text);
  for (int32_t rows : {1, 5, 40}) {
    Floats x = randomValues(rows * 12, 9);
    std::vector<int32_t> index(rows);
    for (int32_t t = 0; t < rows; ++t)
      index[t] = (t * 7) % 3;
    expectClose(both.fast(RaggedBatch({rows}), {x, bits(index)})[0],
                both.plain(RaggedBatch({rows}), {x, bits(index)})[0]);
  }
  EXPECT_LE(both.fast.info().weights.size(), 2u); // A bank and its bias.
}

TEST(MergeBanks, GatheredMatricesAreABank) {
  for (bool transposed : {false, true}) {
    std::string shape = transposed ? "tensor<?x4x6xf32>" : "tensor<?x6x4xf32>";
    Both both("plx.model @m {\n plx.weight @t : tensor<7x24xf32> = #plx.source<\"t\" : "
              "tensor<7x24xf32>>\n plx.segment @s(%x: tensor<?x6xf32>, %i: tensor<?xi32>, "
              "%batch: !plx.batch) -> tensor<?x4xf32> {\n"
              " %t = plx.param @t : tensor<7x24xf32>\n"
              " %0 = plx.embedding %i, %t : (tensor<?xi32>, tensor<7x24xf32>) -> tensor<?x24xf32>\n"
              " %1 = plx.reshape %0 : tensor<?x24xf32> -> " +
              shape + "\n %2 = plx.reshape %x : tensor<?x6xf32> -> tensor<?x1x6xf32>\n" +
              " %3 = plx.matmul %2, %1 " + (transposed ? "transposed " : "") +
              ": (tensor<?x1x6xf32>, " + shape +
              ") -> tensor<?x1x4xf32>\n %4 = plx.reshape %3 : tensor<?x1x4xf32> -> "
              "tensor<?x4xf32>\n plx.return %4 : tensor<?x4xf32>\n }\n}");
    std::vector<int32_t> index{3, 3, 0, 6, 5, 5, 1, 2, 4, 4, 4};
    Floats x = randomValues(11 * 6, 17);
    expectClose(both.fast(RaggedBatch({11}), {x, bits(index)})[0],
                both.plain(RaggedBatch({11}), {x, bits(index)})[0]);
  }
}

TEST(OfSequence, GivesEachTokenWhatItsSequenceHas) {
  Both spread(R"(plx.model @m {
  plx.segment @s(%x: tensor<?x3xf32>, %i: tensor<?x3xf32> {plx.rows = "S"}, %batch: !plx.batch) -> tensor<?x3xf32> {
    %0 = brain.of_sequence %i, %batch : tensor<?x3xf32>
    %1 = plx.add %x, %0 : tensor<?x3xf32>, tensor<?x3xf32>
    plx.return %1 : tensor<?x3xf32>
  }
})");
  RaggedBatch batch({3, 0, 1, 9});
  Floats x = randomValues(13 * 3, 1), own = randomValues(4 * 3, 2);
  expectClose(spread.fast(batch, {x, own})[0], spread.plain(batch, {x, own})[0]);
}

//===--- Sequences ----------------------------------------------------------------------------===//

TEST(Context, EqualsItsDecomposition) {
  for (auto [taps, dilation, before] :
       std::vector<std::array<int, 3>>{{3, 1, 1}, {3, 16, 16}, {1, 1, 0}, {5, 2, 0}, {2, 3, 7}}) {
    std::string to = "tensor<?x" + std::to_string(taps * 19) + "xf32>";
    Both both("plx.model @m {\n plx.segment @s(%x: tensor<?x19xf32>, %batch: !plx.batch) -> " + to +
              " {\n %y = brain.context %x, %batch {taps = " + std::to_string(taps) +
              " : i64, dilation = " + std::to_string(dilation) + " : i64, before = " +
              std::to_string(before) + " : i64} : (tensor<?x19xf32>, !plx.batch) -> " + to +
              "\n plx.return %y : " + to + "\n }\n}");
    for (const std::vector<int32_t> &lengths :
         std::vector<std::vector<int32_t>>{{1}, {40}, {3, 0, 17, 1}}) {
      RaggedBatch batch(lengths);
      Floats x = randomValues(batch.view().tokens * 19, 4);
      expectClose(both.fast(batch, {x})[0], both.plain(batch, {x})[0]);
    }
  }
}

std::vector<int32_t> collapsed(const Floats &logits, int64_t labels, int32_t blank,
                               const std::vector<int32_t> &lengths) {
  std::vector<int32_t> out;
  size_t token = 0;
  for (int32_t length : lengths) {
    std::vector<int32_t> ids;
    int32_t last = -1;
    for (int32_t t = 0; t < length; ++t, ++token) {
      const float *row = logits.data() + token * labels;
      auto best = static_cast<int32_t>(std::max_element(row, row + labels) - row);
      if (best != last && best != blank)
        ids.push_back(best);
      last = best;
    }
    ids.resize(length, -1);
    out.insert(out.end(), ids.begin(), ids.end());
  }
  return out;
}

TEST(CtcCollapse, DropsRepetitionsThenBlanks) {
  Both both(R"(plx.model @m {
  plx.segment @s(%x: tensor<?x3xf32>, %batch: !plx.batch) -> tensor<?xi32> {
    %y = brain.ctc_collapse %x, %batch {blank = 2 : i64} : (tensor<?x3xf32>, !plx.batch) -> tensor<?xi32>
    plx.return %y : tensor<?xi32>
  }
})");
  for (const std::vector<int32_t> &lengths :
       std::vector<std::vector<int32_t>>{{1}, {65}, {7, 0, 1, 30}}) {
    RaggedBatch batch(lengths);
    Floats x = randomValues(batch.view().tokens * 3, 8);
    std::vector<int32_t> expected = collapsed(x, 3, 2, lengths);
    EXPECT_EQ(integers(both.fast(batch, {x})[0]), expected);
    EXPECT_EQ(integers(both.plain(batch, {x})[0]), expected);
  }
}

TEST(CtcCollapse, PiecesGiveTheIdsOfTheWhole) {
  Both both(R"(plx.model @m {
  plx.state @last kind = replace : !plx.carry<1>
  plx.segment @s(%x: tensor<?x2xf32>, %batch: !plx.batch) -> tensor<?xi32> {
    %l = plx.get_state @last : !plx.carry<1>
    %y = brain.ctc_collapse %x, %batch state %l {blank = 0 : i64} : (tensor<?x2xf32>, !plx.batch, !plx.carry<1>) -> tensor<?xi32>
    plx.return %y : tensor<?xi32>
  }
})");
  Floats x = randomValues(40 * 2, 12);
  auto ids = [](std::vector<int32_t> rows) {
    std::erase(rows, -1);
    return rows;
  };
  std::vector<int32_t> whole = ids(collapsed(x, 2, 0, {40}));
  for (const CompiledSegment *segment : {&both.fast, &both.plain}) {
    std::vector<float> slots[2] = {Floats(kSlotFloats * 2, 0.f), Floats(kSlotFloats * 2, 0.f)};
    std::vector<int32_t> pieces;
    int32_t begin = 0, turn = 0;
    for (int32_t size : {1, 6, 17, 16}) {
      RaggedBatch batch({size});
      batch.carryFrom.assign(size, nullptr);
      batch.carryTo.assign(size, nullptr);
      batch.carryFrom.front() = reinterpret_cast<const uint8_t *>(slots[turn % 2].data());
      batch.carryTo.back() = reinterpret_cast<uint8_t *>(slots[(turn + 1) % 2].data());
      Floats part(x.begin() + begin * 2, x.begin() + (begin + size) * 2);
      for (int32_t id : ids(integers((*segment)(batch, {part})[0])))
        pieces.push_back(id);
      begin += size, ++turn;
    }
    EXPECT_EQ(pieces, whole);
  }
}

//===--- Sensors ------------------------------------------------------------------------------===//

TEST(SensorAttention, EqualsItsDecompositionForAnyNumberOfSensors) {
  for (auto [harmonics, channels] : std::vector<std::pair<int, int>>{{6, 16}, {9, 37}, {1, 1}}) {
    std::string table = "tensor<" + std::to_string(harmonics) + "x" + std::to_string(harmonics) +
                        "x" + std::to_string(channels) + "xf32>",
                to = "tensor<?x" + std::to_string(channels) + "xf32>";
    std::string all = "tensor<?x21xf32>, tensor<21x2xf32>, " + table + ", " + table;
    Both both("plx.model @m {\n plx.weight @c : " + table +
              " = #plx.source<\"c\">\n plx.weight @s : " + table +
              " = #plx.source<\"s\">\n plx.segment @a(%x: tensor<?x21xf32>, %p: tensor<21x2xf32>, "
              "%n: tensor<1xi32>, %batch: !plx.batch) -> " +
              to + " {\n %c = plx.param @c : " + table + "\n %s = plx.param @s : " + table +
              "\n %y = brain.sensor_attention %x, %p, %c, %s count %n : (" + all +
              ", tensor<1xi32>) -> " + to + "\n plx.return %y : " + to + "\n }\n}");
    Floats positions = randomValues(42, 6);
    for (float &p : positions)
      p = std::abs(p) - std::floor(std::abs(p));
    for (int32_t sensors : {1, 5, 8, 21})
      for (int32_t rows : {1, 7, 100}) {
        Floats x = randomValues(rows * 21, 7);
        for (size_t i = 0; i < x.size(); ++i)
          if (static_cast<int32_t>(i % 21) >= sensors)
            x[i] = NAN; // What is not there is not read.
        RaggedBatch batch({rows});
        expectClose(both.fast(batch, {x, positions, bits({sensors})})[0],
                    both.plain(batch, {x, positions, bits({sensors})})[0]);
      }
  }
}

//===--- Retrieval ----------------------------------------------------------------------------===//

constexpr const char *kRetrieve = R"(plx.model @m {
  plx.segment @s(%x: tensor<?x77xf32>, %g: tensor<90x77xf32>, %n: tensor<1xi32>, %batch: !plx.batch) -> (tensor<?x90xf32>, tensor<?x7xi32>) {
    %c, %t = brain.retrieve %x, %g count %n {top_k = 7 : i64} : (tensor<?x77xf32>, tensor<90x77xf32>, tensor<1xi32>) -> (tensor<?x90xf32>, tensor<?x7xi32>)
    plx.return %c, %t : tensor<?x90xf32>, tensor<?x7xi32>
  }
})";

TEST(Retrieve, FindsTheBestOfTheRowsThatAreThere) {
  Both both(kRetrieve);
  Floats gallery = randomValues(90 * 77, 2);
  for (int32_t d = 0; d < 77; ++d) {
    gallery[40 * 77 + d] = gallery[3 * 77 + d]; // Equal rows: the earlier one first.
    gallery[5 * 77 + d] = 0;
    gallery[6 * 77 + d] = NAN;
  }
  for (int32_t count : {1, 4, 41, 90})
    for (int32_t rows : {1, 5}) {
      Floats x = randomValues(rows * 77, 11);
      std::copy_n(gallery.begin() + 3 * 77, 77, x.begin());
      auto fast = both.fast(RaggedBatch({rows}), {x, gallery, bits({count})});
      auto plain = both.plain(RaggedBatch({rows}), {x, gallery, bits({count})});
      expectClose(fast[0], plain[0]);
      EXPECT_EQ(integers(fast[1]), integers(plain[1])) << count;
      std::vector<int32_t> top = integers(fast[1]);
      if (count > 3)
        EXPECT_EQ(top[0], 3);
      if (count > 40)
        EXPECT_EQ(top[1], 40);
      for (int32_t j = count; j < 7; ++j)
        EXPECT_EQ(top[j], -1);
      EXPECT_EQ(std::count(top.begin(), top.end(), 6), 0); // NaN is never among the best.
    }
}

//===--- Codes --------------------------------------------------------------------------------===//

/// Nearest codes in double, one codebook after another.
std::vector<int32_t> nearest(const float *x, const Floats &books, int64_t count, int64_t size,
                             int64_t width, bool cosine) {
  std::vector<double> rest(x, x + width);
  std::vector<int32_t> codes;
  for (int64_t q = 0; q < count; ++q) {
    double best = INFINITY;
    int32_t chosen = 0;
    for (int64_t k = 0; k < size; ++k) {
      const float *code = books.data() + (q * size + k) * width;
      double distance = 0, dot = 0, length = 0;
      for (int64_t d = 0; d < width; ++d) {
        distance += (rest[d] - code[d]) * (rest[d] - code[d]);
        dot += rest[d] * code[d], length += double(code[d]) * code[d];
      }
      double value = cosine ? -dot / std::max(std::sqrt(length), 1e-12) : distance;
      if (value < best)
        best = value, chosen = static_cast<int32_t>(k);
    }
    codes.push_back(chosen);
    for (int64_t d = 0; d < width; ++d)
      rest[d] -= books[(q * size + chosen) * width + d];
  }
  return codes;
}

TEST(VectorQuantize, FindsTheNearestCodesInACascade) {
  for (bool cosine : {false, true})
    for (int64_t count : {1, 3}) {
      std::string books = "tensor<" + std::to_string(count) + "x33x45xf32>",
                  codes = "tensor<?x" + std::to_string(count) + "xi32>";
      Both both("plx.model @m {\n plx.segment @s(%x: tensor<?x45xf32>, %z: " + books +
                ", %batch: !plx.batch) -> (tensor<?x45xf32>, " + codes +
                ") {\n %y, %i = brain.vector_quantize %x, %z " + (cosine ? "{cosine} " : "") +
                ": tensor<?x45xf32>, " + books + " -> tensor<?x45xf32>, " + codes +
                "\n plx.return %y, %i : tensor<?x45xf32>, " + codes + "\n }\n}");
      Floats z = randomValues(count * 33 * 45, 21);
      for (int32_t rows : {1, 7, 65}) {
        Floats x = randomValues(rows * 45, 22);
        auto fast = both.fast(RaggedBatch({rows}), {x, z});
        auto plain = both.plain(RaggedBatch({rows}), {x, z});
        expectClose(fast[0], plain[0]);
        EXPECT_EQ(fast[1].size(), static_cast<size_t>(rows * count));
        std::vector<int32_t> expected;
        for (int32_t t = 0; t < rows; ++t)
          for (int32_t code : nearest(x.data() + t * 45, z, count, 33, 45, cosine))
            expected.push_back(code);
        EXPECT_EQ(integers(fast[1]), expected);
        EXPECT_EQ(integers(plain[1]), expected);
      }
      // The same vectors, 13 to a row.
      std::string lists = "tensor<?x5x13x45xf32>",
                  numbers = "tensor<?x5x13x" + std::to_string(count) + "xi32>";
      Both nested("plx.model @m {\n plx.segment @s(%x: " + lists + ", %z: " + books +
                  ", %batch: !plx.batch) -> (" + lists + ", " + numbers +
                  ") {\n %y, %i = brain.vector_quantize %x, %z " + (cosine ? "{cosine} " : "") +
                  ": " + lists + ", " + books + " -> " + lists + ", " + numbers +
                  "\n plx.return %y, %i : " + lists + ", " + numbers + "\n }\n}");
      Floats flat = randomValues(65 * 45, 22);
      auto whole = both.fast(RaggedBatch({65}), {flat, z});
      EXPECT_EQ(integers(nested.fast(RaggedBatch({1}), {flat, z})[1]), integers(whole[1]));
      EXPECT_EQ(integers(nested.plain(RaggedBatch({1}), {flat, z})[1]), integers(whole[1]));
      EXPECT_EQ(nested.fast(RaggedBatch({1}), {flat, z})[0], whole[0]);
      Floats broken(45, NAN); // Code 0, by both ways.
      EXPECT_EQ(integers(both.fast(RaggedBatch({1}), {broken, z})[1])[0], 0);
      EXPECT_EQ(integers(both.plain(RaggedBatch({1}), {broken, z})[1])[0], 0);
    }
}

} // namespace
} // namespace plexus::compiler::test
