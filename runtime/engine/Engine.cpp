#include "runtime/engine/Engine.h"

#include <cstdio>

namespace plexus {
namespace {

/// Memory may run out anywhere; it ends the generation, not the process.
template <typename Body>
bool guarded(GenerationRun &run, Body body) {
  try {
    return body();
  } catch (const std::exception &problem) {
    run.fail(Status(Code::ResourceExhausted, run.name() + ": " + problem.what()));
    return false;
  }
}

} // namespace

GenerationResult GenerationHandle::wait() {
  std::unique_lock lock(mutex_);
  over_.wait(lock, [this] { return isOver_; });
  return std::move(result_);
}

bool GenerationHandle::waitFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return over_.wait_for(lock, time, [this] { return isOver_; });
}

void GenerationHandle::complete(GenerationResult result) {
  std::lock_guard lock(mutex_);
  if (isOver_)
    return; // given up before: its caller has gone on
  result_ = std::move(result);
  isOver_ = true;
  over_.notify_all();
}

Engine::Engine(PluginHost &host, EngineThread &thread, EngineOptions options)
    : host_(host), thread_(thread), options_(std::move(options)),
      watchdog_(options_.limits.blockedSeconds) {
  if (!options_.report)
    options_.report = [](std::string_view message) {
      std::fprintf(stderr, "plexus: %.*s\n", static_cast<int>(message.size()), message.data());
    };
}

Engine::~Engine() {
  closing_ = true;
  while (true) {
    thread_.run([this] { pump(); });
    std::lock_guard lock(mutex_);
    if (!scheduled_ && inbox_.empty())
      return;
  }
}

std::shared_ptr<GenerationHandle> Engine::start(GenerationOptions options) {
  auto handle = std::make_shared<GenerationHandle>();
  if (options.onPiece) {
    // The caller's function is not called any more once the caller has its result.
    options.onPiece = [handle = handle.get(),
                       inner = std::move(options.onPiece)](const GenerationPiece &piece) {
      std::lock_guard lock(handle->callback_);
      {
        std::lock_guard state(handle->mutex_);
        if (handle->isOver_)
          return false;
      }
      return inner(piece);
    };
  }
  handle->options_ = std::move(options);
  std::lock_guard lock(mutex_);
  inbox_.push_back(handle);
  if (!scheduled_) {
    scheduled_ = true;
    thread_.post(pump_);
  }
  return handle;
}

void Engine::Pump::run() {
  {
    std::lock_guard lock(engine.mutex_);
    engine.scheduled_ = false;
  }
  engine.pump();
}

void Engine::pump() {
  // Steps until somebody else wants the thread, then queues behind them.
  do {
    admit();
    step();
  } while (!active_.empty() && (closing_ || thread_.idle()));
  std::lock_guard lock(mutex_);
  if (scheduled_ || (active_.empty() && inbox_.empty()))
    return;
  scheduled_ = true;
  thread_.post(pump_);
}

void Engine::admit() {
  std::vector<std::shared_ptr<GenerationHandle>> fresh;
  {
    std::lock_guard lock(mutex_);
    if (inbox_.empty())
      return;
    fresh.swap(inbox_);
  }
  for (auto &handle : fresh) {
    const std::function<void(double)> onBlocked =
        [this, &handle, name = handle->options_.strategy](double seconds) {
          blocked(handle, "making strategy '" + name + "'", seconds);
        };
    watchdog_.begin(onBlocked);
    auto run = GenerationRun::create(host_, std::move(handle->options_), options_.limits, scratch_);
    watchdog_.end();
    if (!run) {
      GenerationResult refused;
      refused.status = run.status();
      handle->complete(std::move(refused));
      continue;
    }
    auto active = std::make_unique<Active>();
    active->handle = handle;
    active->run = *std::move(run);
    active->onBlocked = [this, handle, name = active->run->name()](double seconds) {
      blocked(handle, name, seconds);
    };
    active_.push_back(std::move(active));
  }
}

void Engine::blocked(const std::shared_ptr<GenerationHandle> &handle, const std::string &name,
                     double seconds) {
  const std::string message =
      name + " has not returned for " + std::to_string(seconds) + " seconds; it is given up";
  options_.report(message);
  handle->cancelled_ = true;
  // Not while the caller's own function is what blocks: it uses what its caller owns.
  if (std::unique_lock callback(handle->callback_, std::try_to_lock); callback) {
    GenerationResult result;
    result.status = Status(Code::Internal, message);
    handle->complete(std::move(result));
  }
}

bool Engine::advance(Active &active) {
  GenerationRun &run = *active.run;
  if (closing_ || active.handle->cancelled_)
    run.cancelled = true;
  if (active.waiting && !run.cancelled)
    return true;
  active.waiting = false;
  watchdog_.begin(active.onBlocked);
  const bool goesOn = guarded(run, [&] { return run.advance(); });
  if (goesOn) {
    watchdog_.end();
    return true;
  }
  // Still watched: closing the strategy runs its code too.
  GenerationResult result;
  guarded(run, [&] {
    result = run.finish();
    return false;
  });
  active.run.reset();
  watchdog_.end();
  active.handle->complete(std::move(result));
  return false;
}

void Engine::step() {
  for (size_t i = 0; i < active_.size();) {
    if (advance(*active_[i])) {
      gather(*active_[i]);
      ++i;
    } else {
      active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i)); // keeps the order fair
    }
  }
  runBatches();
}

void Engine::gather(Active &active) {
  GenerationRun &run = *active.run;
  for (size_t i = 0; i < run.requestCount(); ++i) {
    EngineModel *model = run.requestModel(i);
    if (!model)
      continue;
    EngineModel::Batch &batch = model->batch;
    if (batch.requests.empty())
      batches_.push_back(model);
    const ForwardRequest &whole = run.requests()[i].request;
    batch.requests.push_back(run.requestCount() == 1 ? nextSlice(active, whole) : whole);
    batch.owners.emplace_back(&active, i);
  }
}

/// The part of a long prompt that this step runs. Only plain appended tokens are cut, and only
/// where no request behind them could overtake.
ForwardRequest Engine::nextSlice(Active &active, const ForwardRequest &whole) {
  const auto chunk = static_cast<size_t>(options_.limits.chunk);
  bool cuttable = whole.mode == RowMode::Append && whole.ids.size() > chunk &&
                  whole.parents.empty() && whole.positions.empty() && !whole.bidirectional &&
                  whole.reenter.empty() && !(whole.flags & NoChunk);
  for (const Want &want : whole.wants)
    cuttable &= want.rows == RowSet::Last;
  ForwardBackend &backend = *active.run->requestModel(0)->backend;
  if (cuttable && active.done == 0) {
    // A request that cannot be finished is refused whole, by the backend.
    const auto length = backend.length(whole.sequence);
    active.startLength = length ? *length : 0;
    const int64_t context = backend.info().context;
    cuttable = length.isOk() &&
               (context == 0 || *length + static_cast<int64_t>(whole.ids.size()) <= context);
  }
  if (!cuttable)
    return whole;
  ForwardRequest slice = whole;
  const size_t count = std::min(chunk, whole.ids.size() - active.done);
  slice.ids = whole.ids.subspan(active.done, count);
  active.done += count;
  active.waiting = active.done < whole.ids.size();
  if (active.waiting)
    slice.wants = {};
  return slice;
}

void Engine::runBatches() {
  for (EngineModel *model : batches_) {
    EngineModel::Batch &batch = model->batch;
    batch.outcomes.resize(batch.requests.size());
    model->backend->forward(batch.requests, batch.outcomes);
    for (size_t i = 0; i < batch.owners.size(); ++i)
      answer(*static_cast<Active *>(batch.owners[i].first), batch.owners[i].second,
             std::move(batch.outcomes[i]));
    batch.requests.clear();
    batch.outcomes.clear();
    batch.owners.clear();
  }
  batches_.clear();
}

void Engine::answer(Active &active, size_t request, ForwardOutcome outcome) {
  if (!outcome.status && active.done > 0) {
    // A failed request leaves its sequence as it was, however many parts it was run in.
    GenerationRun &run = *active.run;
    (void)run.requestModel(request)->backend->truncate(run.requests()[request].request.sequence,
                                                       active.startLength);
    active.waiting = false;
  }
  if (active.waiting)
    return;
  active.done = 0;
  active.run->answer(request, std::move(outcome));
}

} // namespace plexus
