// plexus bench: how fast a model runs, repeat by repeat.
#include "Command.h"

#include "Progress.h"
#include "runtime/api/Generate.h"
#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/Session.h"
#include "runtime/io/Safetensors.h"
#include "runtime/threads/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::string inputs;
  /// Not given: 512, 64 and 512, or what fits a shorter context.
  std::optional<int64_t> prefill, decode, context;
  int reps = 5;
  bool jit = false, json = false;
};

/// One thing that is timed.
struct Part {
  std::string name;
  int64_t tokens = 0; ///< Of one repeat; 0: runs of a graph.
  std::vector<double> seconds;
  int64_t context = 0; ///< Ids before the steps of a decode.
  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    const size_t n = sorted.size();
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }
};

/// Ids that look like text to the machine: all over the vocabulary, the same each time.
std::vector<int32_t> someIds(int64_t count, int64_t vocabulary) {
  std::vector<int32_t> ids;
  uint64_t x = 0x9e3779b97f4a7c15u;
  for (int64_t i = 0; i < count; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u; // Knuth's MMIX generator.
    ids.push_back(static_cast<int32_t>((x >> 33) % static_cast<uint64_t>(vocabulary)));
  }
  return ids;
}

/// One warm-up, then the repeats.
Status repeat(Part &part, int reps, const std::function<Expected<double>()> &once) {
  const CompileProgress bar = progressBar();
  for (int i = 0; i <= reps; ++i) {
    if (bar)
      bar(part.name, static_cast<uint64_t>(i), static_cast<uint64_t>(reps) + 1);
    auto seconds = once();
    PLX_RETURN_IF_ERROR(seconds.status().at(part.name));
    if (i > 0)
      part.seconds.push_back(*seconds);
  }
  return Status::ok();
}

Expected<GenerationTiming> generateOnce(const OpenedModel &model, int64_t prompt,
                                        int64_t newTokens) {
  GenerateRequest request;
  request.promptIds = someIds(prompt, model.info().vocabSize);
  request.strategy = "greedy";
  request.maxTokens = newTokens;
  request.ignoreEos = true;
  const GenerationResult result = generate(model, request);
  PLX_RETURN_IF_ERROR(result.status);
  return result.timing;
}

/// `prepared`: of models that do not run on tokens, otherwise null.
Expected<double> runOnce(Session &session, PreparedRun *prepared,
                         const std::vector<NamedTensor> &inputs) {
  Expected<double> seconds = 0.0;
  EngineThread::shared().run([&] {
    const auto begin = std::chrono::steady_clock::now();
    Status status = prepared ? prepared->run() : session.runNamed(inputs).status();
    if (status)
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    else
      seconds = status;
  });
  return seconds;
}

Status benchRun(const Arguments &a, const OpenedModel &model, const std::string &name,
                int64_t tokens, const std::vector<NamedTensor> &inputs, std::vector<Part> &parts) {
  Expected<std::unique_ptr<Session>> session = Status();
  EngineThread::shared().run([&] { session = Session::create(model.model); });
  if (!session)
    return session.status();
  std::unique_ptr<PreparedRun> prepared;
  EngineThread::shared().run([&] {
    if (auto made = (*session)->prepare(inputs))
      prepared = *std::move(made);
  });
  Part &part = parts.emplace_back(Part{name, tokens, {}});
  const Status status =
      repeat(part, a.reps, [&] { return runOnce(**session, prepared.get(), inputs); });
  EngineThread::shared().run([&] {
    prepared.reset();
    session->reset();
  });
  return status;
}

/// The lengths that are timed, where not all are given.
struct Lengths {
  int64_t prefill, decode, context;
};

Expected<Lengths> lengths(const Arguments &a, int64_t most) {
  Lengths l;
  l.prefill = a.prefill.value_or(std::min<int64_t>(512, most));
  l.decode = a.decode.value_or(std::min<int64_t>(64, (most + 1) / 2));
  l.context = a.context.value_or(std::clamp<int64_t>(most - l.decode, 1, 512));
  if (l.prefill > most)
    return error(Code::InvalidArgument)
           << "--prefill " << l.prefill << " is past the model's context: give at most " << most;
  if (l.decode > 0 && l.context + l.decode > most)
    return error(Code::InvalidArgument)
           << "--context " << l.context << " and --decode " << l.decode << " make "
           << l.context + l.decode << " ids, the model's context is " << most << ": shorten one by "
           << l.context + l.decode - most;
  return l;
}

Status benchCausal(const Arguments &a, const Lengths &l, const OpenedModel &model,
                   std::vector<Part> &parts) {
  if (l.prefill > 0) {
    Part &part = parts.emplace_back(Part{"prefill", l.prefill, {}});
    PLX_RETURN_IF_ERROR(repeat(part, a.reps, [&]() -> Expected<double> {
      PLX_ASSIGN(GenerationTiming t, generateOnce(model, l.prefill, 1));
      return t.firstTokenSeconds;
    }));
  }
  if (l.decode == 0)
    return Status::ok();
  Part &part = parts.emplace_back(Part{"decode", l.decode, {}, l.context});
  return repeat(part, a.reps, [&]() -> Expected<double> {
    // The first token is the prompt's; those behind it are timed.
    PLX_ASSIGN(GenerationTiming t, generateOnce(model, l.context, l.decode + 1));
    return t.totalSeconds - t.firstTokenSeconds;
  });
}

Status benchAll(const Arguments &a, const OpenedModel &model, std::vector<Part> &parts) {
  if (!a.inputs.empty()) {
    PLX_ASSIGN(auto source, openSafetensors(a.inputs));
    std::vector<NamedTensor> inputs;
    for (const std::string &name : source->names()) {
      const TensorView *view = source->find(name);
      inputs.push_back({name, Tensor::borrow(view->dtype, view->shape, view->bytes)});
    }
    return benchRun(a, model, "run", 0, inputs, parts);
  }
  const int64_t most = model.info().context;
  if (model.info().vocabSize == 0)
    return error(Code::InvalidArgument)
           << model.path << ": a graph is timed on tensors: give --inputs FILE.safetensors";
  if (model.info().task == "causal-lm") {
    PLX_ASSIGN(const Lengths l, lengths(a, most));
    return benchCausal(a, l, model, parts);
  }
  if (a.decode || a.context)
    return error(Code::InvalidArgument)
           << model.path << ": --decode and --context are for causal language models, this is of "
           << "task " << model.info().task << ": give --prefill alone";
  const int64_t length = a.prefill.value_or(std::min<int64_t>(512, most));
  if (length < 1 || length > most)
    return error(Code::InvalidArgument)
           << "--prefill " << length << ": give 1 to " << most << ", the model's context";
  const std::vector<int32_t> ids = someIds(length, model.info().vocabSize);
  return benchRun(a, model, "encode", length,
                  {{"input_ids", Tensor::borrow(DType::I32, {1, length}, ids.data())}}, parts);
}

/// A line of /proc/self/status, in bytes; 0 where the system has none.
uint64_t processMemory(const std::string &key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":"))
      return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  return 0;
}

nlohmann::ordered_json toJson(const std::vector<Part> &parts, const OpenedModel &model) {
  nlohmann::ordered_json out = {{"model", model.info().name},
                                {"isa", model.model->image().code->isa()},
                                {"threads", ThreadPool::shared().threads()},
                                {"load_seconds", model.loadSeconds},
                                {"compile_seconds", model.compileSeconds}};
  for (const Part &p : parts) {
    nlohmann::ordered_json part = {{"seconds", p.seconds}, {"median_seconds", p.median()}};
    if (p.tokens) {
      part["tokens"] = p.tokens;
      part["tokens_per_second"] = p.tokens / p.median();
    }
    if (p.context)
      part["context"] = p.context;
    out[p.name] = std::move(part);
  }
  // Mapped weights count as resident while they are used; anonymous memory is what they are not.
  out["peak_memory_bytes"] = processMemory("VmHWM");
  out["anonymous_memory_bytes"] = processMemory("RssAnon");
  return out;
}

void print(const std::vector<Part> &parts, const OpenedModel &model) {
  for (const Part &p : parts) {
    auto [least, most] = std::minmax_element(p.seconds.begin(), p.seconds.end());
    std::printf("%-8s median %9.3f ms, %9.3f .. %.3f", p.name.c_str(), 1e3 * p.median(),
                1e3 * *least, 1e3 * *most);
    if (p.tokens)
      std::printf("  %9.1f tokens/s of %lld", p.tokens / p.median(),
                  static_cast<long long>(p.tokens));
    std::putchar('\n');
  }
  std::printf("load %.1f ms, peak memory %.1f MB (anonymous now %.1f MB), %d threads, code %s\n",
              1e3 * model.loadSeconds, processMemory("VmHWM") / 1e6, processMemory("RssAnon") / 1e6,
              ThreadPool::shared().threads(),
              std::string(model.model->image().code->isa()).c_str());
}

Status runAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.model.apply());
  PLX_ASSIGN(OpenedModelPtr model, a.model.open(a.jit));
  std::vector<Part> parts;
  PLX_RETURN_IF_ERROR(benchAll(a, *model, parts));
  if (a.json)
    printJson(toJson(parts, *model));
  else
    print(parts, *model);
  return Status::ok();
}

} // namespace

std::function<int()> addBench(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "bench", "Time a model: prefill and decode, or runs on given inputs.\n\n"
               "  plexus bench m.plx --prefill 512 --decode 64 --context 512 --reps 5\n"
               "  plexus bench encoder.plx --prefill 128\n"
               "  plexus bench graph.plx --inputs in.safetensors --json\n\n"
               "Decode times greedy steps behind a prompt of --context ids, through the engine. "
               "One repeat of each part warms up and is not counted.");
  a->model.add(*c, false);
  c->add_option("--prefill", a->prefill,
                "Ids of the prompt that is timed; 0: leave out; default: 512, or the context")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--decode", a->decode,
                "Steps that are timed; 0: leave out; default: 64, or half the context")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--context", a->context,
                "Ids before the steps; default: 512, or what the context leaves")
      ->check(CLI::PositiveNumber);
  c->add_option("--inputs", a->inputs, "A .safetensors file: time runs on these tensors");
  c->add_option("--reps", a->reps, "Repeats")->check(CLI::Range(1, 10000))->capture_default_str();
  c->add_flag("--jit", a->jit, "Compile in memory, leaving nothing behind");
  c->add_flag("--json", a->json, "Print all repeats as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
