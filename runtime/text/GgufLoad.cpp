// Building a tokenizer from the vocabulary in a GGUF file.
#include "runtime/text/ByteLevel.h"
#include "runtime/text/TokenizerParts.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <map>

namespace plexus::text {

namespace {
/// Token types of GGUF.
enum TokenType : int32_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

// Splitting patterns of the byte-level vocabularies, in the order they are applied.
constexpr const char *gpt2Split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char *llama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char *qwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char *singleDigit = R"(\p{N})";

const std::map<std::string, std::vector<const char *>> splitters = {
    {"command-r", {singleDigit, gpt2Split}},
    {"dbrx", {llama3Split}},
    {"default", {gpt2Split}},
    {"gpt-2", {gpt2Split}},
    {"jina-v2-code", {gpt2Split}},
    {"llama-bpe", {llama3Split}},
    {"llama-v3", {llama3Split}},
    {"llama3", {llama3Split}},
    {"mpt", {gpt2Split}},
    {"olmo", {gpt2Split}},
    {"phi-2", {gpt2Split}},
    {"qwen2", {qwen2Split}},
    {"refact", {singleDigit, gpt2Split}},
    {"smaug-bpe", {llama3Split}},
    {"smollm", {singleDigit, gpt2Split}},
    {"stablelm2", {qwen2Split}},
    {"starcoder", {singleDigit, gpt2Split}},
};

int32_t typeOf(const GgufVocabulary &v, size_t id) {
  return v.tokenTypes.empty() ? int32_t(Normal) : v.tokenTypes[id];
}

Status check(const GgufVocabulary &v) {
  if (v.tokens.empty() || v.tokens.size() >= maxTokenId)
    return error(Code::Corrupt) << "GGUF vocabulary of " << v.tokens.size() << " tokens";
  for (auto [name, size] :
       {std::pair("scores", v.scores.size()), std::pair("token_type", v.tokenTypes.size())})
    if (size != 0 && size != v.tokens.size())
      return error(Code::Corrupt) << "GGUF tokenizer.ggml." << name << " has " << size
                                  << " entries for " << v.tokens.size() << " tokens";
  for (auto [name, id] : {std::pair("bos", v.bosId), std::pair("eos", v.eosId),
                          std::pair("unknown", v.unkId), std::pair("padding", v.padId)})
    if (id && (*id < 0 || size_t(*id) >= v.tokens.size()))
      return error(Code::Corrupt) << "GGUF tokenizer.ggml." << name << "_token_id " << *id
                                  << " is beyond the vocabulary of " << v.tokens.size();
  return Status::ok();
}

/// Tokens as UTF-8 (some files cut characters in two), first come first served.
Expected<Vocabulary> readTokens(const GgufVocabulary &v) {
  Vocabulary out;
  out.reserve(v.tokens.size());
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    std::string token = lossyUtf8(v.tokens[id]);
    if (out.find(token)) // A second token of the same spelling can be decoded but not encoded.
      token = "<unreachable " + std::to_string(id) + ">";
    PLX_RETURN_IF_ERROR(out.add(std::move(token), uint32_t(id)));
  }
  return out;
}

/// The merges of a SentencePiece vocabulary, which has scores instead: any two tokens that together
/// make a third may merge, the best-scored third first.
std::vector<BpeMerge> mergesByScore(const GgufVocabulary &v, const Vocabulary &vocabulary) {
  std::vector<uint32_t> order;
  for (uint32_t id = 0; id < v.tokens.size(); ++id)
    if (typeOf(v, id) == Normal || typeOf(v, id) == UserDefined)
      order.push_back(id);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return v.scores[a] != v.scores[b] ? v.scores[a] > v.scores[b] : a < b;
  });
  std::vector<BpeMerge> out;
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    // Equal scores share a rank, so that the leftmost of them goes first.
    if (i > 0 && v.scores[order[i]] != v.scores[order[i - 1]])
      ++rank;
    const std::string &token = *vocabulary.token(order[i]);
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if ((uint8_t(token[cut]) & 0xC0) == 0x80)
        continue;
      auto left = vocabulary.find(std::string_view(token).substr(0, cut));
      auto right = vocabulary.find(std::string_view(token).substr(cut));
      if (left && right)
        out.push_back({*left, *right, rank, order[i]});
    }
  }
  return out;
}

Status loadByteLevel(const GgufVocabulary &v, TokenizerParts &parts) {
  auto splitter = splitters.find(v.pre.empty() ? "default" : v.pre);
  if (splitter == splitters.end()) {
    std::vector<std::string> known;
    for (const auto &entry : splitters)
      known.push_back(entry.first);
    return unknownName("GGUF tokenizer.ggml.pre", v.pre, known);
  }
  Json steps = Json::array();
  for (const char *pattern : splitter->second)
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  Json byteLevel = {{"type", "ByteLevel"},
                    {"add_prefix_space", v.addSpacePrefix.value_or(false)},
                    {"trim_offsets", false},
                    {"use_regex", false}};
  steps.push_back(byteLevel);
  PLX_ASSIGN(parts.preTokenizer,
             makePreTokenizer({{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}));
  PLX_RETURN_IF_ERROR(parts.setDecoder(byteLevel));
  PLX_ASSIGN(Vocabulary vocabulary, readTokens(v));
  std::vector<BpeMerge> merges;
  for (const std::string &line : v.merges) {
    // The second part may begin with a space only in files that are broken.
    size_t space = line.find(' ', 1);
    if (space == std::string::npos)
      return error(Code::Corrupt) << "GGUF tokenizer.ggml.merges: '" << line << "' is not a pair";
    PLX_ASSIGN(BpeMerge merge, bpeMerge(vocabulary, line.substr(0, space), line.substr(space + 1),
                                        uint32_t(merges.size())));
    merges.push_back(merge);
  }
  BpeOptions options;
  options.ignoreMerges = splitter->second.front() == llama3Split;
  parts.model = makeBpe(std::move(vocabulary), merges, std::move(options));
  return Status::ok();
}

Status loadSentencePiece(const GgufVocabulary &v, TokenizerParts &parts) {
  if (v.scores.empty())
    return error(Code::Corrupt) << "GGUF vocabulary of model 'llama' without tokenizer.ggml.scores";
  constexpr const char *mark = "\xE2\x96\x81"; // U+2581
  Json normalizers = Json::array();
  if (v.addSpacePrefix.value_or(true))
    normalizers.push_back({{"type", "Prepend"}, {"prepend", mark}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", mark}});
  PLX_ASSIGN(parts.normalizer,
             makeNormalizer({{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}));
  Json decoders = {{{"type", "Replace"}, {"pattern", {{"String", mark}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}};
  if (v.addSpacePrefix.value_or(true))
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  PLX_RETURN_IF_ERROR(parts.setDecoder({{"type", "Sequence"}, {"decoders", std::move(decoders)}}));
  PLX_ASSIGN(Vocabulary vocabulary, readTokens(v));
  std::vector<BpeMerge> merges = mergesByScore(v, vocabulary);
  BpeOptions options;
  options.byteFallback = options.fuseUnknown = true;
  if (v.unkId)
    options.unknownToken = *vocabulary.token(uint32_t(*v.unkId));
  parts.model = makeBpe(std::move(vocabulary), merges, std::move(options));
  return Status::ok();
}

Json toJson(const GgufVocabulary &v) {
  Json out = {{"model", v.model}, {"pre", v.pre}, {"merges", v.merges}};
  // Tokens may be any bytes, JSON strings may not.
  Json &tokens = out["tokens"] = Json::array();
  for (const std::string &token : v.tokens)
    tokens.push_back(lossyUtf8(token));
  for (Json &merge : out["merges"])
    merge = lossyUtf8(merge.get_ref<const std::string &>());
  if (!v.scores.empty())
    out["scores"] = v.scores;
  if (!v.tokenTypes.empty())
    out["token_type"] = v.tokenTypes;
  for (auto [name, id] : {std::pair("bos", v.bosId), std::pair("eos", v.eosId),
                          std::pair("unk", v.unkId), std::pair("pad", v.padId)})
    if (id)
      out[name] = *id;
  for (auto [name, flag] : {std::pair("add_bos", v.addBos), std::pair("add_eos", v.addEos),
                            std::pair("add_space_prefix", v.addSpacePrefix)})
    if (flag)
      out[name] = *flag;
  out["chat_template"] = lossyUtf8(v.chatTemplate);
  return out;
}
} // namespace

Expected<GgufVocabulary> ggufFromJson(std::string_view bytes) {
  PLX_ASSIGN(Json json, parseJson(bytes, "serialized GGUF vocabulary"));
  try {
    GgufVocabulary v;
    v.model = json.at("model").get<std::string>();
    v.pre = json.at("pre").get<std::string>();
    v.tokens = json.at("tokens").get<std::vector<std::string>>();
    v.chatTemplate = json.at("chat_template").get<std::string>();
    v.merges = json.at("merges").get<std::vector<std::string>>();
    v.scores = json.value("scores", std::vector<float>());
    v.tokenTypes = json.value("token_type", std::vector<int32_t>());
    auto read = [&](const char *name, auto &field) {
      if (auto it = json.find(name); it != json.end())
        field = it->get<typename std::decay_t<decltype(field)>::value_type>();
    };
    read("bos", v.bosId);
    read("eos", v.eosId);
    read("unk", v.unkId);
    read("pad", v.padId);
    read("add_bos", v.addBos);
    read("add_eos", v.addEos);
    read("add_space_prefix", v.addSpacePrefix);
    return v;
  } catch (const Json::exception &e) {
    return error(Code::Corrupt) << "serialized GGUF vocabulary: " << e.what();
  }
}

Expected<Parts> loadGguf(const GgufVocabulary &v) {
  PLX_RETURN_IF_ERROR(check(v));
  auto parts = std::make_unique<TokenizerParts>();
  bool sentencePiece = v.model == "llama";
  if (!sentencePiece && v.model != "gpt2") {
    const std::string known[] = {"gpt2", "llama"};
    return unknownName("GGUF tokenizer.ggml.model", v.model, known);
  }
  PLX_RETURN_IF_ERROR(sentencePiece ? loadSentencePiece(v, *parts) : loadByteLevel(v, *parts));
  std::vector<AddedToken> added;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    int32_t type = typeOf(v, id);
    bool special = type == Control || type == Unknown;
    if (special || type == UserDefined)
      added.push_back(
          {.content = *parts->model->vocabulary().token(uint32_t(id)), .special = special});
  }
  PLX_RETURN_IF_ERROR(parts->added.add(added, *parts->model, nullptr));
  auto narrow = [](std::optional<int64_t> id) {
    return id ? std::optional(uint32_t(*id)) : std::nullopt;
  };
  SpecialTokenIds &ids = parts->specialIds;
  ids = {narrow(v.bosId), narrow(v.eosId), narrow(v.unkId), narrow(v.padId)};
  std::optional<uint32_t> none;
  parts->postProcessor = makeBosEos(v.addBos.value_or(sentencePiece) ? ids.bos : none,
                                    v.addEos.value_or(false) ? ids.eos : none);
  if (!v.chatTemplate.empty())
    parts->chatTemplate = v.chatTemplate;
  parts->serialized = packSerialized(SerializedKind::Gguf, toJson(v).dump(), {});
  return parts;
}

} // namespace plexus::text
