// Panels of plain floats from quantized blocks, in the layouts that oneDNN reads.
#include "passes/lower/cpu/emit/Panel.h"
#include "tests/unit/emit/Harness.h"
#include "tests/unit/emit/Packing.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;
using plexus::PackedForm;

namespace {

/// Blocks [1, 3) of a weight of 200 columns, decoded.
void checkPanel(const Isa &isa, const char *text, bool pairs) {
  SCOPED_TRACE(isa.name.str() + " " + text + (pairs ? " bf16" : " f32"));
  ProductSpec product{128, 200, *PackedForm::parse(text)};
  PackedWeight weight = packed(product, 1);
  PanelSpec spec{product.form, product.k, pairs, 2};
  ASSERT_TRUE(spec.fits());
  std::vector<char> panel(spec.bytes() + 64, 77);
  Compiler compiler;
  Compiled code = compiler.compile(
      isa, {compiler.bytes(), compiler.index(), compiler.index(), compiler.bytes()},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        emitPanel(b, loc, isa, spec, args[0], args[1], args[2], args[3]);
      });
  code(Buffer::vector(weight.bytes.data(), weight.bytes.size()), 1, 2,
       Buffer::vector(panel.data(), panel.size()));
  for (int64_t block : {0, 1})
    for (int64_t k = 0; k < spec.k; ++k)
      for (int64_t column = 0; column < 64; ++column) {
        float want = weight.at(k, (block + 1) * 64 + column), got;
        if (pairs) { // BA16a64b2a: [k / 2][64][2]
          uint16_t half;
          int64_t place = (block * spec.k + k / 2 * 2) * 64 + 2 * column + k % 2;
          std::memcpy(&half, &panel[2 * place], 2);
          got = fromBf16(half);
          want = fromBf16(toBf16(want));
        } else {
          std::memcpy(&got, &panel[4 * ((block * spec.k + k) * 64 + column)], 4);
        }
        ASSERT_EQ(got, want) << k << ", " << column;
      }
  EXPECT_EQ(panel[spec.bytes()], 77) << "written past the end";
}

TEST(Panel, HoldsTheDecodedBlocks) {
  for (const Isa &isa : testIsas())
    for (const char *form : {"q8", "q4m:64", "q8:channel", "fp4"})
      for (bool pairs : {false, true})
        if (!pairs || isa.bf16Dot) // elsewhere rounding to bf16 is a call of the C library
          checkPanel(isa, form, pairs);
}

TEST(Panel, NeedsWholeGroups) {
  EXPECT_FALSE((PanelSpec{*PackedForm::parse("q4:128"), 576}.fits()));
  EXPECT_TRUE((PanelSpec{*PackedForm::parse("q4"), 576}.fits()));
  EXPECT_FALSE((PanelSpec{*PackedForm::parse("q8:channel"), 100}.fits()));
}

} // namespace
