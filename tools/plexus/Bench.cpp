// plexus bench: how fast a model runs, repeat by repeat.
#include "Command.h"

#include "Profiled.h"
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
  int64_t batch = 1; ///< Sequences at once.
  int reps = 5, warmUp = 1;
  bool jit = false, json = false, profile = false;
  std::string trace, html;
  bool profiles() const { return profile || !trace.empty() || !html.empty(); }
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

/// Repeats to warm up, then those that count, which `profile` sees if there is one.
Status repeat(Part &part, const Arguments &a, Profile *profile,
              const std::function<Expected<double>()> &once) {
  const CompileProgress bar = progressBar();
  for (int i = -a.warmUp; i < a.reps; ++i) {
    if (bar)
      bar(part.name, static_cast<uint64_t>(i + a.warmUp), static_cast<uint64_t>(a.reps + a.warmUp));
    if (profile && i >= 0)
      profile->activate();
    auto seconds = once();
    if (profile)
      profile->deactivate();
    PLX_RETURN_IF_ERROR(seconds.status().at(part.name));
    if (i >= 0)
      part.seconds.push_back(*seconds);
  }
  return Status::ok();
}

/// When the ids of sequences that are generated together came, seconds from the start.
using Times = std::vector<std::vector<double>>;

Expected<Times> generateOnce(const OpenedModel &model, int64_t sequences, int64_t prompt,
                             int64_t newTokens) {
  using Clock = std::chrono::steady_clock;
  Times times(static_cast<size_t>(sequences));
  std::vector<std::shared_ptr<GenerationHandle>> handles;
  const auto begin = Clock::now();
  for (std::vector<double> &own : times) {
    own.reserve(static_cast<size_t>(newTokens));
    GenerateRequest request;
    request.promptIds = someIds(prompt, model.info().vocabSize);
    request.strategy = "greedy";
    request.maxTokens = newTokens;
    request.ignoreEos = true;
    request.onPiece = [&own, begin](const GenerationPiece &piece) {
      const double now = std::chrono::duration<double>(Clock::now() - begin).count();
      own.insert(own.end(), piece.ids.size(), now);
      return true;
    };
    PLX_ASSIGN(auto handle, startGenerate(model, request));
    handles.push_back(std::move(handle));
  }
  Status status;
  for (auto &handle : handles)
    if (GenerationResult result = handle->wait(); !result.status)
      status = result.status;
  PLX_RETURN_IF_ERROR(status);
  return times;
}

/// Seconds of `tokens` ids, by the rate from when all sequences had their first to when one ended.
double decodeSeconds(const Times &times, int64_t tokens) {
  double begin = 0, end = times.front().back();
  for (const std::vector<double> &own : times) {
    begin = std::max(begin, own.front());
    end = std::min(end, own.back());
  }
  int64_t made = 0;
  for (const std::vector<double> &own : times)
    made += std::count_if(own.begin(), own.end(), [&](double t) { return t > begin && t <= end; });
  return (end - begin) * static_cast<double>(tokens) / static_cast<double>(made);
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
                int64_t tokens, const std::vector<NamedTensor> &inputs, std::vector<Part> &parts,
                Profile *profile) {
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
  const Status status = repeat(part, a, profile, [&] {
    return runOnce(**session, prepared.get(), inputs);
  });
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
                   std::vector<Part> &parts, Profile *profile) {
  if (l.prefill > 0) {
    Part &part = parts.emplace_back(Part{"prefill", a.batch * l.prefill, {}});
    PLX_RETURN_IF_ERROR(repeat(part, a, profile, [&]() -> Expected<double> {
      PLX_ASSIGN(const Times times, generateOnce(model, a.batch, l.prefill, 1));
      double last = 0;
      for (const std::vector<double> &own : times)
        last = std::max(last, own.front());
      return last;
    }));
  }
  if (l.decode == 0)
    return Status::ok();
  Part &part = parts.emplace_back(Part{"decode", a.batch * l.decode, {}, l.context});
  return repeat(part, a, profile, [&]() -> Expected<double> {
    // The first token is the prompt's; those behind it are timed.
    PLX_ASSIGN(const Times times, generateOnce(model, a.batch, l.context, l.decode + 1));
    return decodeSeconds(times, part.tokens);
  });
}

Status benchAll(const Arguments &a, const OpenedModel &model, std::vector<Part> &parts,
                Profile *profile = nullptr) {
  if (!a.inputs.empty()) {
    PLX_ASSIGN(auto source, openSafetensors(a.inputs));
    std::vector<NamedTensor> inputs;
    for (const std::string &name : source->names()) {
      const TensorView *view = source->find(name);
      inputs.push_back({name, Tensor::borrow(view->dtype, view->shape, view->bytes)});
    }
    return benchRun(a, model, "run", 0, inputs, parts, profile);
  }
  const int64_t most = model.info().context;
  if (model.info().vocabSize == 0)
    return error(Code::InvalidArgument)
           << model.path << ": a graph is timed on tensors: give --inputs FILE.safetensors";
  if (model.info().task == "causal-lm") {
    PLX_ASSIGN(const Lengths l, lengths(a, most));
    return benchCausal(a, l, model, parts, profile);
  }
  if (a.decode || a.context)
    return error(Code::InvalidArgument)
           << model.path << ": --decode and --context are for causal language models, this is of "
           << "task " << model.info().task << ": give --prefill alone";
  const int64_t length = a.prefill.value_or(std::min<int64_t>(512, most));
  if (length < 1 || length > most)
    return error(Code::InvalidArgument)
           << "--prefill " << length << ": give 1 to " << most << ", the model's context";
  const std::vector<int32_t> ids = someIds(a.batch * length, model.info().vocabSize);
  return benchRun(a, model, "encode", a.batch * length,
                  {{"input_ids", Tensor::borrow(DType::I32, {a.batch, length}, ids.data())}}, parts,
                  profile);
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

/// Runs of a part: steps of a decode apart from the prompt ahead of them.
bool isStep(const Profile::Run &run) { return run.tokens == run.sequences; }
bool isAny(const Profile::Run &) { return true; }

/// Runs one part again under a profile of its own, without warm-up in it.
Status profilePart(const Arguments &a, const OpenedModel &model, const Part &part, Profile &profile,
                   ProfileReport &report) {
  Arguments one = a;
  one.reps = 1;
  one.prefill = part.name == "prefill" || part.name == "encode" ? part.tokens / a.batch : 0;
  one.decode = part.name == "decode" ? part.tokens / a.batch : 0;
  if (part.name == "decode")
    one.context = part.context;
  else
    one.context.reset();
  if (part.name == "encode")
    one.decode.reset();
  std::vector<Part> parts;
  PLX_RETURN_IF_ERROR(benchAll(one, model, parts, &profile));
  ProfiledPart &out = report.parts.emplace_back();
  out.name = part.name;
  out.plainSeconds = part.median();
  PLX_ASSIGN(out.rows, summarize(profile, part.name == "decode" ? isStep : isAny));
  for (const OpRow &row : out.rows)
    out.seconds += row.seconds;
  return Status::ok();
}

/// The trace and the page are of the last part.
Status profileAll(const Arguments &a, const OpenedModel &model, const std::vector<Part> &parts,
                  ProfileReport &report) {
  PLX_ASSIGN(OpenedModelPtr marked, openProfiled(model, a.model.choices));
  EngineThread::shared().run([&] { report.ceilings = measureCeilings(ThreadPool::shared()); });
  for (const Part &part : parts) {
    Profile profile;
    PLX_RETURN_IF_ERROR(profilePart(a, *marked, part, profile, report));
    if (&part != &parts.back())
      continue;
    if (!a.trace.empty())
      PLX_RETURN_IF_ERROR(writeTrace(profile, a.trace));
    if (!a.html.empty())
      PLX_RETURN_IF_ERROR(writePage(report, profile, model, a.html));
  }
  return Status::ok();
}

Status runAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.model.apply());
  PLX_ASSIGN(OpenedModelPtr model, a.model.open(a.jit));
  std::vector<Part> parts;
  PLX_RETURN_IF_ERROR(benchAll(a, *model, parts));
  ProfileReport report;
  if (a.profiles())
    PLX_RETURN_IF_ERROR(profileAll(a, *model, parts, report));
  if (a.json) {
    nlohmann::ordered_json out = toJson(parts, *model);
    if (a.profiles())
      out["profile"] = toJson(report);
    printJson(out);
    return Status::ok();
  }
  print(parts, *model);
  if (a.profiles())
    printProfile(report);
  return Status::ok();
}

} // namespace

std::function<int()> addBench(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "bench", "Time a model: prefill and decode, or runs on given inputs.\n\n"
               "  plexus bench m.plx --prefill 512 --decode 64 --context 512 --reps 5\n"
               "  plexus bench encoder.plx --prefill 128\n"
               "  plexus bench graph.plx --inputs in.safetensors --json\n"
               "  plexus bench m.plx --decode 16 --profile --html profile.html\n\n"
               "Decode times greedy steps behind a prompt of --context ids, through the engine. "
               "--warm-up repeats of each part come first and are not counted.");
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
  c->add_option("--batch", a->batch, "Sequences at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  c->add_flag("--profile", a->profile,
              "Time the ops too, beside the ceilings of this machine (code is compiled for it)");
  c->add_option("--trace", a->trace,
                "Profile, and write trace events (Perfetto, chrome://tracing) of the last part");
  c->add_option("--html", a->html, "Profile, and write a page with tables and pictures");
  c->add_option("--reps", a->reps, "Repeats")->check(CLI::Range(1, 10000))->capture_default_str();
  c->add_option("--warm-up", a->warmUp, "Repeats ahead of them that are not counted")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  c->add_flag("--jit", a->jit, "Compile in memory, leaving nothing behind");
  c->add_flag("--json", a->json, "Print all repeats as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
