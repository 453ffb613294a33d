// A generation's life: options sorted to those who understand them, steps, limits, the end.
#include "runtime/engine/GenerationRun.h"

#include "runtime/plugins/Structs.h"

#include <algorithm>
#include <charconv>

namespace plexus {
namespace {

const std::string *findOption(const OptionList &options, std::string_view key) {
  for (const auto &[name, value] : options)
    if (name == key)
      return &value;
  return nullptr;
}

/// Whether a temperature above 0 was asked for. A value that is no number is the sampler's to
/// refuse.
bool asksForSampling(const OptionList &options) {
  const std::string *value = findOption(options, "temperature");
  double temperature = 0;
  if (value)
    std::from_chars(value->data(), value->data() + value->size(), temperature);
  return temperature > 0;
}

std::vector<std::string> splitCommas(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (comma > 0)
      parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

bool contains(const std::vector<std::string> &list, const std::string &entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

} // namespace

GenerationRun::GenerationRun(GenerationOptions options, const EngineLimits &limits,
                             ChoiceScratch &scratch)
    : options_(std::move(options)), limits_(limits), scratch_(scratch) {}

GenerationRun::~GenerationRun() {
  if (strategy_.destroy)
    strategy_.destroy(strategy_.self);
}

Expected<std::unique_ptr<GenerationRun>> GenerationRun::create(PluginHost &host,
                                                               GenerationOptions options,
                                                               const EngineLimits &limits,
                                                               ChoiceScratch &scratch) {
  std::unique_ptr<GenerationRun> run(new GenerationRun(std::move(options), limits, scratch));
  PLX_RETURN_IF_ERROR(run->checkInputs());
  PLX_RETURN_IF_ERROR(run->setUp(host));
  return run;
}

Status GenerationRun::checkInputs() const {
  if (!options_.model || !options_.model->backend)
    return error(Code::InvalidArgument) << "generate: no model";
  for (const auto &draft : options_.drafts)
    if (!draft || !draft->backend)
      return error(Code::InvalidArgument) << "generate: a draft model is missing";
  const BackendInfo &info = options_.model->backend->info();
  const auto length = static_cast<int64_t>(options_.prompt.size());
  if (length == 0)
    return error(Code::InvalidArgument)
           << "the prompt is empty: give at least one token (a BOS token, if the model has one)";
  for (const int32_t id : options_.prompt)
    if (id < 0 || id >= info.vocabSize)
      return error(Code::InvalidArgument)
             << "the prompt has the id " << id << ", outside the vocabulary of " << info.vocabSize;
  if (info.context > 0 && length > info.context)
    return error(Code::ResourceExhausted)
           << "the prompt has " << length << " tokens, the model's context is " << info.context;
  if (options_.maxTokens < 1)
    return error(Code::InvalidArgument)
           << "max tokens is " << options_.maxTokens << ", expected at least 1";
  for (const std::string &stop : options_.stopStrings)
    if (stop.empty())
      return error(Code::InvalidArgument) << "a stop string is empty";
  if (!options_.stopStrings.empty() && !options_.model->codec)
    return error(Code::Unsupported) << "stop strings need a tokenizer, which this model lacks";
  return Status::ok();
}

Status GenerationRun::setUp(PluginHost &host) {
  const BackendInfo &info = options_.model->backend->info();
  models_.push_back(options_.model.get());
  for (const auto &draft : options_.drafts)
    models_.push_back(draft.get());
  rules_ = {options_.stopTokens, options_.stopStrings, options_.maxTokens, INT64_MAX};
  if (info.context > 0)
    rules_.contextTokens = info.context - static_cast<int64_t>(options_.prompt.size()) + 1;
  if (options_.strategy.empty())
    options_.strategy = asksForSampling(options_.options) ? "sample" : "greedy";
  PLX_ASSIGN(const Provider provider, host.find("strategy", options_.strategy));
  name_ =
      "strategy '" + options_.strategy + "' of plugin '" + provider.plugin->manifest().name + "'";
  PLX_RETURN_IF_ERROR(makeSamplers(host, *provider.provision));
  return makeStrategy(provider);
}

Status GenerationRun::makeSamplers(PluginHost &host, const Provision &strategy) {
  std::vector<std::string> ids, understood = strategy.options;
  if (const std::string *chain = findOption(options_.options, "samplers"))
    ids = splitCommas(*chain);
  else
    ids = defaultSamplers(host);
  for (const std::string &id : ids)
    if (const Provision *sampler = host.provision("sampler", id))
      understood.insert(understood.end(), sampler->options.begin(), sampler->options.end());
  for (const auto &[key, value] : options_.options) {
    if (key == "samplers" || contains(understood, key))
      continue;
    std::string known;
    for (const std::string &option : understood)
      known += (known.empty() ? "" : ", ") + option;
    return error(Code::InvalidArgument)
           << "option '" << key << "' is known neither to strategy '" << options_.strategy
           << "' nor to its samplers; there is " << (known.empty() ? "none" : known);
  }
  PLX_ASSIGN(chain_,
             SamplerChain::create(host, ids, options_.options,
                                  options_.model->backend->info().vocabSize, options_.prompt));
  return Status::ok();
}

Status GenerationRun::makeStrategy(const Provider &provider) {
  plugin_ = provider.plugin;
  plx_strategy_factory factory;
  PLX_RETURN_IF_ERROR(readStruct(static_cast<const plx_strategy_factory *>(
                                     plugin_->factory(PLX_STRATEGY_FACTORY_ID)),
                                 factory, "plx_strategy_factory")
                          .at(plugin_->path()));
  if (!factory.create)
    return error(Code::InvalidArgument)
           << plugin_->path() << ": plx_strategy_factory.create is NULL";
  std::vector<plx_option> given;
  for (const auto &[key, value] : options_.options)
    if (contains(provider.provision->options, key))
      given.push_back({sizeof(plx_option), nullptr, toStr(key), toStr(value)});
  std::vector<const plx_option *> pointers;
  for (const plx_option &option : given)
    pointers.push_back(&option);
  plx_generation_params params = {};
  params.struct_size = sizeof(params);
  params.prompt = options_.prompt.data();
  params.prompt_count = options_.prompt.size();
  params.max_tokens = options_.maxTokens;
  params.seed = options_.seed;
  params.models = static_cast<int32_t>(models_.size());
  params.sampling = asksForSampling(options_.options);
  params.stop_tokens = options_.stopTokens.data();
  params.stop_token_count = options_.stopTokens.size();
  params.options = pointers.data();
  params.option_count = pointers.size();
  strategy_.struct_size = sizeof(strategy_);
  ErrorReceiver receiver;
  inStrategy_ = true;
  const plx_status code =
      factory.create(toStr(options_.strategy), &params, &generationApi(),
                     reinterpret_cast<plx_generation *>(this), &strategy_, receiver.get());
  inStrategy_ = false;
  if (code != PLX_OK)
    strategy_ = {};
  PLX_RETURN_IF_ERROR(receiver.status(code, name_));
  plx_strategy checked;
  PLX_RETURN_IF_ERROR(readStruct(&strategy_, checked, "plx_strategy").at(name_));
  if (!strategy_.resume || !strategy_.destroy)
    return error(Code::InvalidArgument) << name_ << ": plx_strategy.resume and destroy must be set";
  return Status::ok();
}

bool GenerationRun::advance() {
  if (!status_)
    return false;
  if (cancelled.load(std::memory_order_relaxed)) {
    fail(Status(Code::Cancelled, "cancelled"));
    return false;
  }
  results_.clear();
  for (size_t i = 0; i < requestCount_; ++i)
    results_.add(std::move(outcomes_[i]), requests_[i].wants);
  requestCount_ = 0;
  plx_step step = {sizeof(plx_step), nullptr, nullptr, 0};
  ErrorReceiver receiver;
  inStrategy_ = true;
  const plx_status code =
      strategy_.resume(strategy_.self, results_.data(), results_.size(), &step, receiver.get());
  inStrategy_ = false;
  if (code != PLX_OK)
    fail(receiver.status(code, name_));
  else if (Status read = readStep(step); !read)
    fail(read.at(name_));
  if (status_ && cancelled.load(std::memory_order_relaxed))
    fail(Status(Code::Cancelled, "cancelled"));
  if (status_ && requestCount_ > 0)
    fail(checkProgress());
  return status_.isOk() && requestCount_ > 0;
}

Status GenerationRun::readStep(const plx_step &from) {
  plx_step step;
  PLX_RETURN_IF_ERROR(readStruct(&from, step, "plx_step"));
  if (step.forward_count > RequestLimits::requests || (step.forward_count && !step.forwards))
    return error(Code::InvalidArgument)
           << "plx_step.forward_count is " << step.forward_count << ", expected at most "
           << RequestLimits::requests << " and an array";
  requestCount_ = step.forward_count;
  if (requests_.size() < requestCount_) {
    requests_.resize(requestCount_);
    requestModels_.resize(requestCount_);
    outcomes_.resize(requestCount_);
  }
  for (size_t i = 0; i < requestCount_; ++i) {
    ReadRequest &request = requests_[i];
    requestModels_[i] = nullptr;
    Status status = readForward(step.forwards[i], request);
    if (status) {
      auto slot = sequence(request.sequence, "plx_forward.sequence");
      status = slot.status();
      if (slot) {
        requestModels_[i] = (*slot)->model;
        request.request.sequence = (*slot)->id;
      }
    }
    // A refused request is answered like any other: the strategy may know what to do instead.
    if (!status)
      outcomes_[i] = {status.at("request " + std::to_string(i)), {}};
  }
  return Status::ok();
}

Status GenerationRun::checkProgress() {
  ++steps_;
  ++stepsSinceEmit_;
  const bool allStopped =
      !outputs_.empty() && std::all_of(outputs_.begin(), outputs_.end(), [](const auto &output) {
        return !output || output->stopped() != PLX_STOP_NONE;
      });
  // Behind the stop of all outputs another one may begin (beams, best of n), but not for ever.
  const int64_t tokens = rules_.maxTokens + 16;
  const bool overflows = tokens > INT64_MAX / limits_.stepsPerToken;
  const int64_t most = allStopped ? tokens : overflows ? INT64_MAX : tokens * limits_.stepsPerToken;
  if (stepsSinceEmit_ <= most)
    return Status::ok();
  if (allStopped) {
    requestCount_ = 0; // what was emitted stands
    return Status::ok();
  }
  return error(Code::ResourceExhausted)
         << name_ << " asked for " << stepsSinceEmit_ << " steps without emitting a token";
}

void GenerationRun::fail(Status status) {
  if (status_)
    status_ = std::move(status);
}

GenerationResult GenerationRun::finish() {
  if (strategy_.destroy)
    strategy_.destroy(strategy_.self);
  strategy_ = {};
  GenerationResult result;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    GenerationOutput &output = result.outputs.emplace_back();
    if (!outputs_[i])
      continue;
    piece_.clear();
    fail(outputs_[i]->finish(PLX_STOP_FINISHED, piece_));
    if (i == 0 && !piece_.empty())
      deliver({}, piece_);
    output = {outputs_[i]->ids(), outputs_[i]->text(), outputs_[i]->stopped(), outputs_[i]->score,
              outputs_[i]->hasScore};
  }
  for (const SequenceSlot &slot : sequences_) {
    (void)slot.model->backend->commit(slot.id, {});
    (void)slot.model->backend->closeSequence(slot.id);
  }
  for (const SnapshotSlot &slot : snapshots_)
    (void)slot.model->backend->dropSnapshot(slot.id);
  sequences_.clear();
  snapshots_.clear();
  const auto seconds = [&](Clock::time_point at) {
    return std::chrono::duration<double>(at - started_).count();
  };
  result.counters = counters_;
  result.timing = {static_cast<int64_t>(options_.prompt.size()), steps_,
                   hasFirstToken_ ? seconds(firstToken_) : 0.0, seconds(Clock::now())};
  result.status = status_;
  return result;
}

void GenerationRun::deliver(std::span<const int32_t> ids, std::string_view text) {
  if (!hasFirstToken_ && !ids.empty()) {
    hasFirstToken_ = true;
    firstToken_ = Clock::now();
  }
  if (options_.onPiece && !options_.onPiece({ids, text}))
    cancelled = true;
}

} // namespace plexus
