// Runs of graphs that take plain tensors: one straight-line schedule, no sequences.
#include "runtime/exec/NamedInputs.h"
#include "runtime/exec/SessionImpl.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace plexus {
namespace {

/// An input of a graph in the schedule's type, integers converted where they fit.
Expected<Tensor> graphInput(std::span<const NamedTensor> inputs, const std::string &name,
                            const ValueType &type, int64_t &tokens) {
  const Tensor *given = findInput(inputs, name);
  if (!given)
    return error(Code::NotFound) << "the input \"" << name << "\" is missing; expected "
                                 << toString(type);
  std::vector<int64_t> inner = given->shape;
  if (type.rows == Rows::Tokens && !inner.empty()) {
    if (tokens >= 0 && tokens != inner[0])
      return error(Code::Mismatch) << "input \"" << name << "\" has " << inner[0]
                                   << " rows, another input has " << tokens;
    tokens = inner[0];
    inner.erase(inner.begin());
  }
  bool rowsFit = type.rows == Rows::None || (type.rows == Rows::Tokens && !given->shape.empty());
  if (!rowsFit || inner != type.shape)
    return error(Code::Mismatch) << "input \"" << name << "\" has shape " << shapeText(given->shape)
                                 << ", expected " << toString(type);
  PLX_ASSIGN(Tensor dense, given->dense());
  if (dense.dtype == type.dtype)
    return dense;
  if (type.dtype == DType::I32 && !isFloat(dense.dtype)) {
    PLX_ASSIGN(Tensor converted, Tensor::zeros(DType::I32, dense.shape));
    for (int64_t i = 0; i < dense.count(); ++i)
      converted.as<int32_t>()[i] = static_cast<int32_t>(integerAt(dense, i));
    return converted;
  }
  if (type.dtype == DType::F32 && isFloat(dense.dtype)) {
    PLX_ASSIGN(Tensor converted, Tensor::zeros(DType::F32, dense.shape));
    toF32(dense.dtype, dense.as<void>(), dense.count(), converted.as<float>());
    return converted;
  }
  return error(Code::Mismatch) << "input \"" << name << "\" is " << dtypeName(dense.dtype)
                               << ", expected " << dtypeName(type.dtype);
}

/// Everything that a run of a graph reads, kept alive while it runs.
struct GraphInputs {
  std::vector<Tensor> tensors;
  std::vector<const void *> pointers;
  int64_t rows = -1; ///< Of inputs with a leading dynamic dimension; -1: none has one.
};

Expected<GraphInputs> gatherInputs(const Schedule &graph, std::span<const NamedTensor> inputs) {
  GraphInputs gathered;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    PLX_ASSIGN(Tensor tensor, graphInput(inputs, graph.inputs[i], graph.values[i], gathered.rows));
    gathered.pointers.push_back(tensor.data.get());
    gathered.tensors.push_back(std::move(tensor));
  }
  for (const NamedTensor &input : inputs)
    if (std::find(graph.inputs.begin(), graph.inputs.end(), input.name) == graph.inputs.end())
      return error(Code::NotFound) << "the graph has no input \"" << input.name << "\"";
  if (gathered.rows == 0)
    return Status(Code::InvalidArgument, "the inputs have no rows");
  return gathered;
}

/// One sequence with a chain of `rows` rows, all of them wanted.
const plx_batch &chainBatch(BatchBuilder &batch, const Sequence &sequence) {
  std::vector<int32_t> chain(sequence.pending.size());
  std::iota(chain.begin(), chain.end(), 0);
  batch.clear();
  batch.add(sequence, chain, {});
  for (int32_t row : chain)
    batch.wantRow(row);
  return batch.finish();
}

/// A copy of a value's rows, [rows, ...] where it has them.
Expected<Tensor> copyOut(const ValueType &type, const plx_batch &batch, const void *data) {
  std::vector<int64_t> shape = type.shape;
  if (type.rows != Rows::None)
    shape.insert(shape.begin(), type.rows == Rows::Sequences ? 1 : batch.tokens);
  PLX_ASSIGN(Tensor tensor, Tensor::zeros(type.dtype, shape));
  if (tensor.bytes() > 0)
    std::memcpy(tensor.data.get(), data, tensor.bytes());
  return tensor;
}

} // namespace

Expected<std::vector<NamedTensor>> Session::Impl::runGraph(std::span<const NamedTensor> inputs,
                                                           const RunOptions &runOptions,
                                                           int named) {
  const Schedule &graph = model->program().schedules[named];
  if (!runOptions.chunks.empty())
    return Status(Code::Unsupported, "chunks are for models that run on tokens");
  if (!model->program().states.empty())
    return error(Code::Unsupported)
           << "schedule " << graph.name << " keeps states, but does not take input_ids";
  PLX_ASSIGN(GraphInputs gathered, gatherInputs(graph, inputs));
  std::vector<std::string> names = wantedNames(graph, runOptions);
  std::vector<WantTarget> wanted;
  key = PlanKey();
  key.schedule = named;
  for (const std::string &name : names) {
    Want want;
    want.source = Source::Output;
    want.name = name;
    PLX_ASSIGN(WantTarget target, resolveWant(*model, named, want));
    addTarget(target);
    wanted.push_back(target);
  }
  Sequence sequence;
  for (int32_t row = 0; row < std::max<int64_t>(gathered.rows, 1); ++row)
    sequence.pending.push_back({row - 1, row, row, 0, 0, LayerSet::all(), LayerSet::all()});
  const plx_batch &built = chainBatch(batch, sequence);
  PLX_ASSIGN(ran, executor.plan(key));
  PLX_RETURN_IF_ERROR(executor.run(*ran, built, {}, gathered.pointers, nullptr));
  std::vector<NamedTensor> outputs;
  for (size_t i = 0; i < wanted.size(); ++i) {
    PLX_ASSIGN(Tensor tensor, copyOut(*wanted[i].type, built, rowOf(wanted[i], 0)));
    outputs.push_back({names[i], std::move(tensor)});
  }
  return outputs;
}

} // namespace plexus
