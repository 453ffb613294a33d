// Runs on named tensors: [B, S] token tensors packed to ragged rows and back; others in
// SequenceRun.
#include "runtime/exec/NamedInputs.h"
#include "runtime/exec/SequenceRun.h"

#include <algorithm>
#include <cstring>

namespace plexus {
namespace {

/// The token tensors of a call, packed: the rows of each sequence without its masked columns.
struct PackedTokens {
  int64_t batch = 0, length = 0;
  struct Row {
    std::vector<int32_t> ids, positions, types, columns;
  };
  std::vector<Row> rows;

  /// `padding`: ModelInfo::positionPadding.
  Status pack(std::span<const NamedTensor> inputs, std::optional<int32_t> padding);

private:
  Status readMatrix(const NamedTensor &input, std::vector<int32_t> &values) const;
  std::vector<int32_t> defaultPositions(const std::vector<int32_t> &tokens,
                                        std::optional<int32_t> padding) const;
};

/// The columns, masked ones included; with a padding id, a count of the tokens that are none.
std::vector<int32_t> PackedTokens::defaultPositions(const std::vector<int32_t> &tokens,
                                                    std::optional<int32_t> padding) const {
  std::vector<int32_t> positions(tokens.size());
  int32_t counted = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    auto column = static_cast<int32_t>(i % static_cast<size_t>(length));
    counted = column == 0 ? 0 : counted;
    if (!padding)
      positions[i] = column;
    else
      positions[i] = tokens[i] == *padding ? *padding : *padding + ++counted;
  }
  return positions;
}

Status PackedTokens::readMatrix(const NamedTensor &input, std::vector<int32_t> &values) const {
  const Tensor &tensor = input.tensor;
  if (tensor.shape != std::vector<int64_t>{batch, length})
    return error(Code::Mismatch) << input.name << " has shape " << shapeText(tensor.shape)
                                 << ", input_ids has [" << batch << ", " << length << "]";
  PLX_ASSIGN(Tensor dense, tensor.dense());
  values.resize(static_cast<size_t>(batch * length));
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t value = integerAt(dense, static_cast<int64_t>(i));
    if (value < INT32_MIN || value > INT32_MAX)
      return error(Code::InvalidArgument) << input.name << " holds " << value;
    values[i] = static_cast<int32_t>(value);
  }
  return Status::ok();
}

Status PackedTokens::pack(std::span<const NamedTensor> inputs, std::optional<int32_t> padding) {
  const Tensor *ids = findInput(inputs, "input_ids");
  if (!ids)
    return Status(Code::NotFound, "the input \"input_ids\" is missing");
  if (ids->shape.size() != 2 || ids->shape[0] < 1 || ids->shape[1] < 1)
    return error(Code::InvalidArgument)
           << "input_ids has shape " << shapeText(ids->shape) << ", expected [batch, length]";
  batch = ids->shape[0];
  length = ids->shape[1];
  std::vector<int32_t> tokens, mask, positions, types;
  const std::pair<std::string_view, std::vector<int32_t> *> known[] = {{"input_ids", &tokens},
                                                                       {"attention_mask", &mask},
                                                                       {"position_ids", &positions},
                                                                       {"token_type_ids", &types}};
  for (const NamedTensor &input : inputs) {
    auto it = std::find_if(std::begin(known), std::end(known),
                           [&](auto &entry) { return entry.first == input.name; });
    if (it == std::end(known))
      return error(Code::NotFound) << "the model has no input \"" << input.name
                                   << "\"; it takes input_ids, attention_mask, position_ids, "
                                   << "token_type_ids";
    PLX_RETURN_IF_ERROR(readMatrix(input, *it->second));
  }
  if (positions.empty())
    positions = defaultPositions(tokens, padding);
  rows.assign(static_cast<size_t>(batch), {});
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!mask.empty() && mask[i] == 0)
      continue;
    auto column = static_cast<int32_t>(i % length);
    Row &row = rows[i / length];
    row.ids.push_back(tokens[i]);
    row.columns.push_back(column);
    row.positions.push_back(positions[i]);
    if (!types.empty())
      row.types.push_back(types[i]);
  }
  for (size_t b = 0; b < rows.size(); ++b)
    if (rows[b].ids.empty())
      return error(Code::InvalidArgument) << "row " << b << " of attention_mask masks every column";
  return Status::ok();
}

/// The outputs of a packed run: tensors [B, S, ...] or [B, ...] to scatter into.
Expected<std::vector<NamedTensor>> makeOutputs(const Model &model, int schedule,
                                               const std::vector<std::string> &names,
                                               const PackedTokens &packed,
                                               std::vector<Want> &wants) {
  std::vector<NamedTensor> outputs;
  for (const std::string &name : names) {
    Want want;
    want.source = Source::Output;
    want.name = name;
    want.rows = RowSet::All;
    PLX_ASSIGN(WantTarget target, resolveWant(model, schedule, want));
    std::vector<int64_t> shape = {packed.batch};
    if (target.perToken())
      shape.push_back(packed.length);
    shape.insert(shape.end(), target.type->shape.begin(), target.type->shape.end());
    PLX_ASSIGN(Tensor tensor, Tensor::zeros(DType::F32, shape));
    outputs.push_back({name, std::move(tensor)});
    wants.push_back(want);
  }
  return outputs;
}

/// Puts a result's rows to the columns that they came from.
void scatter(const ResultRef &result, const PackedTokens &packed, int64_t sequence,
             std::span<const int32_t> columns, std::vector<NamedTensor> &outputs) {
  for (size_t w = 0; w < outputs.size(); ++w) {
    const Wanted &wanted = result[w];
    bool perToken = outputs[w].tensor.count() ==
                    packed.batch * packed.length * wanted.width; // [B, S, ...], not [B, ...]
    float *to = outputs[w].tensor.as<float>();
    for (int64_t r = 0; r < wanted.rows; ++r) {
      int64_t place = perToken ? sequence * packed.length + columns[r] : sequence;
      std::memcpy(to + place * wanted.width, wanted.row(r).data(), wanted.width * sizeof(float));
    }
  }
}

/// Feeds columns [begin, end) of every row.
Status runPiece(Session::Impl &session, const PackedTokens &packed, const OpenSequences &sequences,
                std::span<const Want> wants, int64_t begin, int64_t end,
                std::vector<NamedTensor> &outputs) {
  std::vector<ForwardRequest> requests;
  std::vector<int64_t> rowOf;
  std::vector<std::span<const int32_t>> columns;
  for (int64_t b = 0; b < packed.batch; ++b) {
    const PackedTokens::Row &row = packed.rows[b];
    auto first = std::lower_bound(row.columns.begin(), row.columns.end(), begin);
    auto last = std::lower_bound(row.columns.begin(), row.columns.end(), end);
    size_t offset = first - row.columns.begin(), count = last - first;
    if (count == 0)
      continue;
    auto part = [&](const std::vector<int32_t> &list) {
      return list.empty() ? std::span<const int32_t>()
                          : std::span<const int32_t>(list).subspan(offset, count);
    };
    ForwardRequest &request = requests.emplace_back();
    request.sequence = sequences.ids[b];
    request.ids = part(row.ids);
    request.positions = part(row.positions);
    request.tokenTypes = part(row.types);
    request.wants = wants;
    rowOf.push_back(b);
    columns.push_back(part(row.columns));
  }
  std::vector<ForwardOutcome> outcomes(requests.size());
  session.forward(requests, outcomes);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    PLX_RETURN_IF_ERROR(outcomes[i].status.at("row " + std::to_string(rowOf[i])));
    scatter(outcomes[i].result, packed, rowOf[i], columns[i], outputs);
  }
  return Status::ok();
}

} // namespace

Expected<std::vector<NamedTensor>> Session::Impl::runTokens(std::span<const NamedTensor> inputs,
                                                            const RunOptions &runOptions,
                                                            int named) {
  PackedTokens packed;
  PLX_RETURN_IF_ERROR(packed.pack(inputs, model->info().positionPadding));
  if (!runOptions.chunks.empty() && model->wholeRequests())
    return error(Code::Unsupported)
           << "model " << model->info().name << " sees its whole input at once: it takes no chunks";
  PLX_ASSIGN(std::vector<int64_t> lengths, piecesOf(runOptions, packed.length, "columns"));
  std::vector<Want> wants;
  // The names outlive the wants' views of them.
  std::vector<std::string> names = wantedNames(model->program().schedules[named], runOptions);
  PLX_ASSIGN(auto outputs, makeOutputs(*model, named, names, packed, wants));
  OpenSequences sequences(*store, packed.batch);
  int forwardSchedule = std::exchange(schedule, named);
  Status status;
  int64_t begin = 0;
  for (int64_t length : lengths) {
    status = runPiece(*this, packed, sequences, wants, begin, begin + length, outputs);
    if (!status)
      break;
    begin += length;
  }
  schedule = forwardSchedule;
  if (!status)
    return status;
  return outputs;
}

Expected<int> findSchedule(const Program &program, const RunOptions &options) {
  OptionValues values(program.model);
  PLX_RETURN_IF_ERROR(values.set(options.set));
  for (const std::string &assignment : values.assignments())
    if (int found = program.findSchedule(options.schedule + ":" + assignment); found >= 0)
      return found;
  int schedule = program.findSchedule(options.schedule);
  if (schedule >= 0)
    return schedule;
  std::string names, choices;
  auto add = [](std::string &list, std::string_view name) {
    list.append(list.empty() ? "" : ", ").append(name);
  };
  for (const Schedule &s : program.schedules) {
    add(names, s.name);
    if (s.name.starts_with(options.schedule + ":"))
      add(choices, std::string_view(s.name).substr(options.schedule.size() + 1));
  }
  if (!choices.empty())
    return error(Code::NotFound) << "schedule \"" << options.schedule
                                 << "\" needs an option to be set; known are " << choices;
  return error(Code::NotFound) << "there is no schedule \"" << options.schedule << "\"; there are "
                               << names;
}

Expected<std::vector<NamedTensor>> Session::runNamed(std::span<const NamedTensor> inputs,
                                                     const RunOptions &options) {
  const Program &program = impl_->model->program();
  PLX_ASSIGN(int schedule, findSchedule(program, options));
  bool tokens = program.schedules[schedule].inputs == std::vector<std::string>{"input_ids"};
  return tokens ? impl_->runTokens(inputs, options, schedule)
                : impl_->runSequence(inputs, options, schedule);
}

} // namespace plexus
