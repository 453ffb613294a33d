// States, schedules and the weight table of a model, as the program's structs.
#include "compiler/program/ProgramBuilder.h"

#include "dialects/attn/AttnDialect.h"
#include "passes/raise/Taps.h"
#include "runtime/abi/Call.h"

#include "llvm/ADT/STLExtras.h"

#include <map>

namespace plexus::compiler {

using namespace mlir;

namespace {

constexpr llvm::StringLiteral kHiddenPrefix = "hidden_states.";

bool isBatch(Value value) { return isa<plx::BatchType>(value.getType()); }

class ProgramBuilder {
public:
  ProgramBuilder(plx::ModelOp model, const ModelInfo &info) : model_(model) {
    plan_.program.model = info;
  }

  Expected<ProgramPlan> run() {
    Program &program = plan_.program;
    program.callVersion = PLX_CALL_VERSION;
    readInfo();
    readOptions();
    for (auto state : model_.getOps<plx::StateOp>())
      PLX_RETURN_IF_ERROR(addState(state));
    for (auto segment : model_.getOps<plx::SegmentOp>())
      if (!segment.getName().ends_with(kTappedSuffix)) {
        PLX_ASSIGN(Segment read, readSegment(model_, segment, program));
        program.segments.push_back(std::move(read));
      }
    for (auto schedule : model_.getOps<plx::ScheduleOp>())
      PLX_RETURN_IF_ERROR(addSchedule(schedule));
    program.model.layers = std::max<int64_t>(program.model.layers, lastLayer_ + 1);
    if (program.model.inputs.empty() && !program.schedules.empty())
      program.model.inputs = program.schedules[0].inputs;
    PLX_RETURN_IF_ERROR(layOutWeights(plan_.jobs));
    for (const PackJob &job : plan_.jobs)
      program.weights.push_back(job.info);
    PLX_RETURN_IF_ERROR(checkProgram(program).at("the compiled program"));
    return std::move(plan_);
  }

private:
  void readInfo() {
    ModelInfo &info = plan_.program.model;
    auto integer = [&](llvm::StringRef name, int64_t &out) {
      if (auto value = model_->getAttrOfType<IntegerAttr>(name))
        out = value.getInt();
    };
    integer("vocab_size", info.vocabSize);
    integer("context", info.context);
    integer("layers", info.layers);
    integer("hidden_size", info.hiddenSize);
    integer("token_types", info.tokenTypes);
    int64_t padding = info.positionPadding.value_or(-1);
    integer("position_padding", padding);
    if (padding >= 0)
      info.positionPadding = static_cast<int32_t>(padding);
    if (auto task = model_->getAttrOfType<StringAttr>("task"))
      info.task = task.str();
    if (info.task.empty())
      info.task = "graph";
    if (info.name.empty())
      info.name = model_.getSymName().str();
  }

  static std::optional<double> number(DictionaryAttr in, llvm::StringRef name) {
    auto value = in.getAs<FloatAttr>(name);
    return value ? std::optional(value.getValueAsDouble()) : std::nullopt;
  }

  void readOptions() {
    auto options = model_->getAttrOfType<DictionaryAttr>(plx::kOptionsAttr);
    for (NamedAttribute entry : options ? options.getValue() : ArrayRef<NamedAttribute>()) {
      auto fields = dyn_cast<DictionaryAttr>(entry.getValue());
      if (!fields)
        continue;
      OptionInfo &option = plan_.program.model.options.emplace_back();
      option.name = entry.getName().str();
      if (auto integer = fields.getAs<BoolAttr>("integer"))
        option.integer = integer.getValue();
      option.value = number(fields, "default");
      if (auto known = fields.getAs<DenseF32ArrayAttr>("known"))
        option.known.assign(known.asArrayRef().begin(), known.asArrayRef().end());
    }
  }

  /// "b c s" as names.
  static std::vector<std::string> splitAxes(llvm::StringRef text) {
    llvm::SmallVector<llvm::StringRef> names;
    text.split(names, ' ', -1, /*KeepEmpty=*/false);
    return {names.begin(), names.end()};
  }

  static void readPorts(plx::ScheduleOp op, Schedule &schedule) {
    auto ports = op->getAttrOfType<DictionaryAttr>(plx::kPortsAttr);
    for (NamedAttribute entry : ports ? ports.getValue() : ArrayRef<NamedAttribute>()) {
      auto fields = dyn_cast<DictionaryAttr>(entry.getValue());
      if (!fields)
        continue;
      PortInfo &port = schedule.ports.emplace_back();
      port.name = entry.getName().str();
      if (auto axes = fields.getAs<StringAttr>("axes"))
        port.axes = splitAxes(axes.getValue());
      port.fill = number(fields, "fill");
      if (auto least = fields.getAs<IntegerAttr>("least"))
        port.least = least.getInt();
    }
    auto frames = op->getAttrOfType<DictionaryAttr>(plx::kFramesAttr);
    if (!frames)
      return;
    auto integer = [&](llvm::StringRef name, int64_t &out) {
      if (auto value = frames.getAs<IntegerAttr>(name))
        out = value.getInt();
    };
    integer("size", schedule.frames.size);
    integer("hop", schedule.frames.hop);
    integer("pad", schedule.frames.pad);
    if (auto whole = frames.getAs<BoolAttr>("whole"))
      schedule.frames.whole = whole.getValue();
  }

  Status addState(plx::StateOp op) {
    if (auto carry = dyn_cast<plx::CarryType>(op.getType())) {
      StateInfo &state = plan_.program.states.emplace_back();
      state.name = op.getSymName().str();
      state.kind = StateKind::Replace;
      state.shape.assign(carry.getShape().begin(), carry.getShape().end());
      if (auto input = op->getAttrOfType<StringAttr>(plx::kInputAttr))
        state.input = input.str();
      if (auto output = op->getAttrOfType<StringAttr>(plx::kOutputAttr))
        state.output = output.str();
      return Status::ok();
    }
    auto type = dyn_cast<attn::KVType>(op.getType());
    if (!type)
      return failAt(op, Code::Unsupported, "states of this type cannot be kept");
    plan_.program.states.push_back({op.getSymName().str(),
                                    StateKind::Kv,
                                    type.getHeads(),
                                    type.getKeyDim(),
                                    type.getValueDim(),
                                    static_cast<int64_t>(op.getWindow().value_or(0)),
                                    DType::F32,
                                    {},
                                    {},
                                    {},
                                    {},
                                    type.getForm()});
    return Status::ok();
  }

  Status addSchedule(plx::ScheduleOp op) {
    Schedule schedule;
    schedule.name = op.getName().str();
    Block &body = op.getBody().front();
    for (BlockArgument argument : body.getArguments())
      if (!isBatch(argument))
        schedule.inputs.push_back(inputName(op, argument));
    PLX_RETURN_IF_ERROR(readTypes(op, body.getArguments(), schedule.values));
    llvm::DenseMap<Value, int> numbers;
    for (Value argument : llvm::make_filter_range(body.getArguments(), std::not_fn(isBatch)))
      numbers.try_emplace(argument, static_cast<int>(numbers.size()));
    for (auto run : body.getOps<plx::RunOp>())
      PLX_RETURN_IF_ERROR(addStep(run, schedule, numbers));
    auto outputs = cast<plx::OutputsOp>(body.getTerminator());
    for (auto [name, value] : llvm::zip_equal(outputs.getNames(), outputs.getValues()))
      addOutput(cast<StringAttr>(name).getValue(), numbers.lookup(value), schedule);
    readPorts(op, schedule);
    plan_.program.schedules.push_back(std::move(schedule));
    return Status::ok();
  }

  static std::string inputName(plx::ScheduleOp op, BlockArgument argument) {
    if (auto name = op.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "plx.name"))
      return name.str();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (argument.getArgNumber() == 0 && type && type.getElementType().isInteger(32))
      return "input_ids";
    return "input" + std::to_string(argument.getArgNumber());
  }

  Status addStep(plx::RunOp run, Schedule &schedule, llvm::DenseMap<Value, int> &numbers) {
    Step step;
    step.segment = plan_.program.findSegment(run.getSegment().str());
    if (step.segment < 0)
      return failAt(run, Code::InvalidArgument, "there is no segment @" + run.getSegment());
    step.layer = static_cast<int>(run.getLayer().value_or(-1));
    lastLayer_ = std::max<int64_t>(lastLayer_, step.layer);
    for (Value input : run.getInputs())
      if (!isBatch(input))
        step.in.push_back(numbers.lookup(input));
    PLX_RETURN_IF_ERROR(readTypes(run, run.getOutputs(), schedule.values));
    for (Value output : run.getOutputs()) {
      step.out.push_back(static_cast<int>(numbers.size()));
      numbers.try_emplace(output, step.out.back());
    }
    if (auto scalars = run.getScalars())
      step.scalars.assign(scalars->begin(), scalars->end());
    for (const std::string &weight : plan_.program.segments[step.segment].weights)
      PLX_RETURN_IF_ERROR(addWeight(run, weight, step.layer));
    schedule.steps.push_back(std::move(step));
    return Status::ok();
  }

  static void addOutput(llvm::StringRef name, int value, Schedule &schedule) {
    llvm::StringRef index = name;
    size_t number;
    if (index.consume_front(kHiddenPrefix) && !index.getAsInteger(10, number) &&
        number == schedule.hidden.size())
      schedule.hidden.push_back(value);
    else
      schedule.outputs.push_back({name.str(), value});
  }

  /// Adds the weight at its first use.
  Status addWeight(plx::RunOp run, const std::string &name, int layer) {
    auto op = model_.lookupSymbol<plx::WeightOp>(name);
    if (!op)
      return failAt(run, Code::Internal, "there is no weight @" + name);
    bool perLayer = op.isPerLayer();
    if (perLayer && layer < 0)
      return failAt(run, Code::InvalidArgument,
                    "weight @" + name + " is one for each layer, the run has none");
    if (!weights_.try_emplace({name, perLayer ? layer : -1}, plan_.jobs.size()).second)
      return Status::ok();
    RankedTensorType type = op.getWeightType();
    PackJob job;
    PLX_ASSIGN(DType dtype, readDType(op, type.getElementType()));
    job.info = {name,
                perLayer ? layer : -1,
                {type.getShape().begin(), type.getShape().end()},
                dtype,
                plx::getPacked(type) ? WeightEncoding::Packed : WeightEncoding::Dense,
                0,
                0};
    if (plx::PackedAttr packed = plx::getPacked(type); packed && packed.getForm().isQuantized())
      job.info.quantized = packed.getForm();
    auto recipe = importRecipe(op.getRecipe());
    if (!recipe)
      return failAt(op, recipe.status().code(), recipe.status().message());
    job.recipe = *std::move(recipe);
    plan_.jobs.push_back(std::move(job));
    return Status::ok();
  }

  plx::ModelOp model_;
  ProgramPlan plan_;
  std::map<std::pair<std::string, int>, size_t> weights_;
  int64_t lastLayer_ = -1;
};

} // namespace

std::vector<std::string> ProgramPlan::symbols() const {
  std::vector<std::string> names;
  for (const Segment &segment : program.segments) {
    names.insert(names.end(), {segment.symbol, segment.scratch});
    if (segment.tapped)
      names.insert(names.end(), {segment.tapped->symbol, segment.tapped->scratch});
  }
  return names;
}

Expected<plx::ModelOp> findModel(ModuleOp module) {
  auto models = llvm::to_vector(module.getOps<plx::ModelOp>());
  if (models.size() != 1)
    return error(Code::InvalidArgument)
           << "the module has " << models.size() << " plx.model ops, expected one";
  return models[0];
}

Expected<ProgramPlan> buildProgram(plx::ModelOp model, const ModelInfo &info) {
  return ProgramBuilder(model, info).run();
}

} // namespace plexus::compiler
