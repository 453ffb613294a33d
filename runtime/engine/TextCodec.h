// What the engine needs of a tokenizer, so that it can be tested without one.
#pragma once

#include "runtime/support/Status.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// Turns the ids of one output into text as they come.
class TextStream {
public:
  virtual ~TextStream() = default;
  /// Appends to `text` what can be shown after one more id; nothing while a character is
  /// incomplete.
  virtual Status step(int32_t id, std::string &text) = 0;
  /// Appends what was still held back (broken UTF-8 becomes U+FFFD).
  virtual Status finish(std::string &text) = 0;
};

/// Shared by generations; used from the engine's thread and from callers' threads.
class TextCodec {
public:
  virtual ~TextCodec() = default;
  /// The bytes that the token stands for; Unsupported where it has none of its own.
  virtual Expected<std::string> bytes(int32_t id) const = 0;
  virtual Expected<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const = 0;
  virtual Expected<std::string> decode(std::span<const int32_t> ids, bool skipSpecial) const = 0;
  /// "bos", "eos", "pad", or an added token's text.
  virtual std::optional<int32_t> specialId(std::string_view name) const = 0;
  /// A stream that leaves special tokens out.
  virtual std::unique_ptr<TextStream> stream() const = 0;
};

} // namespace plexus
