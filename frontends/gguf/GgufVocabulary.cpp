#include "frontends/gguf/GgufMetadata.h"
#include "frontends/gguf/GgufModel.h"

namespace plexus::frontends {
namespace {

/// Keys that make a tokenizer do more than its model says; refused unless they are empty or off.
constexpr std::string_view unknownWhenSet[] = {
    "tokenizer.ggml.precompiled_charsmap",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.treat_whitespace_as_suffix",
};

bool isSet(const GgufValue &value) {
  if (const bool *flag = std::get_if<bool>(&value))
    return *flag;
  if (const auto *list = std::get_if<std::vector<int64_t>>(&value))
    return !list->empty();
  return true;
}

std::optional<int64_t> tokenId(GgufMetadata &metadata, const char *key, size_t tokens) {
  std::optional<int64_t> id = metadata.get<int64_t>(key);
  if (id && (*id < 0 || static_cast<uint64_t>(*id) >= tokens))
    metadata.problem("\"" + std::string(key) + "\" is " + std::to_string(*id) +
                     ", and the vocabulary has " + std::to_string(tokens) + " tokens");
  return id;
}

} // namespace

Expected<GgufVocabulary> readGgufVocabulary(const GgufFile &file) {
  GgufMetadata metadata(file);
  GgufVocabulary vocabulary;
  vocabulary.model = metadata.require<std::string>("tokenizer.ggml.model");
  vocabulary.tokens = metadata.require<std::vector<std::string>>("tokenizer.ggml.tokens");
  vocabulary.pre = metadata.getOrEmpty<std::string>("tokenizer.ggml.pre");
  vocabulary.merges = metadata.getOrEmpty<std::vector<std::string>>("tokenizer.ggml.merges");
  vocabulary.chatTemplate = metadata.getOrEmpty<std::string>("tokenizer.chat_template");
  const size_t size = vocabulary.tokens.size();
  for (double score : metadata.getOrEmpty<std::vector<double>>("tokenizer.ggml.scores"))
    vocabulary.scores.push_back(static_cast<float>(score));
  for (int64_t type : metadata.getOrEmpty<std::vector<int64_t>>("tokenizer.ggml.token_type"))
    vocabulary.tokenTypes.push_back(static_cast<int32_t>(type));
  if (!vocabulary.scores.empty() && vocabulary.scores.size() != size)
    metadata.problem("tokenizer.ggml.scores and tokens differ in length");
  if (!vocabulary.tokenTypes.empty() && vocabulary.tokenTypes.size() != size)
    metadata.problem("tokenizer.ggml.token_type and tokens differ in length");

  vocabulary.bosId = tokenId(metadata, "tokenizer.ggml.bos_token_id", size);
  vocabulary.eosId = tokenId(metadata, "tokenizer.ggml.eos_token_id", size);
  vocabulary.unkId = tokenId(metadata, "tokenizer.ggml.unknown_token_id", size);
  vocabulary.padId = tokenId(metadata, "tokenizer.ggml.padding_token_id", size);
  vocabulary.addBos = metadata.get<bool>("tokenizer.ggml.add_bos_token");
  vocabulary.addEos = metadata.get<bool>("tokenizer.ggml.add_eos_token");
  vocabulary.addSpacePrefix = metadata.get<bool>("tokenizer.ggml.add_space_prefix");
  PLX_RETURN_IF_ERROR(metadata.check());

  for (std::string_view key : unknownWhenSet)
    if (const GgufValue *value = file.metadata(key); value && isSet(*value))
      return error(Code::Unsupported)
             << file.path() << ": " << key << " = " << ggufValueToString(*value)
             << " changes tokenization in a way that Plexus does not know";
  return vocabulary;
}

} // namespace plexus::frontends
