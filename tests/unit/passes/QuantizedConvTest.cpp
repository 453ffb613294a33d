// Convolutions in bytes against their decomposition: a rounded input and weight, multiplied in f32.
#include "SegmentHarness.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

namespace plexus::compiler::test {
namespace {

struct Case {
  const char *name;
  std::vector<int64_t> input, kernel; ///< [C, S...], [O, C / groups, K...]
  int64_t quadAxis;
  std::vector<int64_t> output;
  std::string attributes; ///< Of the convolution, after the others.
  int64_t groups = 1;
};

const Case kCases[] = {
    {"ColumnsOfPaddedMaps",
     {1, 6, 40},
     {8, 1, 1, 11},
     3,
     {8, 6, 40},
     ", pads_begin = array<i64: 0, 5>, pads_end = array<i64: 0, 5>"},
    {"ChannelsWithStrides",
     {8, 1, 31},
     {10, 8, 1, 3},
     1,
     {10, 1, 15},
     ", strides = array<i64: 1, 2>"},
    {"LinesOfEachChannel",
     {6, 9, 20},
     {12, 1, 9, 1},
     2,
     {12, 1, 20},
     ", activation = #plx<activation_kind elu>",
     6},
    {"ColumnsWithHolesAndStrides",
     {5, 40},
     {7, 5, 6},
     2,
     {7, 10},
     ", strides = array<i64: 3>, dilations = array<i64: 2>"},
    {"EntriesAlone", {8, 3, 20}, {9, 8, 1, 1}, 1, {9, 3, 20}, ""},
    {"NarrowMaps",
     {4, 5, 6},
     {5, 4, 2, 3},
     1,
     {5, 6, 6},
     ", pads_begin = array<i64: 1, 1>, pads_end = array<i64: 1, 1>"},
    {"MoreFiltersThanABlock", {4, 33}, {70, 4, 5}, 1, {70, 29}, ""},
    {"GroupsOfLines",
     {6, 7, 19},
     {4, 3, 4, 2},
     2,
     {4, 3, 18},
     ", strides = array<i64: 2, 1>, pads_begin = array<i64: 1, 0>, pads_end = array<i64: 1, 0>",
     2},
};

int64_t product(const std::vector<int64_t> &sizes) {
  int64_t all = 1;
  for (int64_t size : sizes)
    all *= size;
  return all;
}

std::string dims(const std::vector<int64_t> &sizes) {
  std::string text;
  for (int64_t size : sizes)
    text += std::to_string(size) + "x";
  return text + "f32";
}

std::string textOf(const Case &c) {
  int64_t others = product(c.kernel) / c.kernel[0] / c.kernel[c.quadAxis];
  int64_t depth = others * ((c.kernel[c.quadAxis] + 3) / 4 * 4);
  std::string kernel;
  for (int64_t size : c.kernel)
    kernel += (kernel.empty() ? "" : ", ") + std::to_string(size);
  // What fills up quads is 0.
  std::string source = llvm::formatv("#plx.source<\"w\" : tensor<{0}x{1}x{2}xf32>>", c.kernel[0],
                                     others, c.kernel[c.quadAxis]);
  std::string parts = source;
  for (int64_t k = c.kernel[c.quadAxis]; k % 4 != 0; ++k)
    parts += ", #plx.scale<0.0 : f64, #plx.slice<2, 0, 1, " + source + ">>";
  std::string recipe =
      llvm::formatv("#plx.reshape<[{0}, {1}], #plx.concat<2, [{2}]>>", c.kernel[0], depth, parts);
  std::string weight =
      llvm::formatv("tensor<{0}x{1}xf32, #plx.packed<q8, group = channel>>", c.kernel[0], depth);
  std::string bias = llvm::formatv("tensor<{0}xf32>", c.kernel[0]);
  std::string x = "tensor<?x" + dims(c.input) + ">", y = "tensor<?x" + dims(c.output) + ">";
  std::string in = llvm::formatv("tensor<?x{0}xf32>", product(c.input));
  std::string out = llvm::formatv("tensor<?x{0}xf32>", product(c.output));
  const char *zero = "#plx.scale<0.0 : f64, #plx.source<\"s\" : tensor<1xf32>>>";
  return "plx.model @m {\nplx.weight @w : " + weight + " = " + recipe +
         "\nplx.weight @b : " + bias +
         " = #plx.source<\"b\">\nplx.weight @range : tensor<2xf32> = " +
         llvm::formatv("#plx.reshape<[2], #plx.concat<0, [#plx.offset<0.02 : f64, {0}>, "
                       "#plx.offset<-17.0 : f64, "
                       "{0}>]>>\n",
                       zero)
             .str() +
         "plx.segment @s(%x: " + in + ", %batch: !plx.batch) -> " + out +
         " {\n%w = plx.param @w : " + weight + "\n%b = plx.param @b : " + bias +
         "\n%r = plx.param @range : tensor<2xf32>\n%m = plx.reshape %x : " + in + " -> " + x +
         "\n%c = plx.quantized_conv %m, %w by %r bias %b {kernel = array<i64: " + kernel +
         ">, quad_axis = " + std::to_string(c.quadAxis) +
         " : i64, groups = " + std::to_string(c.groups) + " : i64" + c.attributes + "} : (" + x +
         ", " + weight + ", tensor<2xf32>, " + bias + ") -> " + y + "\n%z = plx.reshape %c : " + y +
         " -> " + out + "\nplx.return %z : " + out + "\n}\n}\n";
}

class QuantizedConv : public testing::TestWithParam<Case> {};

TEST_P(QuantizedConv, EqualsItsDecomposition) {
  std::string text = textOf(GetParam());
  CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
  for (int32_t rows : {1, 3}) {
    RaggedBatch batch({rows});
    std::vector<std::vector<float>> inputs{randomRows(rows, product(GetParam().input), 5)};
    expectNear(fast(batch, inputs)[0], decomposed(batch, inputs)[0], 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, QuantizedConv, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
} // namespace plexus::compiler::test
