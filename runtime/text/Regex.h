// Regular expressions by Oniguruma, the engine and dialect that tokenizer files are written for.
#pragma once

#include "runtime/support/Status.h"
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text {

/// A piece [begin, end) of a string, in bytes, that a pattern did or did not match.
struct MatchSpan {
  size_t begin, end;
  bool isMatch;
};

/// A compiled pattern, safe to search with from several threads.
class Regex {
public:
  /// Ruby syntax, UTF-8. InvalidArgument with Oniguruma's own message where `pattern` is wrong.
  static Expected<Regex> compile(std::string_view pattern);
  /// A pattern that matches exactly `literal`.
  static Expected<Regex> literal(std::string_view literal);

  /// Cuts `text` (valid UTF-8) into matches and what lies between them, in order and without gaps.
  /// Empty matches are kept, save one that touches the match before it. An empty `text` gives one
  /// empty span that is no match. ResourceExhausted where backtracking passes a limit that grows
  /// with the text.
  Status spans(std::string_view text, std::vector<MatchSpan> &out) const;

private:
  struct Deleter {
    void operator()(void *regex) const;
  };
  std::string literal_;
  std::unique_ptr<void, Deleter> compiled_;
};

} // namespace plexus::text
