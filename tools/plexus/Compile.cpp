// plexus compile: a model to an artifact, a library, objects, or the module's text.
#include "Command.h"
#include "Progress.h"
#include "runtime/io/AtomicFile.h"

#include <cstdio>
#include <map>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::string output, emit = "plx", target = "cpu", after;
  bool report = false, json = false;
};

void printReport(const Program &program) {
  constexpr const char *kColumns = "%-14s %-18s %-26s %-32s %s\n";
  std::printf(kColumns, "segment", "op", "from", "target", "why");
  for (const ReportEntry &e : program.report)
    std::printf(kColumns, e.segment.c_str(), e.op.c_str(), e.location.c_str(), e.target.c_str(),
                e.why.c_str());
}

/// The errors layer by layer with `all`, else the last one.
void printQuality(const QuantizationQuality &q, bool all) {
  for (const InputRange &input : q.inputs)
    if (all)
      std::printf("input of %-17s relative error %.5f in bytes of one scale%s\n",
                  input.weight.c_str(), input.error,
                  input.isStatic ? "" : ": too much, rounded row by row");
  for (size_t i = all ? 0 : q.errors.size() - 1; i < q.errors.size(); ++i)
    std::printf("%-26s relative error %.5f\n", q.errors[i].first.c_str(), q.errors[i].second);
  if (q.tokens)
    std::printf("perplexity of %lld ids: f32 %.5f, compiled %.5f (%+.2f %%)\n",
                static_cast<long long>(q.tokens), q.basePerplexity, q.perplexity,
                100 * (q.perplexity / q.basePerplexity - 1));
}

nlohmann::ordered_json toJson(const QuantizationQuality &q) {
  nlohmann::ordered_json errors = nlohmann::json::object();
  for (const auto &[name, error] : q.errors)
    errors[name] = error;
  nlohmann::ordered_json out = {{"errors", errors}};
  for (const InputRange &input : q.inputs)
    out["inputs"][input.weight] = {{"error", input.error}, {"static", input.isStatic}};
  if (q.tokens)
    out.update({{"tokens", q.tokens},
                {"base_perplexity", q.basePerplexity},
                {"perplexity", q.perplexity}});
  return out;
}

nlohmann::ordered_json toJson(const CompileReply &r) {
  nlohmann::ordered_json report = nlohmann::json::array();
  for (const ReportEntry &e : r.program.report)
    report.push_back({{"segment", e.segment},
                      {"op", e.op},
                      {"location", e.location},
                      {"target", e.target},
                      {"why", e.why}});
  return {{"paths", r.paths},
          {"compile_seconds", r.compileSeconds},
          {"pack_seconds", r.packSeconds},
          {"code_bytes", r.codeBytes},
          {"weight_bytes", r.weightBytes},
          {"code_cached", r.codeCached},
          {"report", report}};
}

int run(const Arguments &a) {
  if (Status s = a.model.apply(); !s)
    return fail(s);
  if (a.target != "cpu")
    return fail(error(Code::Unsupported) << "target '" << a.target << "'; this version has: cpu");
  auto service = compilerService();
  if (!service)
    return fail(service.status());
  if (a.emit == "mlir") {
    auto text = (*service)->printModule(a.model.model, a.after, a.model.choices);
    if (!text)
      return fail(text.status());
    if (a.output.empty())
      std::fwrite(text->data(), 1, text->size(), stdout);
    else if (Status s = writeFileAtomically(a.output, *text); !s)
      return fail(s);
    return kDone;
  }
  if (!a.after.empty())
    return fail(error(Code::InvalidArgument) << "--after goes with --emit mlir");
  if (a.output.empty())
    return fail(error(Code::InvalidArgument) << "-o says where to write");
  auto reply =
      (*service)->compileToFile(a.model.model, a.emit, a.output, a.model.choices, progressBar());
  if (!reply)
    return fail(reply.status());
  if (a.json) {
    nlohmann::ordered_json document = toJson(*reply);
    if (reply->quality)
      document["quality"] = toJson(*reply->quality);
    printJson(document);
    return kDone;
  }
  if (a.report)
    printReport(reply->program);
  if (reply->quality)
    printQuality(*reply->quality, a.report);
  for (const std::string &path : reply->paths)
    std::fprintf(stderr, "wrote %s\n", path.c_str());
  std::fprintf(stderr, "compiled in %.2f s%s, packed %.1f MB in %.2f s\n", reply->compileSeconds,
               reply->codeCached ? " (code from the cache)" : "", reply->weightBytes / 1e6,
               reply->packSeconds);
  return kDone;
}

} // namespace

std::function<int()> addCompile(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "compile", "Compile a model ahead of time.\n\n"
                 "  plexus compile SmolLM2-135M-Instruct/ -o smol.plx --weights bf16 --report\n"
                 "  plexus compile model.gguf -o model.plx\n"
                 "  plexus compile model/ --emit mlir --after plx-fuse-epilogue");
  a->model.add(*c, true);
  c->add_option("-o,--output", a->output, "The file to write");
  c->add_option("--emit", a->emit,
                "plx: artifact; lib: shared library and C header; obj: objects; mlir: text")
      ->check(CLI::IsMember({"plx", "lib", "obj", "mlir"}))
      ->capture_default_str();
  c->add_option("--after", a->after,
                "With --emit mlir: the pass after which to print ('import': before all)");
  c->add_option("--size", a->model.choices.size,
                "Bytes that the artifact may have (300MB, 1.2GB): each weight gets the form, in "
                "each band of layers, that is worth its bytes most");
  c->add_option("--calibrate", a->model.choices.calibrate,
                "Run the model on this text, or on the inputs in this .safetensors file, to round "
                "weights by what their products read, and report errors and perplexity");
  c->add_option("--calibrate-tokens", a->model.choices.calibrateTokens, "Ids of the text to use")
      ->check(CLI::Range(2, 1 << 24))
      ->capture_default_str();
  c->add_option("--rounding", a->model.choices.rounding,
                "With --calibrate: nearest, importance (errors weigh as much as inputs are large), "
                "scale (and columns with large inputs are stored larger: AWQ), compensate "
                "(importance, and later columns make up for errors: GPTQ), scale+compensate")
      ->capture_default_str();
  c->add_option(
       "--ranges", a->model.choices.ranges,
       "Which values the scales of rounded weights, and of calibrated activations, have to "
       "reach: mse (as far as the square error is least), minmax (all), percentile:P (all "
       "but the furthest; P is 99.9 if it is left out)")
      ->capture_default_str();
  c->add_option("--activations", a->model.choices.activations,
                "With --compute int8: dynamic (rounded row by row, in groups), static (one scale "
                "for each product, which --calibrate measures; convolutions multiply bytes too), "
                "static:P (where that costs at most P percent; 3 unless said)")
      ->capture_default_str();
  c->add_option("--target", a->target, "What to compile for: cpu")->capture_default_str();
  c->add_flag("--report", a->report, "List each op, where it went and why");
  c->add_flag("--json", a->json, "Print the result as JSON");
  return [a] { return run(*a); };
}

} // namespace plexus::cli
