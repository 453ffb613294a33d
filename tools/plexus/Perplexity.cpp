// plexus perplexity: how well a language model predicts a text.
#include "Command.h"

#include "Progress.h"
#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Session.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::string text;
  std::optional<int32_t> bos;
  int64_t window = 256, maxTokens = 0;
  bool jit = false, json = false;
};

struct Score {
  double nll = 0; ///< Natural logarithm, summed.
  int64_t tokens = 0, bytes = 0;
};

/// The text's ids, and how many of its bytes they stand for.
Expected<std::vector<int32_t>> readText(const Arguments &a, const OpenedModel &model,
                                        Score &score) {
  PLX_ASSIGN(std::string text, readInput(a.text));
  PLX_ASSIGN(const Tokenizer *tokenizer, model.needTokenizer());
  EncodeOptions options;
  options.addSpecialTokens = false;
  PLX_ASSIGN(Encoding encoding, tokenizer->encode(text, options));
  std::vector<int32_t> ids(encoding.ids.begin(), encoding.ids.end());
  score.bytes = static_cast<int64_t>(text.size());
  if (a.maxTokens && a.maxTokens < static_cast<int64_t>(ids.size())) {
    ids.resize(static_cast<size_t>(a.maxTokens));
    score.bytes = encoding.offsets[ids.size() - 1].second;
  }
  if (ids.empty())
    return error(Code::InvalidArgument) << a.text << ": the text has no token";
  return ids;
}

/// Runs one window [BOS] + w[:-1]; adds -log p of every id of w.
Status addWindow(Session &session, int32_t bos, std::span<const int32_t> window, Score &score) {
  std::vector<int32_t> ids = {bos};
  ids.insert(ids.end(), window.begin(), window.end() - 1);
  Want want;
  want.rows = RowSet::All;
  want.reduce = Reduce::LogProbs;
  want.ids = window; // Row r is asked for all targets; its own is the r-th.
  ForwardRequest request;
  PLX_ASSIGN(request.sequence, session.openSequence());
  request.ids = ids;
  request.wants = {&want, 1};
  ForwardOutcome outcome;
  session.forward({&request, 1}, {&outcome, 1});
  PLX_RETURN_IF_ERROR(outcome.status);
  for (size_t r = 0; r < window.size(); ++r)
    score.nll -= outcome.result[0].values[r * window.size() + r];
  score.tokens += static_cast<int64_t>(window.size());
  return session.closeSequence(request.sequence);
}

Status scoreAll(const OpenedModel &model, int32_t bos, std::span<const int32_t> ids, size_t window,
                Score &score) {
  const CompileProgress bar = progressBar();
  PLX_ASSIGN(auto session, Session::create(model.model));
  for (size_t at = 0; at < ids.size(); at += window) {
    const size_t count = std::min(window, ids.size() - at);
    PLX_RETURN_IF_ERROR(addWindow(*session, bos, ids.subspan(at, count), score));
    if (bar)
      bar("score", at + count, ids.size());
  }
  return Status::ok();
}

Expected<int32_t> firstToken(const Arguments &a, const OpenedModel &model) {
  if (a.bos)
    return *a.bos;
  if (model.info().bos)
    return *model.info().bos;
  return error(Code::NotFound) << model.path
                               << ": the model names no BOS token; --bos ID says what to put "
                                  "before each window";
}

Status runAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.model.apply());
  PLX_ASSIGN(OpenedModelPtr model, a.model.open(a.jit));
  if (model->info().task != "causal-lm")
    return error(Code::Unsupported) << model->path << ": perplexity is of causal language models, "
                                    << "this is of task " << model->info().task;
  if (a.window > model->info().context)
    return error(Code::InvalidArgument)
           << "--window " << a.window << " is past the context of " << model->info().context;
  Score score;
  PLX_ASSIGN(int32_t bos, firstToken(a, *model));
  PLX_ASSIGN(std::vector<int32_t> ids, readText(a, *model, score));
  const auto begin = std::chrono::steady_clock::now();
  Status status;
  EngineThread::shared().run(
      [&] { status = scoreAll(*model, bos, ids, static_cast<size_t>(a.window), score); });
  PLX_RETURN_IF_ERROR(status);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double nll = score.nll / score.tokens;
  const double bits = score.nll / std::numbers::ln2 / score.bytes;
  if (a.json) {
    printJson({{"nll", nll},
               {"perplexity", std::exp(nll)},
               {"bits_per_byte", bits},
               {"tokens", score.tokens},
               {"bytes", score.bytes},
               {"window", a.window},
               {"seconds", seconds}});
    return Status::ok();
  }
  std::printf("nll %.6f  perplexity %.5f  bits per byte %.5f\n", nll, std::exp(nll), bits);
  std::fprintf(stderr, "%lld tokens in %.2f s\n", static_cast<long long>(score.tokens), seconds);
  return Status::ok();
}

} // namespace

std::function<int()> addPerplexity(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "perplexity",
      "Measure how well a language model predicts a text.\n\n"
      "  plexus perplexity m.plx --text book.txt --window 256\n\n"
      "The file is encoded as one text without special tokens and cut into consecutive windows. "
      "Each window w is fed as [BOS] + w[:-1], and each of its ids is a target. nll is the mean "
      "of -log p in nats over all ids, perplexity its exponential.");
  a->model.add(*c, false);
  c->add_option("--text", a->text, "The file to score; - reads stdin")->required();
  c->add_option("--window", a->window, "Ids of a window")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  c->add_option("--max-tokens", a->maxTokens, "Score only the first ids of the text")
      ->check(CLI::PositiveNumber);
  c->add_option("--bos", a->bos, "Id before each window instead of the model's BOS");
  c->add_flag("--jit", a->jit, "Compile in memory, leaving nothing behind");
  c->add_flag("--json", a->json, "Print the result as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
