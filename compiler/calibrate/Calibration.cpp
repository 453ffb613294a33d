// Probes are taps (plx-probe-products), read like any others; a few layers at a time, so that their
// outputs do not add up.
#include "compiler/calibrate/Calibration.h"

#include "compiler/Compile.h"
#include "compiler/cache/Keys.h"
#include "compiler/pack/Compensate.h"
#include "passes/quantize/FormRules.h"
#include "passes/raise/Taps.h"
#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Model.h"
#include "runtime/exec/Session.h"
#include "runtime/io/MappedFile.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace plexus::compiler {
namespace {

constexpr size_t kGuidesKept = 4;
/// Of the inputs that one run of a sample gives back.
constexpr int64_t kProbedBytes = int64_t(256) << 20;

std::vector<Probe> probesOf(const Program &program) {
  std::vector<Probe> probes;
  std::string_view prefix(kProbePrefix.data(), kProbePrefix.size());
  int index = program.findSchedule("forward");
  if (index < 0)
    return probes;
  for (const Step &step : program.schedules[index].steps) {
    const Segment &segment = program.segments[step.segment];
    if (!segment.tapped)
      continue;
    for (const Tap &tap : segment.tapped->taps)
      if (tap.name.starts_with(prefix) && tap.type.rows == Rows::Tokens)
        probes.push_back({tap.name.substr(prefix.size()),
                          "taps." + std::to_string(step.layer) + "." + tap.name, step.layer,
                          tap.type.rowElements()});
  }
  return probes;
}

/// How many of the probes, from the first on, are read in one run.
size_t probesAtOnce(std::span<const Probe> probes, const std::vector<Sample> &samples) {
  int64_t rows = 1, bytes = 0;
  for (const Sample &sample : samples)
    for (const NamedTensor &input : sample.inputs)
      rows = std::max(rows, input.tensor.count());
  size_t count = 0;
  while (count < probes.size() && (count == 0 || bytes < kProbedBytes))
    bytes += rows * probes[count++].depth * static_cast<int64_t>(sizeof(float));
  return count;
}

/// Runs on the engine's thread.
Expected<std::vector<NamedTensor>> runSample(Session &session, const Sample &sample,
                                             std::vector<std::string> wants) {
  RunOptions options;
  options.wants = std::move(wants);
  Expected<std::vector<NamedTensor>> out = Status(Code::Internal, "not run");
  EngineThread::shared().run([&] { out = session.runNamed(sample.inputs, options); });
  return out;
}

/// -log p of each target, summed, from logits [1, S, V].
double negativeLogLikelihood(const Tensor &logits, const std::vector<int32_t> &targets) {
  int64_t width = logits.shape.back();
  double sum = 0;
  for (size_t r = 0; r < targets.size(); ++r) {
    const float *row = logits.as<float>() + static_cast<int64_t>(r) * width;
    float most = *std::max_element(row, row + width);
    double total = 0;
    for (int64_t i = 0; i < width; ++i)
      total += std::exp(double(row[i]) - most);
    sum += std::log(total) + most - row[targets[r]];
  }
  return sum;
}

struct Squares {
  double error = 0, norm = 0;
  void add(const Tensor &got, const Tensor &want) {
    for (int64_t i = 0; i < want.count(); ++i) {
      double w = want.as<float>()[i], difference = got.as<float>()[i] - w;
      error += difference * difference;
      norm += w * w;
    }
  }
  double relative() const { return norm > 0 ? std::sqrt(error / norm) : 0; }
};

} // namespace

Expected<std::shared_ptr<Calibration>> Calibration::open(const ModelSource &source,
                                                         const CalibrationOptions &options) {
  std::shared_ptr<Calibration> out(new Calibration);
  out->options_ = options;
  PLX_ASSIGN(auto file, MappedFile::open(options.path));
  out->digest_ = KeyHasher().add(file->data(), file->size()).hex();
  CompileOptions full;
  full.cpu.compute = Compute::F32;
  full.model.kv = "f32";
  full.model.probes = true;
  PLX_ASSIGN(auto image, compileInMemory(source, full));
  PLX_ASSIGN(out->base_, Model::create(std::move(image)));
  PLX_ASSIGN(out->samples_,
             readSamples(options.path, out->base_->info(), source.tokenizer, options.tokens));
  return out;
}

Status Calibration::visit(std::span<const Probe> probes,
                          const std::function<void(const Probe &, const Tensor &)> &see) const {
  PLX_ASSIGN(auto session, Session::create(base_));
  while (!probes.empty()) {
    std::span<const Probe> some = probes.first(probesAtOnce(probes, samples_));
    std::vector<std::string> wants;
    for (const Probe &probe : some)
      wants.push_back(probe.want);
    for (const Sample &sample : samples_) {
      PLX_ASSIGN(auto outputs, runSample(*session, sample, wants));
      for (size_t i = 0; i < some.size(); ++i)
        see(some[i], outputs[i].tensor);
    }
    probes = probes.subspan(some.size());
  }
  return Status::ok();
}

Expected<std::shared_ptr<const TensorSource>>
Calibration::measureRanges(const RangeRule &rule, double mostError,
                           std::vector<std::string> &weights) {
  std::map<std::pair<std::string, int>, Histogram> seen;
  PLX_RETURN_IF_ERROR(visit(probesOf(base_->program()), [&](const Probe &probe, const Tensor &x) {
    seen[{probe.weight, probe.layer}].add(x.as<float>(), x.count());
  }));
  inputs_.clear();
  for (const auto &[key, histogram] : seen) {
    if (inputs_.empty() || inputs_.back().weight != key.first)
      inputs_.push_back({key.first, 0, true});
    InputRange &input = inputs_.back();
    double error = std::sqrt(histogram.relativeError(histogram.fit(rule, /*isSymmetric=*/false)));
    input.error = std::max(input.error, error);
    input.isStatic = input.error <= mostError;
  }
  for (const InputRange &input : inputs_)
    if (input.isStatic)
      weights.push_back(input.weight);
  return std::shared_ptr<const TensorSource>(std::make_shared<RangeTensors>(seen, rule));
}

Status Calibration::measure(const std::map<std::string, int64_t> &weights) {
  if (options_.rounding == Rounding::Nearest)
    return Status::ok();
  std::map<std::string, int64_t> depths;
  for (const auto &[weight, depth] : weights)
    depths[nameOfAllLayers(weight).str()] = depth;
  std::vector<Probe> probes = probesOf(base_->program());
  std::erase_if(probes, [&](const Probe &p) {
    auto found = depths.find(p.weight);
    return found == depths.end() || found->second != p.depth ||
           moments_.contains({p.weight, p.layer});
  });
  int64_t bytes = 0;
  for (const Probe &probe : probes)
    bytes += probe.depth * probe.depth * static_cast<int64_t>(sizeof(float));
  if (bytes > kMostMomentBytes)
    return error(Code::ResourceExhausted)
           << "moments of the inputs of " << probes.size() << " products take " << bytes
           << " bytes; --rounding nearest needs none";
  return visit(probes, [&](const Probe &probe, const Tensor &x) {
    Moments &moments = moments_.try_emplace({probe.weight, probe.layer}, probe.depth).first->second;
    moments.add(x.as<float>(), x.count() / moments.depth(), options_.threads);
  });
}

/// Mean squares, lifted a little: columns that were never seen still have to be something.
static std::vector<float> importanceOf(const Moments &moments) {
  std::vector<float> squares = moments.meanSquares();
  double mean = 0;
  for (float square : squares)
    mean += square / static_cast<double>(moments.depth());
  for (float &square : squares)
    square += static_cast<float>(mean > 0 ? 1e-3 * mean : 1);
  return squares;
}

const Moments *Calibration::find(const std::string &name, int layer) const {
  auto found = moments_.find({nameOfAllLayers(name).str(), layer});
  return found == moments_.end() ? nullptr : &found->second;
}

std::vector<float> Calibration::importance(const std::string &name, int layer) const {
  const Moments *moments = find(name, layer);
  return moments ? importanceOf(*moments) : std::vector<float>();
}

const PackFactors *Calibration::factors(const WeightInfo &weight) const {
  auto found = factors_.find({weight.name, weight.layer});
  return found == factors_.end() ? nullptr : found->second.get();
}

// Columns that are stored s times as large are multiplied with inputs of 1/s: with S = diag(s),
// H becomes S^-1 H S^-1 and the factor of its inverse U S.
Expected<std::shared_ptr<const ColumnGuide>> Calibration::make(const Moments &moments,
                                                               const PackFactors *scaling) const {
  auto guide = std::make_shared<ColumnGuide>();
  guide->importance = importanceOf(moments);
  auto depth = static_cast<size_t>(moments.depth());
  if (options_.rounding == Rounding::Compensate || options_.rounding == Rounding::ScaleCompensate) {
    PLX_ASSIGN(guide->factor, inverseFactor(moments.mean(), moments.depth()));
  }
  for (size_t k = 0; scaling && k < depth; ++k)
    guide->importance[k] /= scaling->factors[k] * scaling->factors[k];
  for (size_t i = 0; scaling && i < guide->factor.size(); ++i)
    guide->factor[i] *= scaling->factors[i % depth];
  return std::shared_ptr<const ColumnGuide>(std::move(guide));
}

Expected<std::shared_ptr<const ColumnGuide>> Calibration::guide(const WeightInfo &weight) {
  std::pair<std::string, int> key(weight.name, weight.layer);
  const Moments *moments = find(weight.name, weight.layer);
  if (!moments)
    return std::shared_ptr<const ColumnGuide>();
  std::shared_ptr<Guide> guide;
  {
    std::lock_guard lock(mutex_);
    auto found = std::find_if(guides_.begin(), guides_.end(),
                              [&](const auto &each) { return each->key == key; });
    if (found != guides_.end()) {
      guide = *found;
    } else {
      guide = std::make_shared<Guide>();
      guide->key = key;
      guides_.push_back(guide);
      if (guides_.size() > kGuidesKept)
        guides_.erase(guides_.begin());
    }
  }
  std::call_once(guide->once, [&] { guide->made = make(*moments, factors(weight)); });
  return guide->made;
}

Expected<QuantizationQuality>
Calibration::compare(const std::shared_ptr<const Model> &quantized) const {
  PLX_ASSIGN(auto base, Session::create(base_));
  PLX_ASSIGN(auto other, Session::create(quantized));
  const Schedule &schedule = base_->program().schedules[0];
  std::vector<std::string> wants;
  for (size_t i = 0; i < schedule.hidden.size(); ++i)
    wants.push_back("hidden_states." + std::to_string(i));
  bool scored =
      schedule.findOutput("logits") >= 0 && !samples_.empty() && !samples_[0].targets.empty();
  if (scored)
    wants.push_back("logits");
  else
    for (const ScheduleOutput &output : schedule.outputs)
      wants.push_back(output.name);
  std::vector<Squares> squares(wants.size());
  double baseNll = 0, nll = 0;
  QuantizationQuality quality;
  quality.inputs = inputs_;
  for (const Sample &sample : samples_) {
    PLX_ASSIGN(auto want, runSample(*base, sample, wants));
    PLX_ASSIGN(auto got, runSample(*other, sample, wants));
    for (size_t i = 0; i < wants.size(); ++i)
      squares[i].add(got[i].tensor, want[i].tensor);
    if (!scored)
      continue;
    quality.tokens += static_cast<int64_t>(sample.targets.size());
    baseNll += negativeLogLikelihood(want.back().tensor, sample.targets);
    nll += negativeLogLikelihood(got.back().tensor, sample.targets);
  }
  for (size_t i = 0; i < wants.size(); ++i)
    quality.errors.emplace_back(wants[i], squares[i].relative());
  if (scored) {
    quality.basePerplexity = std::exp(baseNll / static_cast<double>(quality.tokens));
    quality.perplexity = std::exp(nll / static_cast<double>(quality.tokens));
  }
  return quality;
}

std::string Calibration::key() const {
  return "calibration " + digest_ + " " + std::to_string(options_.tokens) + " " +
         std::to_string(static_cast<int>(options_.rounding));
}

} // namespace plexus::compiler
