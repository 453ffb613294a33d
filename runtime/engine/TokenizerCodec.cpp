// Signed ids on the engine's side, unsigned ones on the tokenizer's.
#include "runtime/engine/TokenizerCodec.h"

namespace plexus {
namespace {

class Stream final : public TextStream {
public:
  explicit Stream(std::shared_ptr<const Tokenizer> t) : stream(std::move(t), true) {}
  Status step(int32_t id, std::string &text) override {
    PLX_ASSIGN(auto piece, stream.push(static_cast<uint32_t>(id)));
    if (piece)
      text += *piece;
    return Status::ok();
  }
  Status finish(std::string &text) override {
    PLX_ASSIGN(std::string rest, stream.finish());
    text += rest;
    return Status::ok();
  }

private:
  DecodeStream stream;
};

class TokenizerCodec final : public TextCodec {
public:
  explicit TokenizerCodec(std::shared_ptr<const Tokenizer> t) : tokenizer(std::move(t)) {}

  Expected<std::string> bytes(int32_t id) const override {
    if (auto text = id < 0 ? std::nullopt : tokenizer->tokenBytes(static_cast<uint32_t>(id)))
      return *text;
    return error(Code::Unsupported) << "token " << id << " stands for no bytes";
  }
  Expected<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const override {
    EncodeOptions options;
    options.addSpecialTokens = addSpecial;
    PLX_ASSIGN(Encoding encoding, tokenizer->encode(text, options));
    return std::vector<int32_t>(encoding.ids.begin(), encoding.ids.end());
  }
  Expected<std::string> decode(std::span<const int32_t> ids, bool skipSpecial) const override {
    std::vector<uint32_t> unsignedIds(ids.begin(), ids.end());
    return tokenizer->decode(unsignedIds, skipSpecial);
  }
  std::optional<int32_t> specialId(std::string_view name) const override {
    const SpecialTokenIds &ids = tokenizer->specialIds();
    std::optional<uint32_t> id = name == "bos"   ? ids.bos
                                 : name == "eos" ? ids.eos
                                 : name == "pad" ? ids.pad
                                 : name == "unk" ? ids.unk
                                                 : tokenizer->tokenToId(name);
    return id ? std::optional(static_cast<int32_t>(*id)) : std::nullopt;
  }
  std::unique_ptr<TextStream> stream() const override {
    return std::make_unique<Stream>(tokenizer);
  }

private:
  std::shared_ptr<const Tokenizer> tokenizer;
};

} // namespace

std::shared_ptr<const TextCodec> makeTokenizerCodec(std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_shared<TokenizerCodec>(std::move(tokenizer));
}

} // namespace plexus
