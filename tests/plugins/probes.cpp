// Strategies that use every host function once and say what is wrong, if anything is.
#include <plexus/strategy.hpp>

#include <array>
#include <functional>

namespace {

using namespace plexus;

void expect(bool holds, const char *what) {
  if (!holds)
    throw sdk::Error(PLX_INTERNAL, std::string("expected: ") + what);
}

/// That `body` is refused with this code.
void expectRefused(plx_status code, const char *what, const std::function<void()> &body) {
  try {
    body();
  } catch (const sdk::Error &error) {
    if (error.code() == code && std::string_view(error.what()).size() > 8)
      return;
    throw sdk::Error(PLX_INTERNAL, std::string(what) + " was refused with: " + error.what());
  }
  throw sdk::Error(PLX_INTERNAL, std::string(what) + " was not refused");
}

std::vector<float> copy(const Row &row) { return {row.logits().begin(), row.logits().end()}; }

Task<> sequences(Generation &g) {
  Sequence a = g.open();
  co_await a.append(g.prompt());
  Sequence b = a.fork();
  const std::array<int32_t, 2> ids = {3, 4}, other = {5, 4};
  const auto viaA = copy(co_await a.append(ids)), viaB = copy(co_await b.append(other));
  expect(viaA != viaB, "forks go their own ways");
  // Truncated and fed again, scratch, and drafts must all give the same rows.
  const auto length = static_cast<int64_t>(g.prompt().size());
  b.truncate(length);
  expect(b.length() == length, "truncate shortens");
  expect(copy((co_await b.scratch(ids)).back()) == viaA, "scratch rows see what appended rows see");
  expect(b.length() == length && b.pending() == 0, "scratch leaves no trace");
  const std::array<int32_t, 3> tree = {3, 5, 4}, parents = {-1, -1, 0};
  expect(copy((co_await b.draft(tree, parents)).back()) == viaA, "a drafted branch sees its path");
  expect(b.pending() == 3, "drafted rows are pending");
  expectRefused(PLX_INVALID_ARGUMENT, "fork with pending rows", [&] { b.fork(); });
  const std::array<int32_t, 1> deeper = {9}, below = {2};
  const auto viaTree = copy((co_await b.draft(deeper, below)).back());
  const std::array<int32_t, 3> path = {0, 2, 3};
  b.commit(path);
  expect(b.length() == length + 3 && b.pending() == 0, "commit keeps the path");
  expect(copy(co_await a.append(deeper)) == viaTree, "a second level of drafts sees its path");

  plx_snapshot snapshot = 0;
  g.call(g.api().snapshot, a.id(), &snapshot);
  const auto before = copy(co_await a.append(ids));
  g.call(g.api().restore, a.id(), snapshot);
  expect(copy(co_await a.append(ids)) == before, "restore goes back");
  g.call(g.api().snapshot_drop, snapshot);
  expectRefused(PLX_INVALID_ARGUMENT, "a dropped snapshot",
                [&] { g.call(g.api().restore, a.id(), snapshot); });
  expectRefused(PLX_INVALID_ARGUMENT, "an unknown sequence",
                [&] { g.call(g.api().truncate, plx_seq(999), int64_t(0)); });
  expectRefused(PLX_INVALID_ARGUMENT, "model 7", [&] { g.open(7); });

  const std::array<Request, 2> two = {Request{.sequence = a.id(), .tokens = ids},
                                      Request{.sequence = b.id(), .tokens = ids}};
  const Results results = co_await g.run(two);
  expect(results.size() == 2 && copy(results.rows(0).back()) != copy(results.rows(1).back()),
         "two requests, two answers");
  g.emit(1);
}

Task<> wants(Generation &g) {
  const int32_t ids[] = {2, 5};
  const plx_want wanted[] = {want::logits(), want::topK(3), want::logProbs(ids)};
  const Request request = {.sequence = g.main().id(), .tokens = g.prompt(), .wants = wanted};
  const Results results = co_await g.run({&request, 1});
  const Row row = results.rows(0, 0).back();
  const plx_output &top = results.rows(0, 1).output(), &probs = results.rows(0, 2).output();
  expect(top.width == 3 && top.ids[0] == row.argmax(), "top-k begins with the argmax");
  expect(top.values[0] >= top.values[1] && top.values[1] >= top.values[2], "top-k descends");
  double sum = 0;
  for (const float logit : row.logits())
    sum += std::exp(double(logit));
  expect(std::abs(top.log_sum_exp[0] - std::log(sum)) < 1e-4, "log-sum-exp of the whole row");
  expect(std::abs(probs.values[1] - (row.logits()[5] - std::log(sum))) < 1e-4, "log-probabilities");
  expect(results.rows(0, 1).back().argmax() == row.argmax(), "argmax of a reduced row");
  expectRefused(PLX_UNSUPPORTED, "sampling from a reduced row",
                [&] { (void)results.rows(0, 1).back().sample(); });
  expectRefused(PLX_INVALID_ARGUMENT, "a row of log-probabilities",
                [&] { (void)results.rows(0, 2).back().argmax(); });

  // Held results outlive the next forward; others do not.
  const auto values = copy(row);
  g.call(g.api().result_hold, results.raw(0).id);
  const plx_result_id held = results.raw(0).id;
  const Row next = co_await g.forward(ids);
  expect(copy(row) == values && row.argmax() >= 0, "a held row stays");
  g.call(g.api().result_drop, held);
  expectRefused(PLX_INVALID_ARGUMENT, "a row of a dropped result", [&] { (void)row.argmax(); });
  expectRefused(PLX_INVALID_ARGUMENT, "dropping twice", [&] { g.call(g.api().result_drop, held); });
  g.emit(next.argmax());
}

Task<> distributions(Generation &g) {
  const Row row = co_await g.forward(g.prompt());
  const int32_t path[] = {4};
  const plx_place here = Generation::place({}), there = Generation::place(path);
  plx_dist p = 0, q = 0, mixed = 0, rest = 0;
  g.call(g.api().dist_make, row.handle(), &here, &p);
  const Row second = co_await g.forward(path);
  g.call(g.api().dist_make, second.handle(), &here, &q);
  g.call(g.api().dist_mix, p, q, 0.25, &mixed);
  g.call(g.api().dist_residual, p, q, &rest);
  double sums[4] = {}, overlap = 0;
  const auto prob = [&](plx_dist dist, int32_t id) {
    double value = 0;
    g.call(g.api().dist_prob, dist, id, &value);
    return value;
  };
  for (int32_t id = 0; id < g.info().vocab_size; ++id) {
    const double a = prob(p, id), b = prob(q, id);
    sums[0] += a;
    sums[1] += b;
    sums[2] += prob(mixed, id);
    sums[3] += prob(rest, id);
    overlap += std::min(a, b);
    expect(std::abs(prob(mixed, id) - (0.25 * a + 0.75 * b)) < 1e-6, "a mix is a mix");
    expect(prob(rest, id) < 1e-9 || a > b, "the residual is where the target has more");
  }
  for (const double sum : sums)
    expect(std::abs(sum - 1) < 1e-5, "probabilities sum to 1");
  expect(overlap < 1, "the two distributions differ");
  int32_t drawn = -1, again = -1;
  g.call(g.api().dist_sample, p, &there, &drawn, size_t(1));
  g.call(g.api().dist_sample, p, &there, &again, size_t(1));
  expect(drawn == again && prob(p, drawn) > 0, "equal places give equal draws");
  g.call(g.api().dist_drop, p);
  expectRefused(PLX_INVALID_ARGUMENT, "a dropped distribution", [&] { prob(p, 0); });
  expect(g.random(0, 1, 2, 3) == g.random(0, 1, 2, 3), "rng depends on its key alone");
  expect(g.random(0, 1, 2, 3) != g.random(0, 1, 2, 4), "rng depends on the draw");
  std::vector<float> short_(3);
  expectRefused(PLX_INVALID_ARGUMENT, "too few scores", [&] { g.process(short_, {}, 3); });
  g.emit(drawn);
}

Task<> textAndModel(Generation &g) {
  char bytes[8];
  size_t size = 0;
  g.call(g.api().token_bytes, 2, bytes, sizeof(bytes), &size);
  expect(size == 1 && bytes[0] == 'c', "token_bytes");
  int32_t ids[4];
  g.call(g.api().encode, sdk::str("abcde"), 0, ids, size_t(4), &size);
  expect(size == 5 && ids[3] == 3, "encode tells the size and fills what fits");
  g.call(g.api().decode, ids, size_t(4), 1, bytes, sizeof(bytes), &size);
  expect(std::string_view(bytes, size) == "abcd", "decode");
  int32_t eos = 0;
  g.call(g.api().special_id, sdk::str("eos"), &eos);
  expect(eos == 31, "special_id");
  expectRefused(PLX_NOT_FOUND, "an unknown special token",
                [&] { g.call(g.api().special_id, sdk::str("nonsense"), &eos); });
  expect(g.can("text") && g.can("state.truncate") && !g.can("edit") && !g.can("x", 9),
         "has_capability");
  expect(sdk::view(g.info().name) == "toy" && g.info().vocab_size == 32, "model_info");
  for (const char *function : {"module_call", "edit", "overlay", "policy", "store_get", "what"})
    expectRefused(PLX_UNSUPPORTED, function, [&] {
      g.call(g.api().call, sdk::str(function), static_cast<const plx_chain *>(nullptr));
    });
  expectRefused(PLX_UNSUPPORTED, "a model option",
                [&] { g.call(g.api().option_set, 0, sdk::str("moe.top_k"), sdk::str("2")); });
  g.count("drafted", 2);
  g.count("own", 5);
  g.count("own", -1);
  expectRefused(PLX_RESOURCE_EXHAUSTED, "a counter without a name", [&] { g.count("", 1); });
  expectRefused(PLX_INVALID_ARGUMENT, "output -1", [&] { g.emit(g.prompt(), -1); });
  co_await g.forward(g.prompt());
  const int32_t first[] = {0, 1}, second[] = {2, 3, 31, 5};
  expect(bool(g.emit(first)), "the output goes on");
  const Emitted emitted = g.emit(second, 1);
  expect(emitted.taken == 3 && emitted.stop == PLX_STOP_TOKEN, "ids after a stop are dropped");
  g.finish(1, -0.5);
  expect(g.stopTest(second).taken == 3 && g.stopTest(first).stop == PLX_STOP_NONE, "stop_test");
}

} // namespace

PLX_STRATEGY_PLUGIN("probes", "1.0.0", R"([
  {"kind": "strategy", "id": "probe_sequences"}, {"kind": "strategy", "id": "probe_wants"},
  {"kind": "strategy", "id": "probe_distributions"}, {"kind": "strategy", "id": "probe_text"}])",
                    {"probe_sequences", sequences}, {"probe_wants", wants},
                    {"probe_distributions", distributions}, {"probe_text", textAndModel});
