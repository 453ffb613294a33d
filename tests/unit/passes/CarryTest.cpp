// Recurrences: the fast path against the decomposition, whole sequences against pieces, draft trees
// against their paths.
#include "SegmentHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

/// Slots of two states each, with what no one wrote being NaN; aligned as the runtime's are.
class Slots {
public:
  uint8_t *fresh(float value) { return keep(Floats(3 * kSlotFloats, value)); }
  uint8_t *random(unsigned seed) { return keep(randomRows(3, kSlotFloats, seed)); }

private:
  uint8_t *keep(Floats floats) {
    constexpr size_t kLine = 64;
    size_t size = floats.size() * sizeof(float);
    floats.resize(floats.size() + kLine / sizeof(float));
    memory.push_back(std::move(floats));
    Floats &kept = memory.back();
    size_t past = reinterpret_cast<uintptr_t>(kept.data()) % kLine;
    auto *begin = reinterpret_cast<uint8_t *>(kept.data());
    if (past != 0)
      std::memmove(begin + kLine - past, begin, size);
    return begin + (kLine - past) % kLine;
  }

  std::deque<Floats> memory;
};

Floats stateIn(const uint8_t *slot, int64_t size) {
  Floats state(size);
  std::memcpy(state.data(), slot + carryPlace(0) * sizeof(float), size * sizeof(float));
  return state;
}

/// A segment over x [T, columns] with one recurrence, and the elements of its state.
struct Case {
  const char *name;
  int64_t columns, state;
  std::string weights, op; ///< op: from %x to %y : tensor<?x{out}xf32>, `STATE` where one goes
  int64_t out;
  std::string stateType;
};

std::string textOf(const Case &test, bool keeps, bool reverse = false,
                   const std::string &form = "form recurrent") {
  std::string op = test.op;
  auto replace = [&](const std::string &from, const std::string &to) {
    if (size_t at = op.find(from); at != std::string::npos)
      op.replace(at, from.size(), to);
  };
  replace("STATE", keeps ? "state %h" : "");
  replace("TYPE", keeps ? ", " + test.stateType : "");
  replace("FORM", form);
  replace("FLAGS", reverse ? "reverse" : "");
  replace("COMMA", reverse ? ", reverse" : "");
  std::string type = "tensor<?x" + std::to_string(test.out) + "xf32>";
  return "plx.model @m {\n" + test.weights +
         (keeps ? "plx.state @h kind = replace : " + test.stateType + "\n" : "") +
         "plx.segment @s(%x: tensor<?x" + std::to_string(test.columns) +
         "xf32>, %batch: !plx.batch) -> " + type + " {\n" +
         (keeps ? "%h = plx.get_state @h : " + test.stateType + "\n" : "") + op +
         "\nplx.return %y : " + type + "\n}\n}\n";
}

const Case kCases[] = {
    {"CausalConv", 52, 3 * 52,
     "plx.weight @w : tensor<4x52xbf16> = #plx.source<\"w\">\n"
     "plx.weight @b : tensor<52xf32> = #plx.source<\"b\">\n",
     R"(%w = plx.param @w : tensor<4x52xbf16>
        %b = plx.param @b : tensor<52xf32>
        %y = ssm.causal_conv %x, %w, %batch bias %b STATE {activation = #plx<activation_kind silu>COMMA} : (tensor<?x52xf32>, tensor<4x52xbf16>, !plx.batch, tensor<52xf32>TYPE) -> tensor<?x52xf32>)",
     52, "!plx.carry<3 x 52>"},
    {"CausalConvOfTwo", 9, 9, "plx.weight @w : tensor<2x9xf32> = #plx.source<\"w\">\n",
     R"(%w = plx.param @w : tensor<2x9xf32>
        %y = ssm.causal_conv %x, %w, %batch STATE {FLAGS} : (tensor<?x9xf32>, tensor<2x9xf32>, !plx.batchTYPE) -> tensor<?x9xf32>)",
     9, "!plx.carry<1 x 9>"},
    // x | delta | b | c of 21 channels and 11 entries, more than a group of 8.
    {"SelectiveScan", 21 + 21 + 11 + 11, 11 * 21,
     "plx.weight @a : tensor<11x21xbf16> = #plx.offset<-1.0, #plx.source<\"a\">>\n"
     "plx.weight @e : tensor<21xf32> = #plx.source<\"e\">\n"
     "plx.weight @d : tensor<21xf32> = #plx.source<\"d\">\n",
     R"(%a = plx.param @a : tensor<11x21xbf16>
        %e = plx.param @e : tensor<21xf32>
        %d = plx.param @d : tensor<21xf32>
        %in = plx.slice %x from 0 size 21 : tensor<?x64xf32> -> tensor<?x21xf32>
        %delta = plx.slice %x from 21 size 21 : tensor<?x64xf32> -> tensor<?x21xf32>
        %b = plx.slice %x from 42 size 11 : tensor<?x64xf32> -> tensor<?x11xf32>
        %c = plx.slice %x from 53 size 11 : tensor<?x64xf32> -> tensor<?x11xf32>
        %y = ssm.selective_scan %in, %delta, %a, %b, %c, %batch delta_bias %e skip %d STATE {softplusCOMMA} : (tensor<?x21xf32>, tensor<?x21xf32>, tensor<11x21xbf16>, tensor<?x11xf32>, tensor<?x11xf32>, !plx.batch, tensor<21xf32>, tensor<21xf32>TYPE) -> tensor<?x21xf32>)",
     21, "!plx.carry<11 x 21>"},
    // 4 heads of 10, 2 groups of 6.
    {"Ssd", 40 + 4 + 12 + 12, 4 * 6 * 10,
     "plx.weight @a : tensor<4xf32> = #plx.offset<-1.0, #plx.source<\"a\">>\n"
     "plx.weight @d : tensor<4xf32> = #plx.source<\"d\">\n",
     R"(%a = plx.param @a : tensor<4xf32>
        %d = plx.param @d : tensor<4xf32>
        %i2 = plx.slice %x from 0 size 40 : tensor<?x68xf32> -> tensor<?x40xf32>
        %in = plx.reshape %i2 : tensor<?x40xf32> -> tensor<?x4x10xf32>
        %delta = plx.slice %x from 40 size 4 : tensor<?x68xf32> -> tensor<?x4xf32>
        %b2 = plx.slice %x from 44 size 12 : tensor<?x68xf32> -> tensor<?x12xf32>
        %b = plx.reshape %b2 : tensor<?x12xf32> -> tensor<?x2x6xf32>
        %c2 = plx.slice %x from 56 size 12 : tensor<?x68xf32> -> tensor<?x12xf32>
        %c = plx.reshape %c2 : tensor<?x12xf32> -> tensor<?x2x6xf32>
        %o = ssm.ssd %in, %delta, %a, %b, %c, %batch skip %d STATE FORM {softplus, delta_min = 0.1 : f32, delta_max = 1.5 : f32COMMA} : (tensor<?x4x10xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x2x6xf32>, tensor<?x2x6xf32>, !plx.batch, tensor<4xf32>TYPE) -> tensor<?x4x10xf32>
        %y = plx.reshape %o : tensor<?x4x10xf32> -> tensor<?x40xf32>)",
     40, "!plx.carry<4 x 6 x 10>"},
    {"Wkv", 40, 3 * 20,
     "plx.weight @w : tensor<20xf32> = #plx.source<\"w\">\n"
     "plx.weight @u : tensor<20xf32> = #plx.source<\"u\">\n",
     R"(%w = plx.param @w : tensor<20xf32>
        %u = plx.param @u : tensor<20xf32>
        %k = plx.slice %x from 0 size 20 : tensor<?x40xf32> -> tensor<?x20xf32>
        %v = plx.slice %x from 20 size 20 : tensor<?x40xf32> -> tensor<?x20xf32>
        %y = ssm.wkv %k, %v, %w, %u, %batch STATE : (tensor<?x20xf32>, tensor<?x20xf32>, tensor<20xf32>, tensor<20xf32>, !plx.batchTYPE) -> tensor<?x20xf32>)",
     20, "!plx.carry<3 x 20>"},
    {"DeltaRule", 120, 4 * 8 * 20,
     "plx.weight @r : tensor<4xf32> = #plx.offset<-1.0, #plx.source<\"r\">>\n"
     "plx.weight @d : tensor<4xf32> = #plx.source<\"d\">\n",
     R"(%r = plx.param @r : tensor<4xf32>
        %d = plx.param @d : tensor<4xf32>
        %q = plx.slice %x from 0 size 16 : tensor<?x120xf32> -> tensor<?x16xf32>
        %k = plx.slice %x from 16 size 16 : tensor<?x120xf32> -> tensor<?x16xf32>
        %v = plx.slice %x from 32 size 80 : tensor<?x120xf32> -> tensor<?x80xf32>
        %a = plx.slice %x from 112 size 4 : tensor<?x120xf32> -> tensor<?x4xf32>
        %b = plx.slice %x from 116 size 4 : tensor<?x120xf32> -> tensor<?x4xf32>
        %q3 = plx.reshape %q : tensor<?x16xf32> -> tensor<?x2x8xf32>
        %k3 = plx.reshape %k : tensor<?x16xf32> -> tensor<?x2x8xf32>
        %v3 = plx.reshape %v : tensor<?x80xf32> -> tensor<?x4x20xf32>
        %kn = plx.l2_normalize %k3 {eps = 1.0e-6 : f32} : tensor<?x2x8xf32>
        %y3 = ssm.delta_rule %q3, %kn, %v3, %a, %b, %r, %d, %batch STATE FORM {beta_scale = 1.5 : f32} : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x4x20xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, !plx.batchTYPE) -> tensor<?x4x20xf32>
        %y = plx.reshape %y3 : tensor<?x4x20xf32> -> tensor<?x80xf32>)",
     80, "!plx.carry<4 x 8 x 20>"},
    {"LinearAttention", 120, 4 * 8 * 20,
     "plx.weight @r : tensor<4xf32> = #plx.offset<-1.0, #plx.source<\"r\">>\n"
     "plx.weight @d : tensor<4xf32> = #plx.source<\"d\">\n",
     R"(%r = plx.param @r : tensor<4xf32>
        %d = plx.param @d : tensor<4xf32>
        %q = plx.slice %x from 0 size 16 : tensor<?x120xf32> -> tensor<?x16xf32>
        %k = plx.slice %x from 16 size 16 : tensor<?x120xf32> -> tensor<?x16xf32>
        %v = plx.slice %x from 32 size 80 : tensor<?x120xf32> -> tensor<?x80xf32>
        %a = plx.slice %x from 112 size 4 : tensor<?x120xf32> -> tensor<?x4xf32>
        %b = plx.slice %x from 116 size 4 : tensor<?x120xf32> -> tensor<?x4xf32>
        %q3 = plx.reshape %q : tensor<?x16xf32> -> tensor<?x2x8xf32>
        %k3 = plx.reshape %k : tensor<?x16xf32> -> tensor<?x2x8xf32>
        %v3 = plx.reshape %v : tensor<?x80xf32> -> tensor<?x4x20xf32>
        %kn = plx.l2_normalize %k3 {eps = 1.0e-6 : f32} : tensor<?x2x8xf32>
        %y3 = ssm.delta_rule %q3, %kn, %v3, %a, %b, %r, %d, %batch STATE FORM {accumulate} : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x4x20xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, !plx.batchTYPE) -> tensor<?x4x20xf32>
        %y = plx.reshape %y3 : tensor<?x4x20xf32> -> tensor<?x80xf32>)",
     80, "!plx.carry<4 x 8 x 20>"},
    // Blocks of columns with a rest, entries that are no multiple of a tile, a group for each head.
    {"SsdWide", 3 * 72 + 3 + 2 * 3 * 18, 3 * 18 * 72,
     "plx.weight @a : tensor<3xf32> = #plx.offset<-1.0, #plx.source<\"a\">>\n",
     R"(%a = plx.param @a : tensor<3xf32>
        %i2 = plx.slice %x from 0 size 216 : tensor<?x327xf32> -> tensor<?x216xf32>
        %in = plx.reshape %i2 : tensor<?x216xf32> -> tensor<?x3x72xf32>
        %delta = plx.slice %x from 216 size 3 : tensor<?x327xf32> -> tensor<?x3xf32>
        %b2 = plx.slice %x from 219 size 54 : tensor<?x327xf32> -> tensor<?x54xf32>
        %b = plx.reshape %b2 : tensor<?x54xf32> -> tensor<?x3x18xf32>
        %c2 = plx.slice %x from 273 size 54 : tensor<?x327xf32> -> tensor<?x54xf32>
        %c = plx.reshape %c2 : tensor<?x54xf32> -> tensor<?x3x18xf32>
        %o = ssm.ssd %in, %delta, %a, %b, %c, %batch STATE FORM {softplusCOMMA} : (tensor<?x3x72xf32>, tensor<?x3xf32>, tensor<3xf32>, tensor<?x3x18xf32>, tensor<?x3x18xf32>, !plx.batchTYPE) -> tensor<?x3x72xf32>
        %y = plx.reshape %o : tensor<?x3x72xf32> -> tensor<?x216xf32>)",
     216, "!plx.carry<3 x 18 x 72>"},
    {"DeltaRuleWide", 2 * 23 + 2 * 80 + 4, 2 * 23 * 80,
     "plx.weight @r : tensor<2xf32> = #plx.offset<-1.0, #plx.source<\"r\">>\n"
     "plx.weight @d : tensor<2xf32> = #plx.source<\"d\">\n",
     R"(%r = plx.param @r : tensor<2xf32>
        %d = plx.param @d : tensor<2xf32>
        %q = plx.slice %x from 0 size 23 : tensor<?x210xf32> -> tensor<?x23xf32>
        %k = plx.slice %x from 23 size 23 : tensor<?x210xf32> -> tensor<?x23xf32>
        %v = plx.slice %x from 46 size 160 : tensor<?x210xf32> -> tensor<?x160xf32>
        %a = plx.slice %x from 206 size 2 : tensor<?x210xf32> -> tensor<?x2xf32>
        %b = plx.slice %x from 208 size 2 : tensor<?x210xf32> -> tensor<?x2xf32>
        %q3 = plx.reshape %q : tensor<?x23xf32> -> tensor<?x1x23xf32>
        %k3 = plx.reshape %k : tensor<?x23xf32> -> tensor<?x1x23xf32>
        %v3 = plx.reshape %v : tensor<?x160xf32> -> tensor<?x2x80xf32>
        %kn = plx.l2_normalize %k3 {eps = 1.0e-6 : f32} : tensor<?x1x23xf32>
        %y3 = ssm.delta_rule %q3, %kn, %v3, %a, %b, %r, %d, %batch STATE FORM : (tensor<?x1x23xf32>, tensor<?x1x23xf32>, tensor<?x2x80xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, !plx.batchTYPE) -> tensor<?x2x80xf32>
        %y = plx.reshape %y3 : tensor<?x2x80xf32> -> tensor<?x160xf32>)",
     160, "!plx.carry<2 x 23 x 80>"},
    {"SsdWhole", 2 * 32 + 2 + 2 * 5, 2 * 5 * 32,
     "plx.weight @a : tensor<2xf32> = #plx.offset<-1.0, #plx.source<\"a\">>\n",
     R"(%a = plx.param @a : tensor<2xf32>
        %i2 = plx.slice %x from 0 size 64 : tensor<?x76xf32> -> tensor<?x64xf32>
        %in = plx.reshape %i2 : tensor<?x64xf32> -> tensor<?x2x32xf32>
        %delta = plx.slice %x from 64 size 2 : tensor<?x76xf32> -> tensor<?x2xf32>
        %b2 = plx.slice %x from 66 size 5 : tensor<?x76xf32> -> tensor<?x5xf32>
        %b = plx.reshape %b2 : tensor<?x5xf32> -> tensor<?x1x5xf32>
        %c2 = plx.slice %x from 71 size 5 : tensor<?x76xf32> -> tensor<?x5xf32>
        %c = plx.reshape %c2 : tensor<?x5xf32> -> tensor<?x1x5xf32>
        %o = ssm.ssd %in, %delta, %a, %b, %c, %batch STATE FORM {softplusCOMMA} : (tensor<?x2x32xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<?x1x5xf32>, tensor<?x1x5xf32>, !plx.batchTYPE) -> tensor<?x2x32xf32>
        %y = plx.reshape %o : tensor<?x2x32xf32> -> tensor<?x64xf32>)",
     64, "!plx.carry<2 x 5 x 32>"},
    {"Gru", 36, 12,
     "plx.weight @u : tensor<36x12xf32> = #plx.source<\"u\">\n"
     "plx.weight @b : tensor<36xf32> = #plx.source<\"b\">\n",
     R"(%u = plx.param @u : tensor<36x12xf32>
        %b = plx.param @b : tensor<36xf32>
        %y = ssm.gru %x, %u, %batch bias %b STATE {FLAGS} : (tensor<?x36xf32>, tensor<36x12xf32>, !plx.batch, tensor<36xf32>TYPE) -> tensor<?x12xf32>)",
     12, "!plx.carry<12>"},
    {"Rnn", 11, 11, "plx.weight @u : tensor<11x11xbf16> = #plx.source<\"u\">\n",
     R"(%u = plx.param @u : tensor<11x11xbf16>
        %y = ssm.rnn %x, %u, %batch STATE {activation = #plx<activation_kind tanh>COMMA} : (tensor<?x11xf32>, tensor<11x11xbf16>, !plx.batchTYPE) -> tensor<?x11xf32>)",
     11, "!plx.carry<11>"},
    {"DiagonalWithReadout", 20, 2 * 5 * 20,
     "plx.weight @re : tensor<5x20xf32> = #plx.source<\"re\">\n"
     "plx.weight @im : tensor<5x20xf32> = #plx.source<\"im\">\n"
     "plx.weight @dt : tensor<20xf32> = #plx.source<\"dt\">\n"
     "plx.weight @cr : tensor<5x20xf32> = #plx.source<\"cr\">\n"
     "plx.weight @ci : tensor<5x20xf32> = #plx.source<\"ci\">\n",
     R"(%re = plx.param @re : tensor<5x20xf32>
        %im = plx.param @im : tensor<5x20xf32>
        %dt = plx.param @dt : tensor<20xf32>
        %cr = plx.param @cr : tensor<5x20xf32>
        %ci = plx.param @ci : tensor<5x20xf32>
        %y = ssm.diagonal log zoh %x, %re, %im, %batch step %dt readout %cr, %ci STATE FORM {factor = 2.0 : f32COMMA} : (tensor<?x20xf32>, tensor<5x20xf32>, tensor<5x20xf32>, !plx.batch, tensor<20xf32>, tensor<5x20xf32>, tensor<5x20xf32>TYPE) -> tensor<?x20xf32>)",
     20, "!plx.carry<2 x 5 x 20>"},
    {"DiagonalOfComplexRows", 26, 26,
     "plx.weight @nu : tensor<1x13xf32> = #plx.source<\"nu\">\n"
     "plx.weight @theta : tensor<1x13xf32> = #plx.source<\"theta\">\n"
     "plx.weight @g : tensor<13xf32> = #plx.source<\"g\">\n",
     R"(%nu = plx.param @nu : tensor<1x13xf32>
        %theta = plx.param @theta : tensor<1x13xf32>
        %g = plx.param @g : tensor<13xf32>
        %y = ssm.diagonal polar dirac %x, %nu, %theta, %batch gain %g STATE FORM {FLAGS} : (tensor<?x26xf32>, tensor<1x13xf32>, tensor<1x13xf32>, !plx.batch, tensor<13xf32>TYPE) -> tensor<?x26xf32>)",
     26, "!plx.carry<2 x 1 x 13>"},
    {"Dplr", 20, 2 * 5 * 20,
     "plx.weight @re : tensor<5x20xf32> = #plx.source<\"re\">\n"
     "plx.weight @im : tensor<5x20xf32> = #plx.source<\"im\">\n"
     "plx.weight @p : tensor<2x5x20xf32> = #plx.source<\"p\">\n"
     "plx.weight @b : tensor<2x5x20xf32> = #plx.source<\"b\">\n"
     "plx.weight @c : tensor<2x5x20xf32> = #plx.source<\"c\">\n"
     "plx.weight @dt : tensor<20xf32> = #plx.offset<-2.0, #plx.source<\"dt\">>\n",
     R"(%re = plx.param @re : tensor<5x20xf32>
        %im = plx.param @im : tensor<5x20xf32>
        %p = plx.param @p : tensor<2x5x20xf32>
        %b = plx.param @b : tensor<2x5x20xf32>
        %c = plx.param @c : tensor<2x5x20xf32>
        %dt = plx.param @dt : tensor<20xf32>
        %y = ssm.dplr log %x, %re, %im, %p, %p, %b, %c, %batch, %dt STATE FORM {FLAGS} : (tensor<?x20xf32>, tensor<5x20xf32>, tensor<5x20xf32>, tensor<2x5x20xf32>, tensor<2x5x20xf32>, tensor<2x5x20xf32>, tensor<2x5x20xf32>, !plx.batch, tensor<20xf32>TYPE) -> tensor<?x20xf32>)",
     20, "!plx.carry<2 x 5 x 20>"},
};

class Recurrence : public testing::TestWithParam<Case> {};

/// Each sequence starts from a slot of its own and leaves its state in another.
RaggedBatch chain(const std::vector<int32_t> &lengths, const std::vector<uint8_t *> &from,
                  const std::vector<uint8_t *> &to) {
  RaggedBatch batch(lengths);
  batch.carryFrom.assign(batch.position.size(), nullptr);
  batch.carryTo.assign(batch.position.size(), nullptr);
  for (size_t s = 0; s < lengths.size(); ++s)
    if (lengths[s] > 0) {
      batch.carryFrom[batch.tokenBegin[s]] = from[s];
      batch.carryTo[batch.tokenBegin[s + 1] - 1] = to[s];
    }
  return batch;
}

TEST_P(Recurrence, EqualsItsDecompositionOnRaggedBatches) {
  const Case &test = GetParam();
  CompiledSegment fast(textOf(test, true), Path::Fast),
      decomposed(textOf(test, true), Path::Decomposed);
  for (std::vector<int32_t> lengths : {std::vector<int32_t>{1}, {7}, {3, 1, 40}, {65, 0, 2}}) {
    Slots slots;
    std::vector<uint8_t *> from, one, two;
    for (size_t s = 0; s < lengths.size(); ++s) {
      from.push_back(slots.random(s + 1));
      one.push_back(slots.fresh(NAN));
      two.push_back(slots.fresh(NAN));
    }
    RaggedBatch batch = chain(lengths, from, one), again = chain(lengths, from, two);
    Floats x = randomRows(batch.view().tokens, test.columns, 5);
    expectNear(fast(batch, {x})[0], decomposed(again, {x})[0]);
    for (size_t s = 0; s < lengths.size(); ++s)
      if (lengths[s] > 0)
        expectNear(stateIn(one[s], test.state), stateIn(two[s], test.state));
  }
}

TEST_P(Recurrence, WholeSequencesEqualTheirDecompositionBothWays) {
  const Case &test = GetParam();
  for (bool reverse : {false, true}) {
    CompiledSegment fast(textOf(test, false, reverse), Path::Fast),
        decomposed(textOf(test, false, reverse), Path::Decomposed);
    RaggedBatch batch({3, 1, 17, 0, 6});
    Floats x = randomRows(27, test.columns, 7);
    expectNear(fast(batch, {x})[0], decomposed(batch, {x})[0]);
  }
}

TEST_P(Recurrence, PiecesGiveTheBitsOfTheWhole) {
  const Case &test = GetParam();
  CompiledSegment segment(textOf(test, true), Path::Fast);
  Slots slots;
  uint8_t *start = slots.random(3), *end = slots.fresh(NAN);
  Floats x = randomRows(40, test.columns, 11);
  Floats whole = segment(chain({40}, {start}, {end}), {x})[0], pieces;
  uint8_t *from = start;
  int32_t begin = 0;
  for (int32_t size : {1, 6, 17, 16}) {
    uint8_t *to = slots.fresh(NAN);
    Floats part(x.begin() + begin * test.columns, x.begin() + (begin + size) * test.columns);
    Floats made = segment(chain({size}, {from}, {to}), {part})[0];
    pieces.insert(pieces.end(), made.begin(), made.end());
    from = to, begin += size;
  }
  EXPECT_EQ(whole, pieces);
  EXPECT_EQ(stateIn(end, test.state), stateIn(from, test.state));
}

TEST_P(Recurrence, ADraftTreeGivesTheBitsOfItsPaths) {
  const Case &test = GetParam();
  CompiledSegment segment(textOf(test, true), Path::Fast);
  const std::vector<int> parents = {-1, 0, 1, 1, 0, 4, -1};
  Slots slots;
  uint8_t *start = slots.random(4);
  Floats x = randomRows(parents.size(), test.columns, 13);
  RaggedBatch tree({static_cast<int32_t>(parents.size())});
  for (size_t t = 0; t < parents.size(); ++t) {
    tree.carryTo.push_back(slots.fresh(NAN));
    bool follows = t > 0 && parents[t] == static_cast<int>(t) - 1;
    tree.carryFrom.push_back(follows ? nullptr : parents[t] < 0 ? start : tree.carryTo[parents[t]]);
  }
  Floats rows = segment(tree, {x})[0];
  for (size_t t = 0; t < parents.size(); ++t) {
    std::vector<int> path;
    for (int at = static_cast<int>(t); at >= 0; at = parents[at])
      path.insert(path.begin(), at);
    Floats own;
    for (int at : path)
      own.insert(own.end(), x.begin() + at * test.columns, x.begin() + (at + 1) * test.columns);
    uint8_t *end = slots.fresh(NAN);
    Floats alone = segment(chain({static_cast<int32_t>(path.size())}, {start}, {end}), {own})[0];
    EXPECT_TRUE(std::equal(alone.end() - test.out, alone.end(), rows.begin() + t * test.out)) << t;
    EXPECT_EQ(stateIn(end, test.state), stateIn(tree.carryTo[t], test.state)) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Recurrence, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

/// Its first position is another formula, so that pieces of chains that all begin at 0 are not its
/// whole.
TEST(RgLru, EqualsItsDecomposition) {
  const Case test{"RgLru",
                  60,
                  20,
                  "plx.weight @d : tensor<20xf32> = #plx.source<\"d\">\n",
                  R"(%d = plx.param @d : tensor<20xf32>
        %u = plx.slice %x from 0 size 20 : tensor<?x60xf32> -> tensor<?x20xf32>
        %i = plx.slice %x from 20 size 20 : tensor<?x60xf32> -> tensor<?x20xf32>
        %r = plx.slice %x from 40 size 20 : tensor<?x60xf32> -> tensor<?x20xf32>
        %y = ssm.rg_lru %u, %i, %r, %d, %batch STATE : (tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x20xf32>, tensor<20xf32>, !plx.batchTYPE) -> tensor<?x20xf32>)",
                  20,
                  "!plx.carry<20>"};
  for (bool keeps : {false, true}) {
    CompiledSegment fast(textOf(test, keeps), Path::Fast),
        decomposed(textOf(test, keeps), Path::Decomposed);
    Slots slots;
    uint8_t *from = slots.random(1), *one = slots.fresh(NAN), *two = slots.fresh(NAN);
    RaggedBatch batch = chain({9}, {from}, {one}), again = chain({9}, {from}, {two});
    // Not the begin of the sequence.
    for (RaggedBatch *each : {&batch, &again})
      for (int32_t &position : each->position)
        position += keeps ? 3 : 0;
    Floats x = randomRows(9, 60, 5);
    expectNear(fast(batch, {x})[0], decomposed(again, {x})[0]);
    if (keeps)
      expectNear(stateIn(one, 20), stateIn(two, 20));
  }
}

/// With states and a projection, in both directions: backward it starts from the first token's
/// slot.
TEST(Lstm, EqualsItsDecompositionBothWays) {
  for (const char *reverse : {"", "reverse"}) {
    std::string text =
        "plx.model @m {\nplx.weight @u : tensor<40x7xf32> = #plx.source<\"u\">\n"
        "plx.weight @p : tensor<7x10xf32> = #plx.source<\"p\">\n"
        "plx.state @h kind = replace : !plx.carry<7>\n"
        "plx.state @c kind = replace : !plx.carry<10>\n"
        "plx.segment @s(%x: tensor<?x40xf32>, %batch: !plx.batch) -> tensor<?x7xf32> {\n"
        "%h = plx.get_state @h : !plx.carry<7>\n%c = plx.get_state @c : !plx.carry<10>\n"
        "%u = plx.param @u : tensor<40x7xf32>\n%p = plx.param @p : tensor<7x10xf32>\n"
        "%y = ssm.lstm %x, %u, %batch projection %p state %h memory %c {" +
        std::string(reverse) +
        "} : (tensor<?x40xf32>, tensor<40x7xf32>, !plx.batch, tensor<7x10xf32>, !plx.carry<7>, "
        "!plx.carry<10>) -> tensor<?x7xf32>\nplx.return %y : tensor<?x7xf32>\n}\n}\n";
    CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
    Slots slots;
    std::vector<uint8_t *> from{slots.random(1), slots.random(2), slots.random(3)}, one, two;
    for (int i = 0; i < 3; ++i) {
      one.push_back(slots.fresh(0));
      two.push_back(slots.fresh(0));
    }
    RaggedBatch batch = chain({5, 1, 12}, from, one), again = chain({5, 1, 12}, from, two);
    Floats x = randomRows(18, 40, 5);
    expectNear(fast(batch, {x})[0], decomposed(again, {x})[0]);
    for (int i = 0; i < 3; ++i)
      expectNear(stateIn(one[i], 7), stateIn(two[i], 7));
  }
}

/// A GRU of 12 units that begins with @i; with a state where `keeps`.
std::string gruFromInitial(bool keeps, const std::string &reverse) {
  std::string state = keeps ? "state %h " : "", type = keeps ? "!plx.carry<12>, " : "";
  return "plx.model @m {\nplx.weight @u : tensor<36x12xf32> = #plx.source<\"u\">\n"
         "plx.weight @i : tensor<12xf32> = #plx.source<\"i\">\n" +
         std::string(keeps ? "plx.state @h kind = replace : !plx.carry<12>\n" : "") +
         "plx.segment @s(%x: tensor<?x36xf32>, %batch: !plx.batch) -> tensor<?x12xf32> {\n" +
         (keeps ? "%h = plx.get_state @h : !plx.carry<12>\n" : "") +
         "%u = plx.param @u : tensor<36x12xf32>\n%i = plx.param @i : tensor<12xf32>\n"
         "%y = ssm.gru %x, %u, %batch " +
         state + "initial %i {" + reverse +
         "} : (tensor<?x36xf32>, tensor<36x12xf32>, !plx.batch, " + type +
         "tensor<12xf32>) -> tensor<?x12xf32>\nplx.return %y : tensor<?x12xf32>\n}\n}\n";
}

TEST(Gru, BeginsWithItsInitialInWhateverPiecesASequenceComes) {
  Floats x = randomRows(40, 36, 5);
  Floats whole;
  for (const char *reverse : {"", "reverse"}) {
    CompiledSegment fast(gruFromInitial(false, reverse), Path::Fast),
        plain(gruFromInitial(false, reverse), Path::Decomposed);
    RaggedBatch batch({3, 1, 0, 36});
    expectNear(fast(batch, {x})[0], plain(batch, {x})[0]);
    if (!*reverse)
      whole = fast(RaggedBatch({40}), {x})[0];
  }
  for (Path path : {Path::Fast, Path::Decomposed}) {
    CompiledSegment segment(gruFromInitial(true, ""), path);
    Slots slots;
    uint8_t *from = slots.random(3); // Not what the sequence begins with.
    Floats pieces;
    int32_t begin = 0;
    for (int32_t size : {1, 6, 17, 16}) {
      uint8_t *to = slots.fresh(NAN);
      RaggedBatch batch = chain({size}, {from}, {to});
      for (int32_t &position : batch.position)
        position += begin;
      Floats part(x.begin() + begin * 36, x.begin() + (begin + size) * 36);
      Floats made = segment(batch, {part})[0];
      pieces.insert(pieces.end(), made.begin(), made.end());
      from = to, begin += size;
    }
    expectNear(pieces, whole);
  }
}

const Case &caseOf(const std::string &name) {
  return *std::find_if(std::begin(kCases), std::end(kCases),
                       [&](const Case &each) { return each.name == name; });
}

/// Chains in chunks beside short sequences and a draft tree, with states and without.
class ChunkedForms : public testing::TestWithParam<const char *> {};

TEST_P(ChunkedForms, AgreeWithTheRecurrence) {
  const Case &test = caseOf(GetParam());
  for (bool keeps : {true, false}) {
    CompiledSegment recurrent(textOf(test, keeps), Path::Fast),
        chunked(textOf(test, keeps, false, "form chunked from 5"), Path::Fast);
    const std::vector<int32_t> lengths = {1, 7, 64, 0, 1000, 4, 16384, 6};
    Slots slots;
    RaggedBatch batches[] = {RaggedBatch(lengths), RaggedBatch(lengths)};
    for (RaggedBatch &batch : batches) {
      std::vector<uint8_t *> from, to;
      for (size_t s = 0; s < lengths.size(); ++s)
        from.push_back(slots.random(s)), to.push_back(slots.fresh(NAN));
      if (!keeps)
        continue;
      batch = chain(lengths, from, to);
      // The last sequence is a tree: every token leaves its state.
      for (int32_t t = batch.tokenBegin[7]; t < batch.tokenBegin[8]; ++t)
        batch.carryTo[t] = slots.fresh(NAN);
      batch.carryFrom[batch.tokenBegin[7] + 4] = batch.carryTo[batch.tokenBegin[7] + 1];
    }
    Floats x = randomRows(batches[0].view().tokens, test.columns, 5);
    expectNear(chunked(batches[1], {x})[0], recurrent(batches[0], {x})[0]);
    for (size_t t = 0; keeps && t < batches[0].carryTo.size(); ++t)
      if (batches[0].carryTo[t])
        expectNear(stateIn(batches[1].carryTo[t], test.state),
                   stateIn(batches[0].carryTo[t], test.state));
  }
}

/// Where a prompt is cut changes roundings and no more; the same pieces give the same bits.
TEST_P(ChunkedForms, PiecesAgreeWithTheWhole) {
  const Case &test = caseOf(GetParam());
  CompiledSegment segment(textOf(test, true, false, "form chunked from 5"), Path::Fast);
  Slots slots;
  uint8_t *start = slots.random(3), *end = slots.fresh(NAN);
  Floats x = randomRows(140, test.columns, 11);
  Floats whole = segment(chain({140}, {start}, {end}), {x})[0], runs[2];
  for (Floats &pieces : runs) {
    uint8_t *from = start;
    int32_t begin = 0;
    for (int32_t size : {1, 6, 50, 2, 81}) {
      uint8_t *to = slots.fresh(NAN);
      Floats part(x.begin() + begin * test.columns, x.begin() + (begin + size) * test.columns);
      Floats made = segment(chain({size}, {from}, {to}), {part})[0];
      pieces.insert(pieces.end(), made.begin(), made.end());
      from = to, begin += size;
    }
    expectNear(pieces, whole);
    expectNear(stateIn(from, test.state), stateIn(end, test.state));
  }
  EXPECT_EQ(runs[0], runs[1]);
}

/// Where a model's states outgrow the caches, single tokens store theirs past them: the same bits.
TEST(LargeStates, AreLeftWithTheSameBits) {
  for (const char *name : {"SsdWhole", "DeltaRuleWide"}) {
    const Case &test = caseOf(name);
    std::string text = textOf(test, true), rows = "tensor<?x" + std::to_string(test.columns);
    std::string schedule = "plx.schedule @forward(%x: " + rows + "xf32>, %batch: !plx.batch) {\n";
    int64_t runs = (int64_t(8) << 20) / (test.state * 4) + 1;
    for (int64_t i = 0; i < runs; ++i)
      schedule += "%" + std::to_string(i) + " = plx.run @s layer " + std::to_string(i) +
                  " (%x, %batch) : (" + rows + "xf32>, !plx.batch) -> tensor<?x" +
                  std::to_string(test.out) + "xf32>\n";
    schedule += "plx.outputs \"y\" = %0 : tensor<?x" + std::to_string(test.out) + "xf32>\n}\n}\n";
    CompiledSegment small(text, Path::Fast),
        large(text.substr(0, text.rfind('}')) + schedule, Path::Fast);
    Slots slots;
    std::vector<uint8_t *> from{slots.random(1), slots.random(2), slots.random(3)}, one, two;
    for (int i = 0; i < 3; ++i)
      one.push_back(slots.fresh(NAN)), two.push_back(slots.fresh(NAN));
    Floats x = randomRows(5, test.columns, 5);
    EXPECT_EQ(small(chain({1, 3, 1}, from, one), {x})[0],
              large(chain({1, 3, 1}, from, two), {x})[0]);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(stateIn(one[i], test.state), stateIn(two[i], test.state));
  }
}

/// A scan goes on from a state and leaves one.
TEST(DiagonalForms, ScansAgreeWithTheRecurrenceFromAState) {
  for (const char *name : {"DiagonalWithReadout", "DiagonalOfComplexRows"}) {
    const Case &test = caseOf(name);
    CompiledSegment recurrent(textOf(test, true), Path::Fast),
        scan(textOf(test, true, false, "form scan from 3"), Path::Fast);
    const std::vector<int32_t> lengths = {1, 7, 64, 0, 1000, 2, 16384};
    Slots slots;
    std::vector<uint8_t *> from, one, two;
    for (size_t s = 0; s < lengths.size(); ++s) {
      from.push_back(slots.random(s));
      one.push_back(slots.fresh(NAN)), two.push_back(slots.fresh(NAN));
    }
    RaggedBatch batch = chain(lengths, from, one), again = chain(lengths, from, two);
    Floats x = randomRows(batch.view().tokens, test.columns, 5);
    expectNear(scan(again, {x})[0], recurrent(batch, {x})[0]);
    for (size_t s = 0; s < lengths.size(); ++s)
      if (lengths[s] > 0)
        expectNear(stateIn(two[s], test.state), stateIn(one[s], test.state));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, ChunkedForms,
                         testing::Values("Ssd", "SsdWide", "DeltaRule", "DeltaRuleWide",
                                         "LinearAttention"),
                         [](const auto &info) { return std::string(info.param); });

TEST(DplrForms, AgreeOnShortAndLongSequences) {
  const Case &test = caseOf("Dplr");
  for (bool reverse : {false, true}) {
    CompiledSegment recurrent(textOf(test, false, reverse, "form recurrent"), Path::Fast);
    CompiledSegment other(textOf(test, false, reverse, "form convolution from 3"), Path::Fast);
    RaggedBatch batch({1, 7, 64, 2, 1000, 3, 16384});
    Floats x = randomRows(batch.view().tokens, test.columns, 3);
    expectNear(other(batch, {x})[0], recurrent(batch, {x})[0]);
  }
}

/// S4D with 5 modes for each of `channels`, or rows of as many complex numbers; memories of about
/// 50 tokens. `form` may be empty.
std::string diagonalText(bool readout, int64_t channels, const std::string &form, bool reverse) {
  std::string h = std::to_string(channels), modes = readout ? "5" : "1";
  std::string columns = std::to_string(readout ? channels : 2 * channels);
  std::string matrix = "tensor<" + modes + "x" + h + "xf32>",
              rows = "tensor<?x" + columns + "xf32>";
  std::string text = "plx.model @m {\n", body, types = rows + ", " + matrix + ", " + matrix;
  auto weight = [&](const std::string &name, const std::string &type, const char *offset) {
    text += "plx.weight @" + name + " : " + type + " = #plx.offset<" + offset + ", #plx.source<\"" +
            name + "\">>\n";
    body += "%" + name + " = plx.param @" + name + " : " + type + "\n";
  };
  weight("re", matrix, readout ? "0.0" : "-4.0");
  weight("im", matrix, readout ? "3.0" : "0.0");
  types += ", !plx.batch";
  std::string operands;
  if (readout) {
    weight("dt", "tensor<" + h + "xf32>", "-4.0");
    weight("cr", matrix, "0.0");
    weight("ci", matrix, "0.0");
    operands = " step %dt readout %cr, %ci";
    types += ", tensor<" + h + "xf32>, " + matrix + ", " + matrix;
  }
  return text + "plx.segment @s(%x: " + rows + ", %batch: !plx.batch) -> " + rows + " {\n" + body +
         "%y = ssm.diagonal " + (readout ? "log zoh" : "polar dirac") + " %x, %re, %im, %batch" +
         operands + form + (reverse ? " {reverse}" : "") + " : (" + types + ") -> " + rows +
         "\nplx.return %y : " + rows + "\n}\n}\n";
}

TEST(DiagonalForms, AgreeOnShortAndLongSequences) {
  for (bool readout : {true, false})
    for (int64_t channels : {5, 44})
      for (bool reverse : {false, true}) {
        std::vector<std::string> forms = {" form scan"};
        if (readout)
          forms.insert(forms.end(), {" form convolution", " form convolution from 64"});
        CompiledSegment recurrent(diagonalText(readout, channels, " form recurrent", reverse),
                                  Path::Fast);
        RaggedBatch batch({1, 7, 64, 0, 1000, 63, channels < 16 ? 16384 : 2});
        Floats x = randomRows(batch.view().tokens, readout ? channels : 2 * channels, 3);
        Floats want = recurrent(batch, {x})[0];
        for (const std::string &form : forms) {
          CompiledSegment other(diagonalText(readout, channels, form, reverse), Path::Fast);
          Floats got = other(batch, {x})[0];
          ASSERT_EQ(got.size(), want.size());
          float worst = 0;
          for (size_t i = 0; i < got.size(); ++i)
            worst = std::max(worst, std::abs(got[i] - want[i]) / (1 + std::abs(want[i])));
          EXPECT_LT(worst, 1e-4f) << form << " of " << channels << (readout ? "" : " complex")
                                  << (reverse ? ", reverse" : "");
        }
      }
}

} // namespace
} // namespace plexus::compiler::test
