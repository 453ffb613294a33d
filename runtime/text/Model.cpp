// Building a model from tokenizer.json.
#include "runtime/text/Model.h"

#include <map>

namespace plexus::text {

namespace {
const std::map<std::string, Expected<std::unique_ptr<Model>> (*)(const Fields &)> makers = {
    {"BPE", makeBpeModel},
    {"Unigram", makeUnigramModel},
    {"WordLevel", makeWordLevelModel},
    {"WordPiece", makeWordPieceModel},
};

/// The type of a model written before models had one.
std::string typeByFields(const Fields &f) {
  if (f.find("merges"))
    return "BPE";
  if (f.find("max_input_chars_per_word"))
    return "WordPiece";
  return f.find("unk_id") ? "Unigram" : "WordLevel";
}
} // namespace

Expected<std::unique_ptr<Model>> makeModel(const Json &json) {
  if (!json.is_object())
    return error(Code::Corrupt) << "model: must be an object";
  Fields untyped(json, "model");
  PLX_ASSIGN(std::string type, untyped.string("type", typeByFields(untyped)));
  auto it = makers.find(type);
  if (it != makers.end())
    return it->second(Fields(json, "model " + type));
  std::vector<std::string> known;
  for (const auto &maker : makers)
    known.push_back(maker.first);
  return unknownName("model", type, known);
}

std::string byteToken(uint8_t byte) {
  constexpr char digits[] = "0123456789ABCDEF";
  return std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + '>';
}

std::optional<uint8_t> parseByteToken(std::string_view token) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>')
    return std::nullopt;
  int high = digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0)
    return std::nullopt;
  return uint8_t(high * 16 + low);
}

} // namespace plexus::text
