// Code generation: one module runs the same from a linked object and from the JIT, and what is
// linked is what the artifact loader accepts.
#include "compiler/codegen/Codegen.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/artifact/CodeObject.h"
#include "runtime/artifact/ElfCheck.h"
#include "runtime/artifact/Isa.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include <gmock/gmock.h>
#include <vector>

using namespace plexus;
using namespace plexus::compiler;
using ::testing::HasSubstr;

namespace {

constexpr const char *kModule = R"(
llvm.func @expf(f32) -> f32
llvm.func @helper(%x: f32, %y: f32) -> f32 {
  %0 = llvm.fmul %x, %x : f32
  %1 = llvm.fadd %0, %y : f32
  llvm.return %1 : f32
}
llvm.func @unused() { llvm.return }
llvm.func @plx_main(%x: f32) -> f32 {
  %0 = llvm.call @expf(%x) : (f32) -> f32
  %1 = llvm.call @helper(%x, %0) : (f32, f32) -> f32
  llvm.return %1 : f32
}
)";

class Codegen : public ::testing::Test {
protected:
  Codegen() {
    context.loadDialect<mlir::LLVM::LLVMDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(kModule, &context);
  }
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> exports = {"plx_main"};
  CompileStats stats;
};

TEST_F(Codegen, ObjectsAreMadeForEveryIsa) {
  for (const emit::Isa &isa : emit::isas()) {
    auto object = compileToObject(*module, isa.name, exports, stats);
    ASSERT_TRUE(object) << object.status().message();
    auto image = linkSharedObject({&*object, 1}, {"", exports}, stats);
    ASSERT_TRUE(image) << image.status().message();
    Status accepted =
        checkCodeObject(reinterpret_cast<const uint8_t *>(image->data()), image->size());
    EXPECT_TRUE(accepted) << accepted.message();
    EXPECT_EQ(image->find("helper"), std::string::npos) << "internal names stay inside";
    EXPECT_LT(image->size(), 20'000u);
  }
  EXPECT_GT(stats.optimise, 0);
  EXPECT_GT(stats.codegen, 0);
  EXPECT_GT(stats.link, 0);
}

TEST_F(Codegen, LinkedCodeAndJitAgree) {
  std::string isa(hostIsas().front());
  auto object = compileToObject(*module, isa, exports, stats);
  ASSERT_TRUE(object);
  auto image = linkSharedObject({&*object, 1}, {"", exports}, stats);
  ASSERT_TRUE(image);
  auto linked = loadCodeObject(*image, isa);
  ASSERT_TRUE(linked) << linked.status().message();
  auto jit = jitModule(*module, isa, exports, stats);
  ASSERT_TRUE(jit) << jit.status().message();
  using Fn = float (*)(float);
  for (float x : {0.0f, 0.5f, -3.0f, 10.0f}) {
    float a = reinterpret_cast<Fn>((*linked)->lookup("plx_main"))(x);
    float b = reinterpret_cast<Fn>((*jit)->lookup("plx_main"))(x);
    EXPECT_EQ(a, b);
    EXPECT_NEAR(a, x * x + std::exp(x), 1e-3 * std::exp(x));
  }
  EXPECT_EQ((*jit)->lookup("helper"), nullptr);
}

TEST_F(Codegen, LinkerErrorsComeBackAndItRunsAgain) {
  std::string broken = "not an object";
  auto image = linkSharedObject({&broken, 1}, {}, stats);
  EXPECT_THAT(image.status().message(), HasSubstr("linking failed"));
  auto object = compileToObject(*module, "x86-64-v3", exports, stats);
  ASSERT_TRUE(object);
  EXPECT_TRUE(linkSharedObject({&*object, 1}, {}, stats));
}

TEST_F(Codegen, ImportsOutsideTheCLibraryAreRefused) {
  auto other =
      mlir::parseSourceString<mlir::ModuleOp>("llvm.func @nowhere()\nllvm.func @plx_main() { "
                                              "llvm.call @nowhere() : () -> ()\n llvm.return }",
                                              &context);
  auto object = compileToObject(*other, "x86-64-v3", exports, stats);
  ASSERT_TRUE(object);
  EXPECT_THAT(linkSharedObject({&*object, 1}, {}, stats).status().message(), HasSubstr("nowhere"));
}

TEST_F(Codegen, UnknownNamesAreNamed) {
  EXPECT_THAT(compileToObject(*module, "mmx", exports, stats).status().message(),
              HasSubstr("no ISA 'mmx'"));
  std::vector<std::string> others = {"plx_other"};
  EXPECT_THAT(compileToObject(*module, "x86-64-v3", others, stats).status().message(),
              HasSubstr("no function 'plx_other'"));
}

} // namespace
