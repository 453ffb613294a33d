// plexus stream: samples in piece by piece, outputs as soon as they are there.
#include "NamedRun.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Stream.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>

namespace plexus::cli {
namespace {

struct Arguments {
  NamedRunArguments run;
  std::string inputs, raw;
  int64_t hop = 1, window = 0;
};

/// Row `row` along `axis` of an output (all of it where there is none) as JSON numbers.
nlohmann::ordered_json rowJson(const Tensor &tensor, int axis, int64_t row) {
  nlohmann::ordered_json out = nlohmann::json::array();
  int64_t inner = 1, size = axis < 0 ? 1 : tensor.shape[static_cast<size_t>(axis)];
  for (size_t i = static_cast<size_t>(axis + 1); axis >= 0 && i < tensor.shape.size(); ++i)
    inner *= tensor.shape[i];
  for (int64_t i = 0; i < tensor.count(); ++i)
    if (axis < 0 || i / inner % size == row)
      out.push_back(tensor.dtype == DType::I32 ? nlohmann::ordered_json(tensor.as<int32_t>()[i])
                                               : nlohmann::ordered_json(tensor.as<float>()[i]));
  return out;
}

/// Pushes pieces and prints every row that comes out, one JSON object a line.
class Feeder {
public:
  explicit Feeder(Stream &stream) : stream_(stream) {}

  Status push(const std::vector<NamedTensor> &piece) {
    PLX_ASSIGN(auto outputs, EngineThread::shared().run([&] { return stream_.push(piece); }));
    int64_t rows = 0;
    for (const NamedTensor &output : outputs)
      if (int axis = stream_.sequenceAxis(output.name); axis >= 0)
        rows = std::max(rows, output.tensor.shape[static_cast<size_t>(axis)]);
    for (int64_t row = 0; row < rows; ++row, ++printed_) {
      nlohmann::ordered_json line = {{"row", printed_}};
      for (const NamedTensor &output : outputs)
        line[output.name] = rowJson(output.tensor, stream_.sequenceAxis(output.name), row);
      std::puts(line.dump().c_str());
    }
    std::fflush(stdout);
    return Status::ok();
  }

private:
  Stream &stream_;
  int64_t printed_ = 0;
};

/// The one input of a schedule that raw samples are for.
struct RawInput {
  std::string name;
  std::vector<int64_t> shape; ///< Of a piece; -1 along the sequence.
  int axis = -1;
  int64_t elements = 1; ///< Of one sample.
};

Expected<RawInput> rawInput(const Stream &stream, const std::vector<NamedTensor> &others) {
  RawInput found;
  for (const std::string &name : stream.inputs()) {
    bool given = std::any_of(others.begin(), others.end(),
                             [&](const NamedTensor &t) { return t.name == name; });
    if (given || stream.sequenceAxis(name) < 0)
      continue;
    if (!found.name.empty())
      return error(Code::InvalidArgument)
             << "raw samples are for one input, the model has " << found.name << " and " << name
             << ": give them with --inputs";
    found.name = name;
    found.axis = stream.sequenceAxis(name);
    found.shape = stream.pieceShape(name);
  }
  if (found.name.empty())
    return Status(Code::InvalidArgument, "the model has no input for raw samples");
  for (int64_t size : found.shape)
    found.elements *= size < 0 ? 1 : size;
  return found;
}

/// Samples as they come (all elements of one after those of the other) in the order of the input.
Expected<Tensor> arrange(const RawInput &input, const std::vector<float> &samples) {
  std::vector<int64_t> shape = input.shape;
  int64_t count = static_cast<int64_t>(samples.size()) / input.elements, inner = 1;
  shape[static_cast<size_t>(input.axis)] = count;
  for (size_t i = static_cast<size_t>(input.axis) + 1; i < shape.size(); ++i)
    inner *= shape[i];
  PLX_ASSIGN(Tensor out, Tensor::zeros(DType::F32, shape));
  for (int64_t s = 0; s < count; ++s)
    for (int64_t e = 0; e < input.elements; ++e)
      out.as<float>()[(e / inner * count + s) * inner + e % inner] =
          samples[static_cast<size_t>(s * input.elements + e)];
  return out;
}

Status streamRaw(const Arguments &a, Stream &stream, std::vector<NamedTensor> others) {
  PLX_ASSIGN(RawInput input, rawInput(stream, others));
  std::ifstream file;
  if (a.raw != "-") {
    file.open(a.raw, std::ios::binary);
    if (!file)
      return error(Code::NotFound) << "cannot read " << a.raw;
  }
  std::istream &in = a.raw == "-" ? std::cin : file;
  const auto sample = static_cast<size_t>(input.elements) * sizeof(float);
  std::vector<char> bytes(sample * static_cast<size_t>(a.hop));
  Feeder feeder(stream);
  while (in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || in.gcount() > 0) {
    const auto size = static_cast<size_t>(in.gcount());
    if (size % sample != 0)
      return error(Code::Corrupt) << "the samples end within one: a sample of " << input.name
                                  << " is " << sample << " bytes";
    std::vector<float> samples(size / sizeof(float));
    std::copy_n(bytes.data(), size, reinterpret_cast<char *>(samples.data()));
    PLX_ASSIGN(Tensor piece, arrange(input, samples));
    others.push_back({input.name, std::move(piece)});
    PLX_RETURN_IF_ERROR(feeder.push(others));
    others.clear(); // They went with the first piece.
  }
  return Status::ok();
}

Status streamTensors(const Arguments &a, Stream &stream, const std::vector<NamedTensor> &inputs) {
  Feeder feeder(stream);
  const int64_t samples = stream.samplesOf(inputs);
  for (int64_t begin = 0; begin < samples; begin += a.hop) {
    PLX_ASSIGN(auto piece, stream.piece(inputs, begin, std::min(begin + a.hop, samples)));
    PLX_RETURN_IF_ERROR(feeder.push(piece));
  }
  return Status::ok();
}

Expected<StreamOptions> streamOptions(const Arguments &a) {
  StreamOptions options;
  PLX_ASSIGN(options.run, a.run.options());
  options.window = a.window;
  options.hop = a.window > 0 ? a.hop : 0;
  return options;
}

Status streamAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.run.model.apply());
  if (a.inputs.empty() && a.raw.empty())
    return Status(Code::InvalidArgument, "give --inputs, --raw or both");
  PLX_ASSIGN(StreamOptions options, streamOptions(a));
  NamedTensors inputs;
  if (!a.inputs.empty()) {
    PLX_ASSIGN(inputs, readTensors(a.inputs));
  }
  PLX_ASSIGN(OpenedModelPtr model, a.run.model.open(a.run.jit));
  std::unique_ptr<Session> session;
  std::unique_ptr<Stream> stream;
  Status status = EngineThread::shared().run([&]() -> Status {
    PLX_ASSIGN(session, Session::create(model->model));
    PLX_ASSIGN(stream, session->openStream(options));
    return Status::ok();
  });
  if (status)
    status = a.raw.empty() ? streamTensors(a, *stream, inputs.list)
                           : streamRaw(a, *stream, std::move(inputs.list));
  EngineThread::shared().run([&] {
    stream.reset();
    session.reset();
  });
  return status;
}

} // namespace

std::function<int()> addStream(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "stream", "Feed a model samples piece by piece and print its outputs as they come.\n\n"
                "  plexus stream eeg.plx --raw - --window 1000 --hop 250 < samples.f32\n"
                "  plexus stream rnn.plx --inputs in.safetensors --hop 4\n\n"
                "States and samples of unfinished frames stay from piece to piece. Each row of the "
                "outputs is one line of JSON.");
  a->run.add(*c);
  c->add_option("--inputs", a->inputs,
                "A .safetensors file of whole inputs, fed in pieces; with --raw, the inputs that "
                "have no samples (a subject)");
  c->add_option("--raw", a->raw,
                "Samples of the one input that has a sequence, f32, all elements of one sample "
                "after those of the other; - is the standard input");
  c->add_option("--hop", a->hop, "Samples of a piece")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 30))
      ->capture_default_str();
  c->add_option("--window", a->window,
                "For models without states: rows are windows of so many samples, one each hop");
  return [a] {
    const Status s = streamAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
