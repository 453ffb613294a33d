// Comparing a tokenizer with the recorded results of the reference library.
#include "tools/conformance/TokenizerPack.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/TokenizerSettings.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace plexus::conformance {

using text::Json;

namespace {
Expected<std::string> readFile(const std::filesystem::path &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return error(Code::NotFound) << path.string() << ": cannot be opened";
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Expected<std::shared_ptr<const Tokenizer>> loadTokenizer(const std::filesystem::path &model,
                                                         const GgufVocabularyReader &readGguf) {
  if (std::filesystem::exists(model / "vocab.gguf")) {
    PLX_ASSIGN(GgufVocabulary vocabulary, readGguf((model / "vocab.gguf").string()));
    return Tokenizer::fromGguf(vocabulary);
  }
  PLX_ASSIGN(std::string json, readFile(model / "tokenizer.json"));
  std::string config;
  if (std::filesystem::exists(model / "tokenizer_config.json")) {
    PLX_ASSIGN(config, readFile(model / "tokenizer_config.json"));
  }
  return Tokenizer::fromJson(json, config);
}

/// One pack under way.
class Runner {
public:
  explicit Runner(const Tokenizer &tokenizer) : tokenizer_(tokenizer) {}

  void encode(const Json &c);
  void batch(const Json &c);
  void stream(const Json &c, const std::shared_ptr<const Tokenizer> &shared);
  void decode(const Json &c);
  void vocabulary(const Json &v);
  void begin(std::string name) { results_.push_back({std::move(name), {}}); }
  void fail(const Status &status) { note("", status.message()); }
  std::vector<TokenizerCaseResult> take() { return std::move(results_); }

private:
  void note(const std::string &what, const std::string &difference);
  void same(const std::string &what, const Json &expected, const Json &found);
  /// Fields that the pack leaves out where they are all `usual`.
  void sameOrUsual(const std::string &what, const Json &c, const char *field,
                   const std::vector<uint32_t> &found, uint32_t usual);
  void compare(const std::string &what, const Json &expected, const Encoding &found);
  void compareText(const char *field, const Json &c, const std::vector<uint32_t> &ids, bool skip);
  Expected<EncodeOptions> options(const Json &c);

  const Tokenizer &tokenizer_;
  std::vector<TokenizerCaseResult> results_;
};

void Runner::note(const std::string &what, const std::string &difference) {
  std::string &all = results_.back().difference;
  constexpr size_t enough = 2000;
  if (all.size() < enough)
    all += (all.empty() ? "" : "; ") + what + (what.empty() ? "" : ": ") + difference;
}

void Runner::same(const std::string &what, const Json &expected, const Json &found) {
  if (expected == found)
    return;
  auto show = [](const Json &j) { return j.dump(-1, ' ', true, Json::error_handler_t::replace); };
  note(what, "expected " + show(expected) + ", found " + show(found));
}

void Runner::sameOrUsual(const std::string &what, const Json &c, const char *field,
                         const std::vector<uint32_t> &found, uint32_t usual) {
  Json expected = std::vector<uint32_t>(found.size(), usual);
  same(what + field, c.contains(field) ? c[field] : expected, found);
}

void Runner::compare(const std::string &what, const Json &expected, const Encoding &found) {
  same(what + "ids", expected["ids"], found.ids);
  if (expected.contains("offsets"))
    same(what + "offsets", expected["offsets"], found.offsets);
  // GGUF packs record ids alone.
  if (expected.contains("offsets")) {
    sameOrUsual(what, expected, "type_ids", found.typeIds, 0);
    sameOrUsual(what, expected, "special_tokens_mask", found.specialTokensMask, 0);
    sameOrUsual(what, expected, "attention_mask", found.attentionMask, 1);
  }
  Json parts = expected.contains("overflowing") ? expected["overflowing"] : Json::array();
  same(what + "number of overflowing parts", parts.size(), found.overflowing.size());
  for (size_t i = 0; i < std::min(parts.size(), found.overflowing.size()); ++i)
    compare(what + "overflowing[" + std::to_string(i) + "] ", parts[i], found.overflowing[i]);
}

void Runner::compareText(const char *field, const Json &c, const std::vector<uint32_t> &ids,
                         bool skip) {
  if (!c.contains(field))
    return;
  auto text = tokenizer_.decode(ids, skip);
  if (!text)
    return fail(text.status());
  same(field, c[field], *text);
}

Expected<EncodeOptions> Runner::options(const Json &c) {
  EncodeOptions out;
  out.addSpecialTokens = c.value("add_special_tokens", true);
  if (c.contains("settings")) {
    PLX_ASSIGN(out.truncation, text::readTruncation(c["settings"]));
    PLX_ASSIGN(out.padding, text::readPadding(c["settings"]));
  }
  return out;
}

void Runner::encode(const Json &c) {
  auto o = options(c);
  if (!o)
    return fail(o.status());
  std::string text = c["text"].get<std::string>();
  auto encoding = c.contains("pair") && !c["pair"].is_null()
                      ? tokenizer_.encode(text, c["pair"].get<std::string>(), *o)
                      : tokenizer_.encode(text, *o);
  if (!encoding)
    return fail(encoding.status());
  compare("", c, *encoding);
  compareText("decoded", c, encoding->ids, false);
  compareText("decoded_skip", c, encoding->ids, true);
}

void Runner::batch(const Json &c) {
  auto o = options(c);
  if (!o)
    return fail(o.status());
  std::vector<std::string> texts = c["texts"].get<std::vector<std::string>>();
  auto encodings = tokenizer_.encodeBatch(texts, *o);
  if (!encodings)
    return fail(encodings.status());
  Json ids = Json::array(), attention = Json::array(), types = Json::array();
  for (const Encoding &e : *encodings) {
    ids.push_back(e.ids);
    attention.push_back(e.attentionMask);
    types.push_back(e.typeIds);
  }
  same("ids", c["ids"], ids);
  if (c.contains("attention_mask"))
    same("attention_mask", c["attention_mask"], attention);
  if (c.contains("type_ids"))
    same("type_ids", c["type_ids"], types);
}

void Runner::stream(const Json &c, const std::shared_ptr<const Tokenizer> &shared) {
  DecodeStream stream(shared, c.value("skip_special_tokens", false));
  Json pieces = Json::array();
  for (const Json &id : c["ids"]) {
    auto piece = stream.push(id.get<uint32_t>());
    if (!piece)
      return fail(piece.status());
    pieces.push_back(*piece ? Json(**piece) : Json());
  }
  same("pieces", c["pieces"], pieces);
}

void Runner::decode(const Json &c) {
  std::vector<uint32_t> ids = c["ids"].get<std::vector<uint32_t>>();
  compareText("decoded", c, ids, false);
  compareText("decoded_skip", c, ids, true);
}

void Runner::vocabulary(const Json &v) {
  same("size", v["size"], tokenizer_.vocabSize());
  same("size_with_added", v["size_with_added"], tokenizer_.vocabSizeWithAdded());
  for (const Json &token : v["tokens"]) {
    std::string spelling = token[1].get<std::string>();
    auto found = tokenizer_.idToToken(token[0].get<uint32_t>());
    same("token " + token[0].dump(), spelling, found ? Json(*found) : Json());
  }
  if (v.contains("special_to_add"))
    same("special_to_add", v["special_to_add"],
         {tokenizer_.addedTokens(false), tokenizer_.addedTokens(true)});
}
} // namespace

Expected<std::vector<TokenizerCaseResult>> runTokenizerPack(const std::string &path,
                                                            const GgufVocabularyReader &readGguf) {
  PLX_ASSIGN(std::string bytes, readFile(std::filesystem::path(path) / "cases.json"));
  PLX_ASSIGN(Json pack, text::parseJson(bytes, path + "/cases.json"));
  PLX_ASSIGN(auto tokenizer, loadTokenizer(std::filesystem::path(path) / "model", readGguf));
  try {
    Runner runner(*tokenizer);
    auto each = [&](const char *section, auto run) {
      size_t index = 0;
      for (const Json &c : pack.value(section, Json::array())) {
        std::string category = c.contains("category") ? " " + c["category"].get<std::string>() : "";
        runner.begin(std::string(section) + "[" + std::to_string(index++) + "]" + category);
        run(c);
      }
    };
    each("cases", [&](const Json &c) { runner.encode(c); });
    each("batches", [&](const Json &c) { runner.batch(c); });
    each("streams", [&](const Json &c) { runner.stream(c, tokenizer); });
    each("decodes", [&](const Json &c) { runner.decode(c); });
    if (pack.contains("vocab")) {
      runner.begin("vocab");
      runner.vocabulary(pack["vocab"]);
    }
    return runner.take();
  } catch (const Json::exception &e) {
    return error(Code::Corrupt) << path << "/cases.json: " << e.what();
  }
}

} // namespace plexus::conformance
