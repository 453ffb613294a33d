// Any bytes as a tokenizer: refused, or a tokenizer that encodes and decodes without harm. The
// input is tokenizer.json, a zero byte, and a text; or a serialized tokenizer.
#include "runtime/text/Tokenizer.h"

#include <algorithm>

using namespace plexus;

namespace {
void exercise(const std::shared_ptr<const Tokenizer> &tokenizer, std::string_view text) {
  EncodeOptions options;
  options.truncation = tokenizer->truncation();
  options.padding = tokenizer->padding();
  // Padding to lengths that a file may ask for would only show how fast memory is.
  if (options.padding)
    options.padding->fixedLength = std::min<size_t>(options.padding->fixedLength.value_or(8), 64);
  if (options.padding)
    options.padding->multipleOf.reset();
  (void)tokenizer->encode(text, "pair", options);
  auto encoding = tokenizer->encode(text);
  if (!encoding)
    return;
  for (auto [begin, end] : encoding->offsets)
    if (begin > text.size() || end > text.size())
      __builtin_trap();
  (void)tokenizer->decode(encoding->ids, true);
  DecodeStream stream(tokenizer, false);
  for (uint32_t id : encoding->ids) {
    (void)tokenizer->tokenBytes(id);
    if (!stream.push(id))
      break;
  }
  (void)stream.finish();
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(data), size);
  size_t zero = std::min(input.find('\0'), size);
  std::string_view text = input.substr(std::min(size, zero + 1));
  auto tokenizer = input.starts_with("PLXT") ? Tokenizer::fromSerialized(input)
                                             : Tokenizer::fromJson(input.substr(0, zero));
  if (tokenizer)
    exercise(*tokenizer, input.starts_with("PLXT") ? "some text" : text.substr(0, 1000));
  return 0;
}
