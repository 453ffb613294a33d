// Cutting a Jinja template into text and tokens, white space control included.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text::jinja {

enum class TokenKind {
  Text,           ///< Output as it stands.
  StatementBegin, ///< {%
  StatementEnd,
  OutputBegin, ///< {{
  OutputEnd,
  Name,
  Integer,
  Float,
  String, ///< Already unescaped.
  Operator,
  End,
};

struct LexToken {
  TokenKind kind;
  std::string text;
  uint32_t line;
};

/// Throws TemplateError. Follows jinja2 with trim_blocks and lstrip_blocks on and
/// keep_trailing_newline off.
std::vector<LexToken> lex(std::string_view source);

} // namespace plexus::text::jinja
