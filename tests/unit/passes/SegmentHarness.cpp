// Compiles one segment from text and calls it, for tests of the lowering.
#include "SegmentHarness.h"

#include "compiler/codegen/Codegen.h"
#include "compiler/pack/Layout.h"
#include "compiler/pack/Quantize.h"
#include "compiler/pack/Recipe.h"
#include "compiler/program/ProgramBuilder.h"
#include "dialects/Dialects.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"
#include "runtime/exec/Host.h"
#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace mlir;

namespace plexus::compiler::test {

Floats randomRows(int64_t rows, int64_t columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Floats values(rows * columns);
  for (float &value : values)
    value = normal(generator);
  return values;
}

void expectNear(const Floats &actual, const Floats &expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    if (!std::isnan(actual[i]) || !std::isnan(expected[i]))
      ASSERT_NEAR(actual[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "at " << i;
}

namespace {

//===--- Weights ---===//

std::vector<float> sourceValues(StringRef name, int64_t size) {
  std::seed_seq seed(name.begin(), name.end());
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float &value : values)
    value =
        static_cast<float>(static_cast<int>(normal(generator) * 64)) / 256; // exact in bf16, f16
  return values;
}

/// The tensors that a recipe of other kinds names, with the values that sourceValues gives them.
class NamedValues : public TensorSource {
public:
  explicit NamedValues(Attribute recipe) {
    recipe.walk([&](plx::SourceAttr source) {
      std::string name = source.getName().str();
      std::vector<float> &values = values_[name] =
          sourceValues(name, source.getType().getNumElements());
      TensorView &view = views_[name];
      view.shape = source.getType().getShape().vec();
      view.bytes = reinterpret_cast<const uint8_t *>(values.data());
      view.size = values.size() * sizeof(float);
    });
  }
  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override {
    auto found = views_.find(name);
    return found == views_.end() ? nullptr : &found->second;
  }
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return {}; }

private:
  std::vector<std::string> names_;
  std::string path_ = "test";
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, TensorView, std::less<>> views_;
};

/// As the packer evaluates it; sources must say their types.
std::vector<float> evaluateByPacker(Attribute attribute, int64_t elements) {
  NamedValues tensors(attribute);
  std::vector<float> values(elements);
  auto recipe = importRecipe(attribute);
  auto bound = recipe ? bindRecipe(*recipe, tensors, 0) : recipe;
  Status status = bound ? evaluateRecipe(*bound, 0, elements, values.data()) : bound.status();
  EXPECT_TRUE(status) << status.message();
  return values;
}

/// The value of a recipe; of sources, offsets, and concatenations and interleavings along axis 0
/// without the packer.
std::vector<float> evaluate(Attribute recipe, RankedTensorType type) {
  if (auto source = dyn_cast<plx::SourceAttr>(recipe))
    return sourceValues(source.getName(),
                        (source.getType() ? source.getType() : type).getNumElements());
  std::vector<float> result;
  if (auto offset = dyn_cast<plx::OffsetRecipeAttr>(recipe)) {
    result = evaluate(offset.getValue(), type);
    for (float &value : result)
      value += static_cast<float>(offset.getNumber().getValueAsDouble());
    return result;
  }
  auto joined = dyn_cast<plx::ConcatAttr>(recipe);
  bool simple =
      joined && llvm::all_of(joined.getParts(), [](Attribute part) {
        return isa<plx::SourceAttr, plx::ConcatAttr, plx::InterleaveAttr, plx::OffsetRecipeAttr>(
            part);
      });
  if (!simple && !isa<plx::InterleaveAttr>(recipe))
    return evaluateByPacker(recipe, type.getNumElements());
  if (auto concat = dyn_cast<plx::ConcatAttr>(recipe)) {
    for (Attribute part : concat.getParts()) {
      std::vector<float> values = evaluate(part, type);
      result.insert(result.end(), values.begin(), values.end());
    }
    return result;
  }
  auto interleave = cast<plx::InterleaveAttr>(recipe);
  std::vector<std::vector<float>> parts;
  for (Attribute part : interleave.getParts())
    parts.push_back(evaluate(part, type));
  int64_t block = interleave.getBlock() * type.getDimSize(1);
  for (size_t begin = 0; begin < parts[0].size(); begin += block)
    for (const std::vector<float> &part : parts)
      result.insert(result.end(), part.begin() + begin, part.begin() + begin + block);
  return result;
}

/// As the packer rounds it.
std::vector<char> rounded(const std::vector<float> &values, RankedTensorType type,
                          const PackedForm &form) {
  int64_t n = type.getDimSize(0), k = type.getDimSize(1);
  std::vector<char> bytes;
  for (int64_t first = 0; first < n; first += kBlockRows) {
    QuantizedRows rows(form, k);
    for (int64_t row = first; row < std::min(n, first + kBlockRows); ++row)
      EXPECT_TRUE(quantizeRow(&values[row * k], row - first, rows));
    bytes.resize(bytes.size() + rows.geometry.blockBytes);
    writeBlock(rows,
               reinterpret_cast<uint8_t *>(bytes.data() + bytes.size() - rows.geometry.blockBytes));
  }
  return bytes;
}

std::vector<char> stored(const std::vector<float> &values, RankedTensorType type) {
  Type element = type.getElementType();
  DType dtype = element.isF32() ? DType::F32 : element.isBF16() ? DType::BF16 : DType::F16;
  size_t size = dtype == DType::F32 ? 4 : 2;
  std::vector<char> bytes;
  if (plx::PackedAttr packed = plx::getPacked(type); packed && packed.getForm().isQuantized())
    return rounded(values, type, packed.getForm());
  if (plx::getPacked(type)) {
    int64_t n = type.getDimSize(0), k = type.getDimSize(1), depth = blockDepth(dtype);
    int64_t block = llvm::alignTo(k, depth) * kBlockRows * size;
    bytes.resize(llvm::divideCeil(n, kBlockRows) * block);
    for (int64_t row = 0; row < n; row += kBlockRows)
      packBlock(dtype, &values[row * k], std::min(kBlockRows, n - row), k, k,
                &bytes[row / kBlockRows * block]);
    return bytes;
  }
  for (float value : values) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    uint16_t brain = bits >> 16;
    _Float16 half = static_cast<_Float16>(value);
    const void *from = dtype == DType::F32    ? static_cast<const void *>(&bits)
                       : dtype == DType::BF16 ? static_cast<const void *>(&brain)
                                              : &half;
    bytes.insert(bytes.end(), static_cast<const char *>(from),
                 static_cast<const char *>(from) + size);
  }
  return bytes;
}

//===--- Compilation ---===//

MLIRContext &sharedContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerAllExtensions(registry);
    registerAllToLLVMIRTranslations(registry);
    registerDialects(registry);
    auto *made = new MLIRContext(registry);
    made->loadAllAvailableDialects();
    return made;
  }();
  return *context;
}

LogicalResult runModelPasses(ModuleOp module, Path path) {
  PassManager manager(module.getContext());
  if (path == Path::Fast) {
    buildPipeline(manager, {});
  } else {
    manager.addPass(createNumberParameters());
    DecomposeOptions everything;
    everything.all = true;
    manager.addPass(createDecompose(everything));
  }
  return manager.run(module);
}

} // namespace

RaggedBatch::RaggedBatch(std::vector<int32_t> sizes) : lengths(std::move(sizes)), tokenBegin{0} {
  for (size_t s = 0; s < lengths.size(); ++s) {
    for (int32_t i = 0; i < lengths[s]; ++i) {
      sequence.push_back(static_cast<int32_t>(s));
      position.push_back(i);
    }
    tokenBegin.push_back(static_cast<int32_t>(position.size()));
    past.push_back(0);
    if (lengths[s] > 0)
      outputRow.push_back(tokenBegin.back() - 1);
  }
}

plx_batch RaggedBatch::view() const {
  plx_batch batch = {};
  batch.tokens = static_cast<int64_t>(position.size());
  batch.sequences = static_cast<int64_t>(lengths.size());
  batch.outputs = static_cast<int64_t>(outputRow.size());
  batch.context = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  batch.sequence = sequence.data();
  batch.position = batch.index = batch.slot = position.data();
  batch.token_begin = tokenBegin.data();
  batch.past = past.data();
  batch.output_row = outputRow.data();
  batch.carry_from = carryFrom.data();
  batch.carry_to = carryTo.data();
  return batch;
}

void CompiledSegment::compile(const std::string &text, Path path) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &sharedContext());
  if (!module) {
    ADD_FAILURE() << "the text does not parse:\n" << text;
    return;
  }
  auto model = *module->getOps<plx::ModelOp>().begin();
  Program program;
  for (auto state : model.getOps<plx::StateOp>()) {
    program.states.emplace_back();
    program.states.back().name = state.getSymName().str();
  }
  auto describe = [&] {
    auto read = readSegment(model, *model.getOps<plx::SegmentOp>().begin(), program);
    ASSERT_TRUE(read) << read.status().message();
    segment = *std::move(read);
  };
  describe();
  ASSERT_TRUE(succeeded(runModelPasses(*module, path)));
  // A decomposed segment's params are numbered in the order that they had in the text.
  if (path == Path::Fast)
    describe();
  for (const std::string &name : segment.weights) {
    auto weight = model.lookupSymbol<plx::WeightOp>(name);
    weights.push_back(
        stored(evaluate(weight.getRecipe(), weight.getWeightType()), weight.getWeightType()));
  }
  const emit::Isa *isa = emit::findIsa("x86-64-v3");
  ASSERT_TRUE(succeeded(lowerToCpu(*module, *isa, {})));
  std::vector<std::string> exports{segment.symbol, segment.scratch};
  CompileStats stats;
  auto jitted = jitModule(*module, std::string_view(isa->name), exports, stats);
  ASSERT_TRUE(jitted.isOk()) << jitted.status().message();
  code = *jitted;
}

int64_t CompiledSegment::scratchBytes(const plx_batch &batch) const {
  auto scratch = reinterpret_cast<plx_scratch_fn>(code->lookup(segment.scratch));
  return scratch(batch.tokens, batch.sequences, batch.outputs, batch.context);
}

std::vector<std::vector<float>>
CompiledSegment::operator()(const RaggedBatch &ragged,
                            const std::vector<std::vector<float>> &inputs,
                            const std::vector<int32_t> &ids) const {
  plx_batch batch = ragged.view();
  std::vector<const void *> inputPointers, weightPointers;
  for (const std::vector<float> &input : inputs)
    inputPointers.push_back(input.data());
  if (!ids.empty())
    inputPointers.push_back(ids.data());
  // Emitters may rely on 64-byte alignment.
  auto aligned = [](size_t bytes) {
    return std::shared_ptr<void>(std::aligned_alloc(64, llvm::alignTo(bytes + 64, 64)), free);
  };
  std::vector<std::shared_ptr<void>> memory;
  for (const std::vector<char> &weight : weights) {
    memory.push_back(aligned(weight.size()));
    std::memcpy(memory.back().get(), weight.data(), weight.size());
    weightPointers.push_back(memory.back().get());
  }
  std::vector<std::vector<float>> outputs;
  std::vector<void *> outputPointers;
  for (const ValueType &output : segment.outputs) {
    int64_t size = output.rows == Rows::Sequences ? batch.sequences
                   : output.rows == Rows::Outputs ? batch.outputs
                                                  : batch.tokens;
    for (int64_t dim : output.shape)
      size *= dim;
    outputs.emplace_back(size, NAN);
  }
  for (std::vector<float> &output : outputs)
    outputPointers.push_back(output.data());
  // Scratch holds NaN: nothing may be read before it is written.
  int64_t bytes = scratchBytes(batch);
  auto scratch = aligned(bytes);
  std::memset(scratch.get(), 0xff, bytes);
  std::vector<plx_kv> states;
  std::vector<const plx_kv *> statePointers;
  for (size_t i = 0; i < segment.states.size(); ++i)
    states.push_back({nullptr, carryPlace(i) * static_cast<int64_t>(sizeof(float)), nullptr, 0,
                      nullptr, nullptr});
  for (const plx_kv &state : states)
    statePointers.push_back(&state);
  Host host;
  plx_call call = {host.table(),
                   &batch,
                   inputPointers.data(),
                   outputPointers.data(),
                   weightPointers.data(),
                   statePointers.data(),
                   nullptr,
                   scratch.get()};
  auto entry = reinterpret_cast<plx_segment_fn>(code->lookup(segment.symbol));
  EXPECT_EQ(entry(&call), 0);
  return outputs;
}

} // namespace plexus::compiler::test
