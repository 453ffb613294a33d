// Encoding and decoding: normalize, split, tokenize, post-process; and back.
#include "runtime/text/Tokenizer.h"
#include "runtime/text/ByteLevel.h"
#include "runtime/text/TokenizerParts.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <new>

namespace plexus {

using namespace text;

namespace {
constexpr size_t maxTextBytes = 1u << 30;
/// Truncating a pair in windows gives every window of one with every window of the other.
constexpr size_t maxOverflow = 1u << 16;

/// Runs `f`, turning what the libraries underneath may throw into a Status.
template <typename F>
auto guarded(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc &) {
    return Status(Code::ResourceExhausted, "tokenizer: out of memory");
  } catch (const std::exception &e) {
    return Status(Code::Internal, std::string("tokenizer: ") + e.what());
  }
}

/// A text made valid, and where its characters stand in the bytes that were given.
struct InputText {
  std::string text;
  std::vector<uint32_t> charStarts; ///< In the given bytes; one more than there are characters.
  std::vector<uint32_t> charOfByte; ///< For each byte of `text`.

  explicit InputText(std::string_view given) {
    text.reserve(given.size());
    charOfByte.reserve(given.size());
    for (char32_t c : codePoints(given, &charStarts)) {
      charOfByte.insert(charOfByte.end(), utf8Length(c),
                        charOfByte.empty() ? 0 : charOfByte.back() + 1);
      appendUtf8(text, c);
    }
  }

  /// Byte offsets in `text` to character offsets. What begins beyond the end stays as it is.
  std::pair<uint32_t, uint32_t> toChars(ByteSpan span) const {
    if (span.begin >= charOfByte.size())
      return {span.begin, span.end};
    uint32_t begin = charOfByte[span.begin];
    if (span.end < charOfByte.size())
      return {begin, charOfByte[span.end]};
    bool atEnd = span.end == charOfByte.size();
    return {begin, atEnd ? charOfByte.back() + 1 : begin + 2};
  }
  uint32_t toGivenBytes(uint32_t character) const {
    return charStarts[std::min<size_t>(character, charStarts.size() - 1)];
  }
};

bool isSpaceLike(char32_t c) { return c == byteToChar(' ') || isWhitespace(c); }

void countSpaces(std::string_view value, TokenSlot &slot) {
  std::vector<char32_t> chars = codePoints(value);
  slot.leadingSpaces =
      uint32_t(std::find_if_not(chars.begin(), chars.end(), isSpaceLike) - chars.begin());
  slot.trailingSpaces =
      uint32_t(std::find_if_not(chars.rbegin(), chars.rend(), isSpaceLike) - chars.rbegin());
}

/// Encodes one text up to, but without, truncation and post-processing.
Expected<TokenSequence> encodeOne(const TokenizerParts &parts, const InputText &input,
                                  uint8_t sequence) {
  std::vector<Split> splits;
  PLX_RETURN_IF_ERROR(parts.added.extract(input.text, parts.normalizer.get(), splits));
  if (parts.preTokenizer)
    PLX_RETURN_IF_ERROR(parts.preTokenizer->preTokenize(splits));
  TokenSequence out;
  std::vector<Token> tokens;
  for (const Split &split : splits) {
    const std::string &word = split.text.get();
    tokens.clear();
    if (split.addedToken)
      tokens.push_back({*split.addedToken, 0, uint32_t(word.size()), word});
    else
      PLX_RETURN_IF_ERROR(parts.model->tokenize(word, tokens));
    for (const Token &token : tokens) {
      TokenSlot slot;
      slot.id = token.id;
      slot.typeId = slot.sequence = sequence;
      std::tie(slot.begin, slot.end) = input.toChars(split.text.toOriginal(token.begin, token.end));
      if (parts.postProcessor)
        countSpaces(token.value, slot);
      out.slots.push_back(slot);
    }
  }
  return out;
}

Status truncateFor(const TokenizerParts &parts, const EncodeOptions &options,
                   std::vector<TokenSequence> &sequences) {
  if (!options.truncation)
    return Status::ok();
  bool isPair = sequences.size() > 1;
  TokenizerTruncation settings = *options.truncation;
  if (options.addSpecialTokens && parts.postProcessor) {
    size_t added = parts.postProcessor->addedTokens(isPair);
    if (added > settings.maxLength)
      return error(Code::InvalidArgument) << "truncation: max_length " << settings.maxLength
                                          << " leaves no room for " << added << " special tokens";
    settings.maxLength -= added;
  }
  PLX_RETURN_IF_ERROR(truncatePair(sequences[0], isPair ? &sequences[1] : nullptr, settings));
  size_t combinations = 1;
  for (const TokenSequence &s : sequences)
    combinations *= s.overflowing.size() + 1;
  if (combinations > maxOverflow)
    return error(Code::ResourceExhausted)
           << "truncation: " << combinations << " overflowing parts; the limit is " << maxOverflow;
  return Status::ok();
}

/// Everything but padding.
Expected<TokenSequence> encodeSequences(const TokenizerParts &parts,
                                        std::span<const InputText> inputs,
                                        const EncodeOptions &options) {
  std::vector<TokenSequence> sequences;
  for (size_t i = 0; i < inputs.size(); ++i) {
    PLX_ASSIGN(TokenSequence s, encodeOne(parts, inputs[i], uint8_t(i)));
    sequences.push_back(std::move(s));
  }
  PLX_RETURN_IF_ERROR(truncateFor(parts, options, sequences));
  if (parts.postProcessor) {
    for (size_t i = 0; i < sequences.size(); ++i)
      sequences[i].setTypeIds(uint32_t(i));
    PLX_RETURN_IF_ERROR(parts.postProcessor->process(sequences, options.addSpecialTokens));
  }
  TokenSequence out;
  for (const TokenSequence &s : sequences)
    out.append(s);
  return out;
}

Encoding toEncoding(const TokenSequence &s, std::span<const InputText> inputs) {
  Encoding out;
  for (const TokenSlot &slot : s.slots) {
    const InputText &input = inputs[slot.sequence];
    out.ids.push_back(slot.id);
    out.offsets.push_back({input.toGivenBytes(slot.begin), input.toGivenBytes(slot.end)});
    out.typeIds.push_back(slot.typeId);
    out.specialTokensMask.push_back(slot.special);
    out.attentionMask.push_back(slot.attended);
    out.sequenceIds.push_back(slot.sequence);
  }
  for (const TokenSequence &part : s.overflowing)
    out.overflowing.push_back(toEncoding(part, inputs));
  return out;
}

Status checkSize(std::string_view text) {
  if (text.size() <= maxTextBytes)
    return Status::ok();
  return error(Code::ResourceExhausted)
         << "text of " << text.size() << " bytes; the limit is " << maxTextBytes;
}

Expected<Encoding> encodeInputs(const TokenizerParts &parts, std::span<const InputText> inputs,
                                const EncodeOptions &options) {
  std::vector<TokenSequence> batch(1);
  PLX_ASSIGN(batch[0], encodeSequences(parts, inputs, options));
  if (options.padding)
    padAll(batch, *options.padding);
  return toEncoding(batch[0], inputs);
}
} // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

namespace {
template <typename Load>
Expected<std::unique_ptr<const TokenizerParts>> loadGuarded(Load load) {
  return guarded([&]() -> Expected<std::unique_ptr<const TokenizerParts>> {
    PLX_ASSIGN(Parts parts, load());
    return std::unique_ptr<const TokenizerParts>(std::move(parts));
  });
}
} // namespace

Expected<std::shared_ptr<const Tokenizer>> Tokenizer::fromJson(std::string_view json,
                                                               std::string_view config) {
  PLX_ASSIGN(auto parts, loadGuarded([&] { return loadJson(json, config); }));
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(parts)));
}

Expected<std::shared_ptr<const Tokenizer>> Tokenizer::fromGguf(const GgufVocabulary &vocabulary) {
  PLX_ASSIGN(auto parts, loadGuarded([&] { return loadGguf(vocabulary); }));
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(parts)));
}

Expected<std::shared_ptr<const Tokenizer>> Tokenizer::fromSerialized(std::string_view bytes) {
  PLX_ASSIGN(auto parts, loadGuarded([&] { return loadSerialized(bytes); }));
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(parts)));
}

const std::string &Tokenizer::serialize() const { return parts_->serialized; }

Expected<Encoding> Tokenizer::encode(std::string_view text, const EncodeOptions &options) const {
  PLX_RETURN_IF_ERROR(checkSize(text));
  return guarded([&] {
    InputText inputs[] = {InputText(text)};
    return encodeInputs(*parts_, inputs, options);
  });
}

Expected<Encoding> Tokenizer::encode(std::string_view text, std::string_view pair,
                                     const EncodeOptions &options) const {
  PLX_RETURN_IF_ERROR(checkSize(text));
  PLX_RETURN_IF_ERROR(checkSize(pair));
  return guarded([&] {
    InputText inputs[] = {InputText(text), InputText(pair)};
    return encodeInputs(*parts_, inputs, options);
  });
}

Expected<std::vector<Encoding>> Tokenizer::encodeBatch(std::span<const std::string> texts,
                                                       const EncodeOptions &options) const {
  return guarded([&]() -> Expected<std::vector<Encoding>> {
    std::vector<InputText> inputs;
    std::vector<TokenSequence> batch;
    for (const std::string &text : texts) {
      PLX_RETURN_IF_ERROR(checkSize(text));
      inputs.emplace_back(text);
      PLX_ASSIGN(TokenSequence s, encodeSequences(*parts_, {&inputs.back(), 1}, options));
      batch.push_back(std::move(s));
    }
    if (options.padding)
      padAll(batch, *options.padding);
    std::vector<Encoding> out;
    for (size_t i = 0; i < batch.size(); ++i)
      out.push_back(toEncoding(batch[i], {&inputs[i], 1}));
    return out;
  });
}

const std::optional<TokenizerTruncation> &Tokenizer::truncation() const {
  return parts_->truncation;
}
const std::optional<TokenizerPadding> &Tokenizer::padding() const { return parts_->padding; }

Expected<std::string> Tokenizer::decode(std::span<const uint32_t> ids, bool skipSpecial) const {
  return guarded([&]() -> Expected<std::string> {
    std::vector<std::string> pieces;
    for (uint32_t id : ids) {
      const std::string *piece = parts_->spelling(id);
      if (piece && !(skipSpecial && parts_->added.isSpecial(*piece)))
        pieces.push_back(*piece);
    }
    if (parts_->decoder)
      PLX_RETURN_IF_ERROR(parts_->decoder->decode(pieces));
    std::string out;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0 && !parts_->decoder)
        out += ' ';
      out += pieces[i];
    }
    return out;
  });
}

std::optional<uint32_t> Tokenizer::tokenToId(std::string_view token) const {
  return parts_->find(token);
}

std::optional<std::string> Tokenizer::idToToken(uint32_t id) const {
  const std::string *spelling = parts_->spelling(id);
  return spelling ? std::optional(*spelling) : std::nullopt;
}

namespace {
/// The bytes behind a spelling in the byte-level alphabet; nothing where it is not all in that
/// alphabet.
std::optional<std::string> byteLevelBytes(std::string_view spelling) {
  std::string out;
  for (char32_t c : codePoints(spelling)) {
    std::optional<uint8_t> byte = charToByte(c);
    if (!byte)
      return std::nullopt;
    out += char(*byte);
  }
  return out;
}
} // namespace

std::optional<std::string> Tokenizer::tokenBytes(uint32_t id) const {
  const std::string *spelling = parts_->spelling(id);
  if (!spelling || parts_->added.token(id) || !parts_->decoder)
    return spelling ? std::optional(*spelling) : std::nullopt;
  if (parts_->decodesByteLevel)
    if (auto bytes = byteLevelBytes(*spelling))
      return bytes;
  if (parts_->decodesByteTokens)
    if (auto byte = parseByteToken(*spelling))
      return std::string(1, char(*byte));
  // What the decoder adds for this token behind another one, whose own text is known.
  std::vector<std::string> pieces = {"a", *spelling};
  if (!parts_->decoder->decode(pieces))
    return std::nullopt;
  std::string both;
  for (const std::string &piece : pieces)
    both += piece;
  return both.starts_with("a") ? both.substr(1) : both;
}

bool Tokenizer::isSpecial(uint32_t id) const {
  const AddedToken *token = parts_->added.token(id);
  return token && token->special;
}

size_t Tokenizer::addedTokens(bool isPair) const {
  return parts_->postProcessor ? parts_->postProcessor->addedTokens(isPair) : 0;
}

size_t Tokenizer::vocabSize() const { return parts_->model->size(); }

size_t Tokenizer::vocabSizeWithAdded() const {
  size_t n = vocabSize();
  for (const auto &[content, id] : parts_->added.ids())
    n += !parts_->model->vocabulary().find(content);
  return n;
}

uint32_t Tokenizer::idLimit() const {
  return std::max(parts_->model->vocabulary().idLimit(), parts_->added.idLimit());
}

const SpecialTokenIds &Tokenizer::specialIds() const { return parts_->specialIds; }
const std::optional<std::string> &Tokenizer::chatTemplate() const { return parts_->chatTemplate; }

Expected<std::optional<std::string>> DecodeStream::push(uint32_t id) {
  constexpr std::string_view incomplete = "\xEF\xBF\xBD";
  if (prefix_.empty() && !ids_.empty()) {
    PLX_ASSIGN(std::string text, tokenizer_->decode(ids_, skipSpecial_));
    if (!text.ends_with(incomplete)) {
      prefix_ = std::move(text);
      prefixLength_ = ids_.size();
    }
  }
  ids_.push_back(id);
  PLX_ASSIGN(std::string text, tokenizer_->decode(ids_, skipSpecial_));
  if (text.size() <= prefix_.size() || text.ends_with(incomplete))
    return std::optional<std::string>();
  if (!text.starts_with(prefix_))
    return error(Code::Internal) << "decode stream: after token " << id << " the text '" << text
                                 << "' no longer begins with '" << prefix_ << "'";
  std::string piece = text.substr(prefix_.size());
  size_t newLength = ids_.size() - prefixLength_;
  ids_.erase(ids_.begin(), ids_.begin() + ptrdiff_t(prefixLength_));
  PLX_ASSIGN(prefix_, tokenizer_->decode(ids_, skipSpecial_));
  prefixLength_ = newLength;
  return std::optional(std::move(piece));
}

Expected<std::string> DecodeStream::finish() {
  PLX_ASSIGN(std::string text, tokenizer_->decode(ids_, skipSpecial_));
  std::string rest = text.starts_with(prefix_) ? text.substr(prefix_.size()) : std::string();
  ids_.clear();
  prefix_.clear();
  prefixLength_ = 0;
  return rest;
}

} // namespace plexus
