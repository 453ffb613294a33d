// Rows against the ceilings, as text, JSON, trace events and a page.
#include "Profiled.h"

#include "ProfilePage.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Format.h"
#include "runtime/threads/ThreadPool.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace plexus::cli {
namespace {

using nlohmann::ordered_json;

/// "head", or "attn 7": a step's segment and layer.
std::string stepName(const Profile::Run &run, int number) {
  const Step &step = run.program->schedules[run.schedule].steps[number];
  const std::string &name = run.program->segments[step.segment].name;
  return step.layer < 0 ? name : name + " " + std::to_string(step.layer);
}

std::string opName(const Profile::Span &span) {
  const std::string_view text = span.op ? span.op : "(begin)";
  return std::string(text.substr(0, text.find(' ')));
}

ordered_json event(const std::string &name, Profile::Time begin, Profile::Time end,
                   ordered_json more) {
  return {{"name", name},
          {"ph", "X"},
          {"ts", 1e-3 * static_cast<double>(begin)},
          {"dur", 1e-3 * static_cast<double>(end - begin)},
          {"pid", 1},
          {"tid", 1},
          {"args", std::move(more)}};
}

/// The event of an op; one of no length is left out.
Status addOp(const Profile &profile, const Profile::Span &span, ordered_json &events) {
  const Profile::Run &run = profile.runs()[span.run];
  PLX_ASSIGN(const OpCost cost, costOf(run, span));
  if (span.end > span.begin)
    events.push_back(event(opName(span), span.begin, span.end,
                           {{"bytes", cost.bytes}, {"operations", cost.operations}}));
  return Status::ok();
}

Expected<ordered_json> traceEvents(const Profile &profile) {
  ordered_json events = ordered_json::array();
  for (const Profile::Run &run : profile.runs())
    events.push_back(
        event("run", run.begin, run.end, {{"tokens", run.tokens}, {"sequences", run.sequences}}));
  const auto &spans = profile.spans();
  for (size_t i = 0; i < spans.size();) {
    // The spans of one step come one after the other.
    size_t end = i + 1;
    while (end < spans.size() && spans[end].run == spans[i].run && spans[end].step == spans[i].step)
      ++end;
    events.push_back(event(stepName(profile.runs()[spans[i].run], spans[i].step), spans[i].begin,
                           spans[end - 1].end, ordered_json::object()));
    for (; i < end; ++i)
      PLX_RETURN_IF_ERROR(addOp(profile, spans[i], events));
  }
  return events;
}

Status writeFile(const std::string &path, const std::string &text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    return error(Code::Io) << path << ": cannot be written";
  return Status::ok();
}

/// The spans of the last run, for the page's time line: [name, step, begin us, length us].
ordered_json lastRun(const Profile &profile) {
  ordered_json out = ordered_json::array();
  if (profile.runs().empty())
    return out;
  const int last = static_cast<int>(profile.runs().size()) - 1;
  const Profile::Run &run = profile.runs()[last];
  for (const Profile::Span &span : profile.spans())
    if (span.run == last && span.end > span.begin)
      out.push_back({opName(span), stepName(run, span.step),
                     1e-3 * static_cast<double>(span.begin - run.begin),
                     1e-3 * static_cast<double>(span.end - span.begin)});
  return out;
}

ordered_json rowJson(const ProfileReport &report, const ProfiledPart &part, const OpRow &row) {
  ordered_json out = {{"segment", row.segment},
                      {"op", row.op},
                      {"weight", row.weight},
                      {"calls", row.calls},
                      {"seconds", row.seconds},
                      {"share_of_time", row.seconds / part.seconds},
                      {"bytes", row.cost.bytes},
                      {"operations", row.cost.operations},
                      {"bytes_per_second", row.cost.bytes / row.seconds},
                      {"operations_per_second", row.cost.operations / row.seconds}};
  if (row.cost.bytes > 0) {
    out["share_of_ceiling"] = report.least(row) / row.seconds;
    out["bound"] = report.boundByMemory(row) ? "memory" : "products";
  }
  return out;
}

void printRow(const ProfileReport &report, const ProfiledPart &part, const OpRow &row) {
  std::printf("  %5.1f %% %9.3f ms %7lld  ", 100 * row.seconds / part.seconds, 1e3 * row.seconds,
              static_cast<long long>(row.calls));
  if (row.cost.bytes > 0)
    std::printf("%8.1f GB/s %8.1f GOP/s %5.0f %% of %-8s  ", 1e-9 * row.cost.bytes / row.seconds,
                1e-9 * row.cost.operations / row.seconds, 100 * report.least(row) / row.seconds,
                report.boundByMemory(row) ? "memory" : "products");
  else
    std::printf("%46s", "");
  std::printf("%s %s%s%s\n", row.segment.c_str(), row.op.c_str(), row.weight.empty() ? "" : " ",
              row.weight.c_str());
}

} // namespace

double ProfileReport::least(const OpRow &row) const {
  return std::max(row.cost.bytes / ceilings.readBytes, row.cost.operations / ceilings.product());
}

bool ProfileReport::boundByMemory(const OpRow &row) const {
  return row.cost.bytes / ceilings.readBytes >= row.cost.operations / ceilings.product();
}

Expected<OpenedModelPtr> openProfiled(const OpenedModel &model, CompileChoices choices) {
  if (model.artifact.empty())
    return error(Code::InvalidArgument)
           << model.path << ": a profile is made from an artifact: leave --jit and --no-cache out";
  PLX_ASSIGN(auto artifact, Artifact::open(model.artifact));
  PLX_ASSIGN(CompilerService * service, compilerService());
  choices.isas = {std::string(model.model->image().code->isa())};
  auto image = std::make_shared<ModelImage>(model.model->image());
  PLX_ASSIGN(image->code,
             service->profilingCode(std::string(artifact->section(artifact::kIr)), choices));
  return openImage(std::move(image), model.path);
}

void printProfile(const ProfileReport &report) {
  const Ceilings &c = report.ceilings;
  std::printf("ceilings, %d threads: read %.1f GB/s, products f32 %.0f, bf16 %.0f GOP/s\n",
              ThreadPool::shared().threads(), 1e-9 * c.readBytes, 1e-9 * c.f32.value_or(0),
              1e-9 * c.bf16.value_or(0));
  for (const ProfiledPart &part : report.parts) {
    std::printf("%s: %.3f ms profiled, %.3f ms without marks\n", part.name.c_str(),
                1e3 * part.seconds, 1e3 * part.plainSeconds);
    for (const OpRow &row : part.rows)
      printRow(report, part, row);
  }
}

ordered_json toJson(const ProfileReport &report) {
  ordered_json out = {{"ceilings",
                       {{"read", report.ceilings.readBytes},
                        {"f32", report.ceilings.f32.value_or(0)},
                        {"bf16", report.ceilings.bf16.value_or(0)},
                        {"u8s8", report.ceilings.u8s8.value_or(0)}}},
                      {"parts", ordered_json::array()}};
  for (const ProfiledPart &part : report.parts) {
    ordered_json rows = ordered_json::array();
    for (const OpRow &row : part.rows)
      rows.push_back(rowJson(report, part, row));
    out["parts"].push_back({{"name", part.name},
                            {"seconds", part.seconds},
                            {"plain_seconds", part.plainSeconds},
                            {"ops", std::move(rows)}});
  }
  return out;
}

Status writeTrace(const Profile &profile, const std::string &path) {
  PLX_ASSIGN(ordered_json events, traceEvents(profile));
  return writeFile(
      path,
      ordered_json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump() + "\n");
}

Status writePage(const ProfileReport &report, const Profile &profile, const OpenedModel &model,
                 const std::string &path) {
  ordered_json data = toJson(report);
  data["model"] = model.info().name;
  data["isa"] = model.model->image().code->isa();
  data["threads"] = ThreadPool::shared().threads();
  data["timeline"] = lastRun(profile);
  // "</" would end the script that the data stands in.
  std::string text = data.dump();
  for (size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3)
    text.replace(at, 2, "<\\/");
  std::string page(kProfilePage);
  const std::string place = "/*DATA*/";
  page.replace(page.find(place), place.size(), text);
  return writeFile(path, page);
}

} // namespace plexus::cli
