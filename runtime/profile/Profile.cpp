// Spans are noted as they come; what they cost is worked out afterwards.
#include "runtime/profile/Profile.h"

#include "runtime/profile/OpText.h"

#include <algorithm>
#include <atomic>
#include <map>

namespace plexus {
namespace {

std::atomic<Profile *> activeProfile{nullptr};

const Step &stepOf(const Profile::Run &run, const Profile::Span &span) {
  return run.program->schedules[run.schedule].steps[span.step];
}

int64_t rowsOf(const Profile::Run &run, size_t rows) {
  const int64_t counts[] = {1, run.tokens, run.sequences, run.outputs};
  return counts[rows];
}

/// Slots that the tokens of a run see, each once a sequence, and once for each token.
struct Seen {
  double slots = 0, pairs = 0;
};

Seen seenSlots(const Profile::Run &run, int64_t window) {
  Seen seen;
  for (auto [past, tokens] : run.lengths) {
    const int64_t kept = window > 0 ? std::min(past, window - 1) : past;
    seen.slots += static_cast<double>(kept + tokens);
    for (int64_t t = 1; t <= tokens; ++t)
      seen.pairs += static_cast<double>(window > 0 ? std::min(past + t, window) : past + t);
  }
  return seen;
}

OpCost attentionCost(const Profile::Run &run, const StateInfo &state, int64_t heads) {
  const Seen seen = seenSlots(run, state.window);
  const int64_t bytes = state.seals() ? state.sealed().bytes() : state.layerBytes();
  return {seen.slots * static_cast<double>(bytes) / PLX_PAGE_TOKENS,
          2 * seen.pairs * static_cast<double>(heads * (state.keyDim + state.valueDim))};
}

/// The largest weight that an op reads, and bytes of all of them.
std::pair<std::string, double> weightsOf(const Profile::Run &run, const Profile::Span &span,
                                         const OpText &op) {
  const Step &step = stepOf(run, span);
  const Segment &segment = run.program->segments[step.segment];
  std::string name;
  uint64_t largest = 0;
  double bytes = 0;
  for (int weight : op.weights) {
    if (static_cast<size_t>(weight) >= step.weights.size())
      continue;
    const uint64_t size = run.program->weights[step.weights[weight]].bytes;
    bytes += static_cast<double>(size);
    if (size > largest)
      name = segment.weights[weight];
    largest = std::max(largest, size);
  }
  return {largest > 65536 ? name : "", bytes};
}

OpCost opCost(const Profile::Run &run, const Profile::Span &span, const OpText &op) {
  OpCost cost;
  cost.bytes = weightsOf(run, span, op).second;
  for (size_t rows = 0; rows < op.bytes.size(); ++rows) {
    cost.bytes += static_cast<double>(op.bytes[rows] * rowsOf(run, rows));
    cost.operations += 2 * static_cast<double>(op.multiplies[rows] * rowsOf(run, rows));
  }
  const Segment &segment = run.program->segments[stepOf(run, span).segment];
  for (auto [state, heads] : op.attends)
    if (static_cast<size_t>(state) < segment.states.size())
      cost += attentionCost(run, run.program->states[segment.states[state]], heads);
  return cost;
}

/// Adds the spans of one profile up; texts are parsed once.
class Summary {
public:
  Status add(const Profile::Run &run, const Profile::Span &span) {
    const int segment = stepOf(run, span).segment;
    auto [place, isNew] = rows_.try_emplace({segment, span.op});
    auto &[op, row] = place->second;
    if (isNew) {
      row.segment = run.program->segments[segment].name;
      row.op = "(segment)";
      if (span.op) {
        PLX_ASSIGN(op, OpText::parse(span.op));
        row.op = op.name;
        row.weight = weightsOf(run, span, op).first;
      }
    }
    row.seconds += 1e-9 * static_cast<double>(span.end - span.begin);
    row.calls += 1;
    row.cost += opCost(run, span, op);
    return Status::ok();
  }

  /// What a branch for few and one for many rows say of an op is one row.
  std::vector<OpRow> take() {
    std::vector<OpRow> out;
    for (auto &[key, entry] : rows_) {
      OpRow &row = entry.second;
      auto same = std::find_if(out.begin(), out.end(), [&](const OpRow &other) {
        return other.segment == row.segment && other.op == row.op && other.weight == row.weight;
      });
      if (same == out.end()) {
        out.push_back(std::move(row));
        continue;
      }
      same->seconds += row.seconds;
      same->calls += row.calls;
      same->cost += row.cost;
    }
    std::sort(out.begin(), out.end(),
              [](const OpRow &a, const OpRow &b) { return a.seconds > b.seconds; });
    return out;
  }

private:
  std::map<std::pair<int, const char *>, std::pair<OpText, OpRow>> rows_;
};

} // namespace

void Profile::activate() { activeProfile.store(this, std::memory_order_release); }

void Profile::deactivate() {
  Profile *self = this;
  activeProfile.compare_exchange_strong(self, nullptr);
}

Profile *Profile::active() { return activeProfile.load(std::memory_order_acquire); }

void Profile::beginRun(const Program &program, int schedule, const plx_batch &batch) {
  Run &run = runs_.emplace_back();
  run.program = &program;
  run.schedule = schedule;
  run.tokens = batch.tokens;
  run.sequences = batch.sequences;
  run.outputs = batch.outputs;
  for (int64_t s = 0; s < batch.sequences; ++s)
    run.lengths.emplace_back(batch.past ? batch.past[s] : 0,
                             batch.token_begin[s + 1] - batch.token_begin[s]);
  run.begin = run.end = now();
}

void Profile::beginStep(int step) {
  const Time at = now();
  spans_.push_back({nullptr, static_cast<int>(runs_.size()) - 1, step, at, at});
}

void Profile::mark(const char *op) {
  if (spans_.empty())
    return;
  Span next = spans_.back();
  spans_.back().end = next.begin = next.end = now();
  next.op = op;
  spans_.push_back(next);
}

Expected<OpCost> costOf(const Profile::Run &run, const Profile::Span &span) {
  if (!span.op)
    return OpCost();
  PLX_ASSIGN(const OpText op, OpText::parse(span.op));
  return opCost(run, span, op);
}

Expected<std::vector<OpRow>> summarize(const Profile &profile,
                                       bool (*counts)(const Profile::Run &run)) {
  Summary summary;
  double inSpans = 0, inRuns = 0;
  for (const Profile::Span &span : profile.spans()) {
    const Profile::Run &run = profile.runs()[span.run];
    if (!counts(run))
      continue;
    PLX_RETURN_IF_ERROR(summary.add(run, span));
    inSpans += 1e-9 * static_cast<double>(span.end - span.begin);
  }
  int64_t runs = 0;
  for (const Profile::Run &run : profile.runs())
    if (counts(run)) {
      inRuns += 1e-9 * static_cast<double>(run.end - run.begin);
      ++runs;
    }
  std::vector<OpRow> rows = summary.take();
  rows.push_back({"", "(between steps)", "", runs, std::max(0.0, inRuns - inSpans), {}});
  return rows;
}

} // namespace plexus
