// Choosing forms: errors of forms, and what a number of bytes is spent on.
#include "compiler/choose/FormErrors.h"
#include "compiler/choose/Spend.h"

#include <cmath>
#include <gmock/gmock.h>
#include <random>

using namespace plexus;
using namespace plexus::compiler;

namespace {

using Items = std::vector<std::vector<FormCost>>;

double errorOf(const Items &items, const std::vector<size_t> &picked) {
  double sum = 0;
  for (size_t i = 0; i < items.size(); ++i)
    sum += items[i][picked[i]].error;
  return sum;
}

uint64_t bytesOf(const Items &items, const std::vector<size_t> &picked) {
  uint64_t sum = 0;
  for (size_t i = 0; i < items.size(); ++i)
    sum += items[i][picked[i]].bytes;
  return sum;
}

TEST(Spend, TakesTheStepsThatGainMostForAByte) {
  Items items = {{{10, 9}, {20, 1}}, {{10, 4}, {20, 3}}, {{10, 1}}};
  EXPECT_EQ(spend(items, 40), (std::vector<size_t>{1, 0, 0}));
  EXPECT_EQ(spend(items, 50), (std::vector<size_t>{1, 1, 0}));
  EXPECT_EQ(spend(items, 30), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(spend(items, 29), std::nullopt);
}

TEST(Spend, StaysWithinAnyBudgetAndNeverGetsWorse) {
  std::mt19937 random(3);
  Items items(20);
  uint64_t least = 0, most = 0;
  for (auto &forms : items) {
    uint64_t size = 50 + random() % 1000;
    double scale = std::exp(double(random() % 8));
    for (uint64_t bits : {4, 5, 6, 8, 16})
      forms.push_back({size * bits, scale * std::pow(4.0, -double(bits))});
    least += forms.front().bytes;
    most += forms.back().bytes;
  }
  double last = INFINITY;
  for (uint64_t budget = least; budget <= most; budget += (most - least) / 50) {
    auto picked = spend(items, budget);
    ASSERT_TRUE(picked);
    EXPECT_LE(bytesOf(items, *picked), budget);
    EXPECT_GT(bytesOf(items, *picked), budget - (most - least) / 10);
    // Leftovers are spent greedily: a larger budget may be worse by a little, never by much.
    EXPECT_LT(errorOf(items, *picked), 1.05 * last);
    last = errorOf(items, *picked);
  }
  EXPECT_EQ(spend(items, most), std::vector<size_t>(20, 4));
}

TEST(FormErrors, FallWithBitsAndFollowImportance) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  SampledRows rows{96, std::vector<float>(8 * 96), {}};
  for (float &x : rows.x)
    x = normal(random);
  double last = 1;
  for (const char *form : {"q4:128", "q4", "q4m", "q5", "q6", "q8", "f32"}) {
    auto error = errorIn(*PackedForm::parse(form), rows);
    ASSERT_TRUE(error) << form;
    EXPECT_LT(*error, last) << form;
    last = *error;
  }
  EXPECT_EQ(last, 0);
  // Values on the grid of a form cost nothing in it, and what is never multiplied does not either.
  for (size_t i = 0; i < rows.x.size(); ++i)
    rows.x[i] = static_cast<float>(static_cast<int>(i * 7 % 16)) * 0.25f + 3;
  EXPECT_LT(*errorIn(*PackedForm::parse("q4m"), rows), 1e-9);
  EXPECT_GT(*errorIn(*PackedForm::parse("q4"), rows), 1e-4);
  rows.importance.assign(96, 0);
  EXPECT_EQ(*errorIn(*PackedForm::parse("q4"), rows), 0);
}

TEST(FormErrors, ValuesThatAreNotFiniteAreRefused) {
  SampledRows rows{32, std::vector<float>(32, NAN), {}};
  EXPECT_FALSE(errorIn(*PackedForm::parse("q4"), rows));
}

} // namespace
