// The kinds of cases that are runs on named tensors: whole, in chunks, or through a stream.
#include "tools/conformance/Runs.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Stream.h"
#include "runtime/tensor/Slices.h"
#include "tools/conformance/ModelPack.h"

#include <algorithm>
#include <cctype>

namespace plexus::conformance {
namespace {

/// A name as schedules may have it.
std::string plain(const std::string &text) {
  std::string out;
  for (char c : text)
    out +=
        std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' ? c : '_';
  return out;
}

/// The schedules that a case may mean, best first.
std::vector<std::string> candidates(const ModelCase &c) {
  std::string kind = c.json.at("kind").get<std::string>();
  std::vector<std::string> names = {plain(c.json.at("name").get<std::string>())};
  if (auto method = c.json.find("method"); method != c.json.end() && method->is_string()) {
    std::string word = method->get<std::string>();
    word = word.substr(0, word.find_first_of(" ,"));
    names.push_back(kind + ":" + plain(word));
  }
  names.push_back(plain(kind));
  return names;
}

/// The first of `names` that the model has, as it is or for the value of an option; or "".
std::string findSchedule(const ModelCase &c, const std::vector<std::string> &names) {
  for (const std::string &name : names)
    for (const Schedule &schedule : c.pack.model->model->program().schedules)
      if (schedule.name == name || schedule.name.starts_with(name + ":"))
        return name;
  return "";
}

/// The case's fields that are options of the model.
RunOptions optionsOf(const ModelCase &c) {
  RunOptions options;
  for (const OptionInfo &option : c.pack.model->model->info().options)
    if (auto field = c.json.find(option.name); field != c.json.end() && field->is_number())
      options.set.emplace_back(option.name, field->dump());
  std::string schedule = findSchedule(c, candidates(c));
  options.schedule = schedule.empty() ? "forward" : schedule;
  for (const auto &[name, key] : c.json.at("outputs").items())
    options.wants.push_back(name);
  return options;
}

Expected<std::vector<NamedTensor>> inputsOf(const ModelCase &c) {
  std::vector<NamedTensor> inputs;
  for (const auto &[name, key] : c.json.at("inputs").items()) {
    PLX_ASSIGN(const TensorView *view, needTensor(c.tensors(), key.get<std::string>()));
    inputs.push_back({name, Tensor::borrow(view->dtype, view->shape, view->bytes)});
  }
  return inputs;
}

std::vector<int64_t> withoutOnes(std::vector<int64_t> shape) {
  while (!shape.empty() && shape.front() == 1)
    shape.erase(shape.begin());
  return shape;
}

/// Feeds the inputs hop by hop and joins the outputs; on the engine's thread.
Expected<std::vector<NamedTensor>> feed(Stream &stream, const std::vector<NamedTensor> &inputs,
                                        int64_t hop) {
  const int64_t samples = stream.samplesOf(inputs);
  std::vector<NamedTensor> all;
  for (int64_t begin = 0; begin < samples; begin += hop) {
    PLX_ASSIGN(auto piece, stream.piece(inputs, begin, std::min(begin + hop, samples)));
    PLX_ASSIGN(auto outputs, stream.push(piece));
    for (size_t i = 0; i < outputs.size(); ++i) {
      int axis = stream.sequenceAxis(outputs[i].name);
      if (i >= all.size()) {
        all.push_back(outputs[i]);
      } else if (axis >= 0) {
        PLX_ASSIGN(all[i].tensor,
                   joinAlong(all[i].tensor, outputs[i].tensor, static_cast<size_t>(axis)));
      } else {
        all[i] = outputs[i];
      }
    }
  }
  return all;
}

Expected<std::vector<int32_t>> integersOf(const Tensor &tensor) {
  PLX_ASSIGN(Tensor dense, tensor.dense());
  std::vector<int32_t> out;
  for (int64_t i = 0; i < dense.count(); ++i)
    out.push_back(dense.dtype == DType::I64 ? static_cast<int32_t>(dense.as<int64_t>()[i])
                                            : dense.as<int32_t>()[i]);
  return out;
}

} // namespace

Expected<std::vector<NamedTensor>> runNamed(const OpenedModel &model,
                                            const std::vector<NamedTensor> &inputs,
                                            const RunOptions &options) {
  Expected<std::vector<NamedTensor>> out = std::vector<NamedTensor>();
  EngineThread::shared().run([&] {
    auto session = Session::create(model.model);
    if (session)
      out = (*session)->runNamed(inputs, options);
    else
      out = session.status();
  });
  return out;
}

Expected<std::vector<float>> floatsOf(const Tensor &tensor) {
  PLX_ASSIGN(Tensor dense, tensor.dense());
  std::vector<float> out(static_cast<size_t>(dense.count()));
  toF32(dense.dtype, dense.data.get(), dense.count(), out.data());
  return out;
}

Status compareOutputs(const ModelCase &c, const std::vector<NamedTensor> &outputs, bool looseBatch,
                      CaseResult &result) {
  const auto masks = c.json.value("compare_mask", nlohmann::json::object());
  for (const NamedTensor &output : outputs) {
    const std::string key = c.output(output.name.c_str());
    PLX_ASSIGN(const TensorView *want, needTensor(c.tensors(), key));
    bool fits = want->shape == output.tensor.shape ||
                (looseBatch && withoutOnes(want->shape) == withoutOnes(output.tensor.shape));
    if (!fits) {
      result.note(output.name + " has shape " + shapeToString(output.tensor.shape) + ", expected " +
                  shapeToString(want->shape));
      continue;
    }
    if (!isFloat(want->dtype) && !isFloat(output.tensor.dtype)) {
      PLX_ASSIGN(auto got, integersOf(output.tensor));
      PLX_ASSIGN(auto expected, integersOf(Tensor::borrow(want->dtype, want->shape, want->bytes)));
      compareIds(output.name, got, expected, result);
      continue;
    }
    PLX_ASSIGN(std::vector<float> expected, readFloats(c.tensors(), key));
    PLX_ASSIGN(std::vector<float> got, floatsOf(output.tensor));
    std::vector<float> mask;
    if (masks.contains(output.name)) {
      PLX_ASSIGN(mask, readFloats(c.tensors(), masks[output.name].get<std::string>()));
    }
    compareFloats(output.name, got, expected, mask, c.tolerance, result);
  }
  return Status::ok();
}

Status runForward(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(auto inputs, inputsOf(c));
  RunOptions options = optionsOf(c);
  if (c.json.contains("pieces"))
    options.chunks = c.json["pieces"].get<std::vector<int64_t>>();
  PLX_ASSIGN(auto outputs, runNamed(*c.pack.model, inputs, options));
  return compareOutputs(c, outputs, /*looseBatch=*/false, result);
}

Status runStream(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(auto inputs, inputsOf(c));
  StreamOptions options;
  options.run = optionsOf(c);
  const Program &program = c.pack.model->model->program();
  const int schedule = program.findSchedule(options.run.schedule);
  int64_t hop = c.json.at("hop").get<int64_t>();
  // Without states, the windows of the case are the rows.
  bool framed = schedule >= 0 && program.schedules[schedule].frames.size > 0;
  if (program.states.empty() && !framed) {
    options.window = c.json.at("window").get<int64_t>();
    options.hop = hop;
  }
  Expected<std::vector<NamedTensor>> outputs = std::vector<NamedTensor>();
  EngineThread::shared().run([&] {
    outputs = [&]() -> Expected<std::vector<NamedTensor>> {
      PLX_ASSIGN(auto session, Session::create(c.pack.model->model));
      PLX_ASSIGN(auto stream, session->openStream(options));
      return feed(*stream, inputs, hop);
    }();
  });
  PLX_RETURN_IF_ERROR(outputs.status());
  return compareOutputs(c, *outputs, /*looseBatch=*/true, result);
}

Status runCtc(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(auto inputs, inputsOf(c));
  RunOptions options = optionsOf(c);
  options.wants = {"tokens"};
  PLX_ASSIGN(auto outputs, runNamed(*c.pack.model, inputs, options));
  PLX_ASSIGN(auto tokens, integersOf(outputs.at(0).tensor));
  const auto rows = static_cast<size_t>(outputs[0].tensor.shape.at(0));
  const size_t width = tokens.size() / rows;
  for (size_t r = 0; r < rows; ++r) {
    const std::string name = "tokens" + std::to_string(r);
    PLX_ASSIGN(const TensorView *want, needTensor(c.tensors(), c.output(name.c_str())));
    PLX_ASSIGN(auto expected, integersOf(Tensor::borrow(want->dtype, want->shape, want->bytes)));
    auto row = std::span(tokens).subspan(r * width, width);
    auto end = std::find(row.begin(), row.end(), -1);
    compareIds(name, row.first(static_cast<size_t>(end - row.begin())), expected, result);
  }
  return Status::ok();
}

Status runInternal(const ModelCase &c, CaseResult &result) {
  if (!findSchedule(c, candidates(c)).empty())
    return runForward(c, result);
  result.remark = "optional, the model does not offer it";
  return Status::ok();
}

} // namespace plexus::conformance
