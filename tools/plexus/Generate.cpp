// plexus generate: text from a prompt, streamed as it comes.
#include "Command.h"

#include "runtime/api/Generate.h"

#include <cstdio>
#include <optional>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  GenerateRequest request;
  std::optional<std::string> prompt;
  std::string system;
  bool chat = false, json = false, jit = false;
  std::vector<std::string> set, drafts;
  /// Options with a flag of their own: what --set would give them.
  std::vector<std::pair<const char *, std::string>> sampling = {
      {"temperature", ""}, {"top_k", ""}, {"top_p", ""}, {"min_p", ""}, {"repetition_penalty", ""}};
};

/// Why an output ended, in the order of plx_stop.
const char *stopName(plx_stop stop) {
  static const char *const names[] = {"none",   "stop token", "stop string",
                                      "length", "finished",   "context"};
  return static_cast<size_t>(stop) < std::size(names) ? names[stop] : "unknown";
}

nlohmann::ordered_json toJson(const GenerationResult &r) {
  nlohmann::ordered_json sequences = nlohmann::json::array(), counters;
  for (const GenerationOutput &o : r.outputs) {
    nlohmann::ordered_json s = {{"ids", o.ids}, {"text", o.text}, {"stop", stopName(o.stop)}};
    if (o.hasScore)
      s["score"] = o.score;
    sequences.push_back(std::move(s));
  }
  for (auto &[name, value] : r.counters)
    counters[name] = value;
  const GenerationTiming &t = r.timing;
  const int64_t made = r.outputs.empty() ? 0 : static_cast<int64_t>(r.outputs[0].ids.size());
  const double decode = t.totalSeconds - t.firstTokenSeconds;
  return {{"ids", r.outputs.empty() ? std::vector<int32_t>() : r.outputs[0].ids},
          {"text", r.outputs.empty() ? "" : r.outputs[0].text},
          {"sequences", sequences},
          {"timing",
           {{"prompt_tokens", t.promptTokens},
            {"steps", t.steps},
            {"time_to_first_token", t.firstTokenSeconds},
            {"prefill_tokens_per_second",
             t.firstTokenSeconds > 0 ? t.promptTokens / t.firstTokenSeconds : 0},
            {"decode_tokens_per_second", made > 1 && decode > 0 ? (made - 1) / decode : 0},
            {"total_seconds", t.totalSeconds}}},
          {"counters", counters.is_null() ? nlohmann::ordered_json::object() : counters}};
}

void printSummary(const GenerationResult &r, const OpenedModel &model) {
  const nlohmann::ordered_json timing = toJson(r)["timing"];
  std::fprintf(stderr, "\n%zu tokens, %.1f tokens/s; first token after %.0f ms (prompt of %lld); ",
               r.outputs.empty() ? 0 : r.outputs[0].ids.size(),
               timing["decode_tokens_per_second"].get<double>(), 1e3 * r.timing.firstTokenSeconds,
               static_cast<long long>(r.timing.promptTokens));
  std::fprintf(stderr, "model loaded in %.0f ms", 1e3 * model.loadSeconds);
  for (auto &[name, value] : r.counters)
    std::fprintf(stderr, "; %s %lld", name.c_str(), static_cast<long long>(value));
  std::fputc('\n', stderr);
}

Status prepare(Arguments &a) {
  PLX_ASSIGN(a.request.options, parseSettings(a.set));
  for (auto &[name, value] : a.sampling)
    if (!value.empty())
      a.request.options.emplace_back(name, value);
  if (!a.system.empty() && !a.chat)
    return Status(Code::InvalidArgument, "--system goes with --chat");
  if (!a.prompt) {
    if (a.request.promptIds.empty())
      return Status(Code::InvalidArgument, "give --prompt TEXT (- reads stdin) or --prompt-ids");
    if (a.chat)
      return Status(Code::InvalidArgument, "--chat goes with --prompt");
    return Status::ok();
  }
  std::string text = *a.prompt;
  if (text == "-") {
    PLX_ASSIGN(text, readInput("-"));
  }
  if (!a.chat) {
    a.request.prompt = text;
    return Status::ok();
  }
  if (!a.system.empty())
    a.request.chat.push_back({"system", a.system});
  a.request.chat.push_back({"user", text});
  return Status::ok();
}

int run(Arguments &a) {
  if (Status s = a.model.apply(); !s)
    return fail(s);
  if (Status s = prepare(a); !s)
    return fail(s);
  auto model = a.model.open(a.jit);
  if (!model)
    return fail(model.status());
  for (const std::string &path : a.drafts) {
    auto draft = a.model.openOne(path, a.jit);
    if (!draft)
      return fail(draft.status());
    a.request.drafts.push_back(*draft);
  }
  bool streamed = false;
  if (!a.json)
    a.request.onPiece = [&](const GenerationPiece &piece) {
      streamed = true;
      std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);
      if (!(*model)->codec)
        for (int32_t id : piece.ids)
          std::printf("%d ", id);
      std::fflush(stdout);
      return true;
    };
  const GenerationResult result = generate(**model, a.request);
  if (!result.status) {
    if (streamed)
      std::fputc('\n', stdout);
    return fail(result.status);
  }
  if (a.json) {
    printJson(toJson(result));
    return kDone;
  }
  if (!streamed && !result.outputs.empty())
    std::fputs(result.outputs[0].text.c_str(), stdout);
  std::fputc('\n', stdout);
  printSummary(result, **model);
  return kDone;
}

} // namespace

std::function<int()> addGenerate(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "generate",
      "Continue a prompt.\n\n"
      "  plexus generate m.plx --prompt \"In the beginning\" --max-tokens 64\n"
      "  plexus generate m.plx --chat --prompt \"Why is the sky blue?\" --temperature 0.7\n"
      "  plexus generate m.plx --prompt \"...\" --strategy prompt_lookup\n"
      "  plexus generate m.plx --prompt \"...\" --strategy speculate --draft small.plx --set "
      "tree=4,2");
  a->model.add(*c, false);
  auto *prompt = c->add_option("--prompt", a->prompt, "The text to continue; - reads stdin");
  addNumbers(*c, "--prompt-ids", a->request.promptIds, "Token ids to continue, as 1,2,3")
      ->excludes(prompt);
  c->add_flag("--chat", a->chat, "The prompt is a user's message, put into the chat template");
  c->add_option("--system", a->system, "With --chat: the system message");
  c->add_option("--strategy", a->request.strategy,
                "Decoding strategy (`plexus plugins` lists them); default: sample with a "
                "temperature, otherwise greedy");
  addRepeated(*c, "--set", a->set, "key=value for strategy and samplers");
  addRepeated(*c, "--draft", a->drafts, "Draft model for speculation");
  c->add_option("--max-tokens", a->request.maxTokens, "Most new tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  const char *flags[] = {"--temperature", "--top-k", "--top-p", "--min-p", "--repetition-penalty"};
  for (size_t i = 0; i < a->sampling.size(); ++i)
    c->add_option(flags[i], a->sampling[i].second)->check(CLI::Number)->group("Sampling");
  c->add_option("--seed", a->request.seed, "Seed of the sampling")
      ->check(CLI::NonNegativeNumber)
      ->group("Sampling");
  addNumbers(*c, "--eos", a->request.eos, "Stop tokens instead of the model's");
  c->add_flag("--ignore-eos", a->request.ignoreEos, "Go on after stop tokens");
  addRepeated(*c, "--stop", a->request.stopStrings, "Text to stop at");
  c->add_flag("--jit", a->jit, "Compile in memory, leaving nothing behind");
  c->add_flag("--json", a->json, "Print ids, text and timing as JSON");
  return [a] { return run(*a); };
}

} // namespace plexus::cli
