// plexus tokenize: text to ids and back, without compiling anything.
#include "Command.h"

#include "runtime/artifact/Artifact.h"
#include "runtime/io/Json.h"

#include <cstdio>
#include <filesystem>
#include <iostream>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::optional<std::string> text;
  std::vector<uint32_t> ids;
  bool lines = false, plain = false, json = false;
};

/// The tokenizer alone where the files have it as one: nothing is compiled for an artifact or a
/// directory.
Expected<std::shared_ptr<const Tokenizer>> openTokenizer(const Arguments &a) {
  const std::string &path = a.model.model;
  if (isArtifact(path)) {
    PLX_ASSIGN(auto artifact, Artifact::open(path));
    const std::string_view bytes = artifact->section(artifact::kTokenizer);
    if (bytes.empty())
      return error(Code::NotFound) << path << ": the artifact has no tokenizer";
    return Tokenizer::fromSerialized(bytes);
  }
  if (std::filesystem::is_directory(path)) {
    constexpr size_t kMost = size_t(256) << 20;
    PLX_ASSIGN(std::string json, readTextFile(path + "/tokenizer.json", kMost));
    std::string config;
    if (std::filesystem::exists(path + "/tokenizer_config.json")) {
      PLX_ASSIGN(config, readTextFile(path + "/tokenizer_config.json", kMost));
    }
    return Tokenizer::fromJson(json, config);
  }
  PLX_ASSIGN(OpenedModelPtr model, a.model.open());
  PLX_RETURN_IF_ERROR(model->needTokenizer().status());
  return model->tokenizer;
}

nlohmann::ordered_json toJson(const Encoding &e) {
  return {{"ids", e.ids}, {"offsets", e.offsets}};
}

/// One line of --jsonl.
Expected<Encoding> encodeLine(const Tokenizer &tokenizer, const std::string &line,
                              const std::string &where) {
  PLX_ASSIGN(nlohmann::json request, parseJson(line, where));
  if (!request.is_object() || !request.contains("text") || !request["text"].is_string())
    return error(Code::Corrupt) << where << ": expected an object with a string \"text\"";
  for (const auto &[key, value] : request.items()) {
    const bool known = key == "text" || (key == "pair" && (value.is_string() || value.is_null())) ||
                       (key == "add_special_tokens" && value.is_boolean());
    if (!known)
      return error(Code::Corrupt) << where << ": \"" << key
                                  << "\" is not understood; a line has text, pair (a string) and "
                                     "add_special_tokens (true or false)";
  }
  EncodeOptions options;
  options.addSpecialTokens = request.value("add_special_tokens", true);
  const std::string text = request["text"].get<std::string>();
  if (!request.contains("pair") || request["pair"].is_null())
    return tokenizer.encode(text, options);
  return tokenizer.encode(text, request["pair"].get<std::string>(), options);
}

Status runLines(const Tokenizer &tokenizer) {
  int64_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string where = "stdin, line " + std::to_string(++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    PLX_ASSIGN(Encoding encoding, encodeLine(tokenizer, line, where));
    const std::string out = toJson(encoding).dump();
    std::printf("%s\n", out.c_str());
  }
  return Status::ok();
}

Status runAll(const Arguments &a) {
  if (int(a.lines) + int(a.text.has_value()) + int(!a.ids.empty()) != 1)
    return Status(Code::InvalidArgument, "give one of --text TEXT, --ids 1,2,3 and --jsonl");
  PLX_RETURN_IF_ERROR(a.model.apply());
  PLX_ASSIGN(auto tokenizer, openTokenizer(a));
  if (a.lines)
    return runLines(*tokenizer);
  if (!a.ids.empty()) {
    const size_t count = tokenizer->vocabSizeWithAdded();
    for (const uint32_t id : a.ids)
      if (id >= count)
        return error(Code::InvalidArgument)
               << "id " << id << " is outside the vocabulary of " << count;
    PLX_ASSIGN(std::string text, tokenizer->decode(a.ids));
    if (a.json)
      printJson({{"text", text}});
    else
      std::printf("%s\n", text.c_str());
    return Status::ok();
  }
  std::string text = *a.text;
  if (text == "-") {
    PLX_ASSIGN(text, readInput("-"));
  }
  EncodeOptions options;
  options.addSpecialTokens = !a.plain;
  PLX_ASSIGN(Encoding e, tokenizer->encode(text, options));
  if (a.json) {
    printJson(toJson(e));
    return Status::ok();
  }
  for (size_t i = 0; i < e.ids.size(); ++i)
    std::printf("%7u  %6u..%-6u  %s\n", e.ids[i], e.offsets[i].first, e.offsets[i].second,
                tokenizer->idToToken(e.ids[i]).value_or("").c_str());
  return Status::ok();
}

} // namespace

std::function<int()> addTokenize(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "tokenize", "Turn text into token ids, or ids into text.\n\n"
                  "  plexus tokenize model/ --text \"Hello\"\n"
                  "  plexus tokenize model/ --ids 15496,995\n"
                  "  echo '{\"text\": \"a\", \"pair\": \"b\"}' | plexus tokenize m.plx --jsonl\n\n"
                  "Offsets count bytes of UTF-8. Bytes that are not UTF-8 count as U+FFFD.");
  a->model.add(*c, false);
  c->add_option("--text", a->text, "The text; - reads stdin");
  addNumbers(*c, "--ids", a->ids, "Ids to decode, as 1,2,3");
  c->add_flag("--jsonl", a->lines,
              "Lines {\"text\", \"pair\", \"add_special_tokens\"} from stdin to lines {\"ids\", "
              "\"offsets\"}");
  c->add_flag("--no-special", a->plain, "With --text: add no special tokens");
  c->add_flag("--json", a->json, "Print ids and offsets as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
