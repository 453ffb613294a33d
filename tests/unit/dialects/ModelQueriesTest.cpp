// Questions that passes ask of a model: sizes, tables of weights and states, recipes; and models
// built in C++.
#include "dialects/Dialects.h"
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gmock/gmock.h>

using namespace mlir;

namespace {

constexpr const char *kModel = R"mlir(
plx.model @m {
  plx.weight @a : tensor<8x8xf32> = #plx.source<"layers.{layer}.a">
  plx.weight @b : tensor<16x8xf32> = #plx.concat<0, [#plx.source<"b0" : tensor<8x8xf32>>, #plx.source<"b1" : tensor<8x8xf32>>]>
  plx.state @kv kind = kv : !attn.kv<1 x 8 x 8>
  plx.state @ring kind = ring window = 4 : !attn.kv<1 x 8 x 8>
  plx.segment @s(%x: tensor<?x8xf32>, %r: tensor<?x8xf32> {plx.rows = "R"}, %batch: !plx.batch)
      -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
    %ring = plx.get_state @ring : !attn.kv<1 x 8 x 8>
    %kv = plx.get_state @kv : !attn.kv<1 x 8 x 8>
    %b = plx.param @b : tensor<16x8xf32>
    %a = plx.param @a : tensor<8x8xf32>
    %a2 = plx.param @a : tensor<8x8xf32>
    %s = plx.scalar 2 : f32
    %0 = plx.linear %x, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %1 = plx.select_rows %0, %batch : tensor<?x8xf32>
    %2 = plx.pool mean %0, %batch : tensor<?x8xf32>
    %3 = plx.scale %r by %s : tensor<?x8xf32>
    plx.return %0, %1, %2, %3 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
  }
  plx.schedule @forward(%x: tensor<?x8xf32>, %r: tensor<?x8xf32> {plx.rows = "R"}, %batch: !plx.batch) {
    %0:4 = plx.run @s layer 0 scalars [0.0, 0.0, 1.0] (%x, %r, %batch) : (tensor<?x8xf32>, tensor<?x8xf32>, !plx.batch) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
    plx.outputs "t" = %0#0, "r" = %0#1, "s" = %0#2, "r2" = %0#3 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
  }
}
)mlir";

class ModelQueries : public testing::Test {
protected:
  ModelQueries() {
    plexus::loadDialects(context);
    module = parseSourceString<ModuleOp>(kModel, &context);
    if (module)
      model = *module->getOps<plx::ModelOp>().begin();
  }
  plx::SegmentOp segment() { return *model.getOps<plx::SegmentOp>().begin(); }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  plx::ModelOp model;
};

SmallVector<StringRef> names(ArrayRef<StringAttr> attributes) {
  return llvm::map_to_vector(attributes, [](StringAttr name) { return name.getValue(); });
}

TEST_F(ModelQueries, tablesFollowFirstAppearance) {
  ASSERT_TRUE(model);
  EXPECT_THAT(names(plx::collectParams(segment())), testing::ElementsAre("b", "a"));
  EXPECT_THAT(names(plx::collectStates(segment())), testing::ElementsAre("ring", "kv"));
  EXPECT_EQ(plx::countScalars(segment()), 3);
}

TEST_F(ModelQueries, sizeSymbolsFollowProducersThroughRuns) {
  ASSERT_TRUE(model);
  plx::ScheduleOp schedule = *model.getOps<plx::ScheduleOp>().begin();
  Operation *outputs = schedule.getBody().front().getTerminator();
  std::string found;
  for (Value value : outputs->getOperands())
    found += plx::stringify(*plx::sizeSymbol(value));
  EXPECT_EQ(found, "TRSR");
}

TEST_F(ModelQueries, sizeSymbolIsNoneForStaticRows) {
  ASSERT_TRUE(model);
  plx::ParamOp param = *segment().getOps<plx::ParamOp>().begin();
  EXPECT_FALSE(plx::sizeSymbol(param.getResult()));
}

TEST_F(ModelQueries, weightsKnowTheirSources) {
  ASSERT_TRUE(model);
  auto weights = llvm::to_vector(model.getOps<plx::WeightOp>());
  EXPECT_TRUE(weights[0].isPerLayer());
  EXPECT_FALSE(weights[1].isPerLayer());
  EXPECT_THAT(plx::recipeSources(weights[1].getRecipe()), testing::ElementsAre("b0", "b1"));
}

TEST_F(ModelQueries, badRecipeIsReportedNotReturned) {
  auto type = RankedTensorType::get({3}, Float32Type::get(&context));
  auto source =
      plx::SourceAttr::get(&context, "s", RankedTensorType::get({4}, type.getElementType()));
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) { message = d.str(); });
  auto emit = [&] { return emitError(UnknownLoc::get(&context)); };
  EXPECT_TRUE(failed(plx::inferRecipeType(source, type, emit)));
  EXPECT_EQ(message, "recipe gives 'tensor<4xf32>', expected the shape of 'tensor<3xf32>'");
}

TEST_F(ModelQueries, modelsBuiltInCppVerify) {
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> made = ModuleOp::create(loc);
  builder.setInsertionPointToStart(made->getBody());
  auto built = plx::ModelOp::create(builder, loc, "built");
  builder.setInsertionPointToStart(&built.getBody().front());
  auto matrix = RankedTensorType::get({8, 8}, builder.getBF16Type());
  auto source = plx::SourceAttr::get(&context, "w");
  auto weight = plx::WeightOp::create(builder, loc, "w", matrix, source);
  auto rows = RankedTensorType::get({ShapedType::kDynamic, 8}, builder.getF32Type());
  auto type = builder.getFunctionType({rows}, {rows});
  auto segment = plx::SegmentOp::create(builder, loc, "s", type);
  auto schedule =
      plx::ScheduleOp::create(builder, loc, "forward", builder.getFunctionType({rows}, {}));

  builder.setInsertionPointToStart(&segment.getBody().front());
  auto param = plx::ParamOp::create(builder, loc, weight);
  auto product = plx::LinearOp::create(builder, loc, segment.getArgument(0), param, Value());
  plx::ReturnOp::create(builder, loc, product.getResult());

  builder.setInsertionPointToStart(&schedule.getBody().front());
  auto run = plx::RunOp::create(builder, loc, segment, ValueRange(schedule.getArgument(0)));
  plx::OutputsOp::create(builder, loc, builder.getStrArrayAttr({"y"}), run.getResults());
  EXPECT_TRUE(succeeded(verify(*made)));
  EXPECT_EQ(product.getType(), rows);
}

} // namespace
