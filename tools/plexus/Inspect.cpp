// plexus inspect: what is in an artifact.
#include "Command.h"

#include "Progress.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Isa.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::string section;
  bool verify = false, json = false;
};

/// Weights that are stored alike.
struct WeightGroup {
  size_t count = 0;
  uint64_t bytes = 0;
};

std::map<std::string, WeightGroup> groupWeights(const Program &program) {
  std::map<std::string, WeightGroup> groups;
  for (const WeightInfo &w : program.weights) {
    std::string form = w.quantized ? w.quantized->spelling() : std::string(dtypeName(w.dtype));
    WeightGroup &g = groups[form + (w.encoding == WeightEncoding::Packed ? " packed" : " dense")];
    ++g.count;
    g.bytes += w.bytes;
  }
  return groups;
}

/// How often the schedule runs each segment, and on which layers: "x12, layers 0..11".
std::string uses(const Schedule &schedule, int segment) {
  int times = 0, first = -1, last = -1;
  for (const Step &step : schedule.steps) {
    if (step.segment != segment)
      continue;
    ++times;
    if (step.layer >= 0) {
      first = first < 0 ? step.layer : std::min(first, step.layer);
      last = std::max(last, step.layer);
    }
  }
  std::string text = "x" + std::to_string(times);
  if (first >= 0)
    text += ", layers " + std::to_string(first) + ".." + std::to_string(last);
  return text;
}

nlohmann::ordered_json toJson(const Artifact &artifact) {
  const Program &p = artifact.program();
  nlohmann::ordered_json out = nlohmann::ordered_json::parse(serializeProgram(p));
  nlohmann::ordered_json sections = nlohmann::json::array(), weights;
  for (const Container::Section &s : artifact.sections())
    sections.push_back({{"name", s.name}, {"offset", s.offset}, {"size", s.size}});
  for (const auto &[name, group] : groupWeights(p))
    weights[name] = {{"count", group.count}, {"bytes", group.bytes}};
  return {{"path", artifact.path()},    {"file_size", artifact.fileSize()},
          {"sections", sections},       {"isas", artifact.isas()},
          {"host_isas", hostIsas()},    {"weight_bytes", p.weightsSize()},
          {"weights_by_form", weights}, {"program", std::move(out)}};
}

std::string listed(const std::vector<std::string_view> &words) {
  std::string out;
  for (std::string_view word : words)
    out += (out.empty() ? "" : ", ") + std::string(word);
  return out.empty() ? "none" : out;
}

void printModel(const Artifact &artifact) {
  const Program &p = artifact.program();
  const ModelInfo &m = p.model;
  auto line = [](const char *name, const std::string &value) {
    std::printf("%-12s %s\n", name, value.c_str());
  };
  line("model", m.name + " (" + m.family + ", " + m.task + ")");
  if (m.task != "graph")
    line("", std::to_string(m.layers) + " layers, hidden " + std::to_string(m.hiddenSize) +
                 ", vocabulary " + std::to_string(m.vocabSize) + ", context " +
                 std::to_string(m.context));
  line("compiler", p.compiler + ", graph " + p.functionalHash.substr(0, 16));
  line("code", listed(artifact.isas()) + " (this CPU runs " + listed(hostIsas()) + ")");
}

void printProgram(const Program &p) {
  for (const Schedule &schedule : p.schedules) {
    std::printf("\nschedule %s: %zu steps\n", schedule.name.c_str(), schedule.steps.size());
    for (size_t i = 0; i < p.segments.size(); ++i) {
      const Segment &s = p.segments[i];
      std::printf("  %-20s %-24s %zu weights, %zu states%s\n", s.name.c_str(),
                  uses(schedule, static_cast<int>(i)).c_str(), s.weights.size(), s.states.size(),
                  s.tapped ? ", tapped variant" : "");
    }
    std::printf("  outputs:");
    for (const ScheduleOutput &o : schedule.outputs)
      std::printf(" %s %s", o.name.c_str(), toString(schedule.values[o.value]).c_str());
    std::putchar('\n');
  }
  std::printf("\nstates\n");
  for (const StateInfo &s : p.states)
    std::printf("  %-20s %lld heads, keys %lld, values %lld, %s%s, %zu layers\n", s.name.c_str(),
                static_cast<long long>(s.heads), static_cast<long long>(s.keyDim),
                static_cast<long long>(s.valueDim), std::string(dtypeName(s.dtype)).c_str(),
                s.window ? (", window " + std::to_string(s.window)).c_str() : "", s.layers.size());
}

void print(const Artifact &artifact) {
  printModel(artifact);
  printProgram(artifact.program());
  std::printf("\nweights\n");
  for (const auto &[name, group] : groupWeights(artifact.program()))
    std::printf("  %-20s %6zu  %12.2f MB\n", name.c_str(), group.count, group.bytes / 1e6);
  std::printf("\nsections of %s\n", artifact.path().c_str());
  for (const Container::Section &s : artifact.sections())
    std::printf("  %-20s at %12llu  %14llu bytes\n", s.name.c_str(),
                static_cast<unsigned long long>(s.offset), static_cast<unsigned long long>(s.size));
}

Expected<std::shared_ptr<const Artifact>> openArtifact(const Arguments &a) {
  if (isArtifact(a.model.model))
    return Artifact::open(a.model.model);
  PLX_ASSIGN(CompilerService * service, compilerService());
  PLX_ASSIGN(CompileReply reply,
             service->compileThroughCache(a.model.model, a.model.choices, progressBar()));
  return Artifact::open(reply.paths.front());
}

Status runAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.model.apply());
  PLX_ASSIGN(auto artifact, openArtifact(a));
  if (!a.section.empty()) {
    std::string names;
    for (const Container::Section &s : artifact->sections()) {
      names += (names.empty() ? "" : ", ") + s.name;
      if (s.name != a.section)
        continue;
      const std::string_view bytes = artifact->section(a.section);
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      return Status::ok();
    }
    return error(Code::NotFound) << "no section '" << a.section << "'; there is " << names;
  }
  if (a.verify) {
    const CompileProgress bar = progressBar();
    PLX_RETURN_IF_ERROR(artifact->verify([&](uint64_t done, uint64_t total) {
      if (bar)
        bar("verify", done, total);
    }));
  }
  if (a.json) {
    nlohmann::ordered_json out = toJson(*artifact);
    if (a.verify)
      out["verified"] = true;
    printJson(out);
    return Status::ok();
  }
  print(*artifact);
  if (a.verify)
    std::printf("\nall weights have the hashes that the artifact names\n");
  return Status::ok();
}

} // namespace

std::function<int()> addInspect(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "inspect", "Show what is in an artifact: model, segments, schedules, weights, code.\n\n"
                 "  plexus inspect m.plx\n"
                 "  plexus inspect m.plx --verify\n"
                 "  plexus inspect m.plx --section ir\n\n"
                 "No code of the artifact is run.");
  a->model.add(*c, false);
  c->add_flag("--verify", a->verify, "Read all weights and check their hashes");
  c->add_option("--section", a->section, "Write a section's bytes to stdout");
  c->add_flag("--json", a->json, "Print everything as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
