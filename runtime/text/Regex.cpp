// Oniguruma behind a value-semantics class: compile once, search from any thread.
#include "runtime/text/Regex.h"
#include "runtime/text/Utf8.h"

#include <mutex>
#include <oniguruma.h>

namespace plexus::text {

namespace {
constexpr size_t maxPatternBytes = 64 * 1024;
/// Backtracking steps allowed for one search: far above what published patterns need, low enough
/// that a hostile pattern ends within seconds.
constexpr unsigned long baseRetries = 5'000'000, retriesPerByte = 64;

const OnigUChar *bytes(std::string_view s) { return reinterpret_cast<const OnigUChar *>(s.data()); }

std::string message(int code, OnigErrorInfo *info = nullptr) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  int n = onig_error_code_to_str(buffer, code, info);
  return std::string(reinterpret_cast<char *>(buffer), size_t(n));
}

/// Search state that must not be shared between threads.
struct SearchState {
  OnigRegion *region = onig_region_new();
  OnigMatchParam *limits = onig_new_match_param();
  ~SearchState() {
    onig_region_free(region, 1);
    onig_free_match_param(limits);
  }
};
} // namespace

void Regex::Deleter::operator()(void *regex) const { onig_free(static_cast<regex_t *>(regex)); }

Expected<Regex> Regex::compile(std::string_view pattern) {
  // Oniguruma's own initialisation is not thread-safe.
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
  if (pattern.size() > maxPatternBytes)
    return error(Code::ResourceExhausted) << "regular expression of " << pattern.size()
                                          << " bytes; the limit is " << maxPatternBytes;
  if (!isValidUtf8(pattern))
    return error(Code::Corrupt) << "regular expression is not valid UTF-8";
  regex_t *compiled = nullptr;
  OnigErrorInfo info{};
  int code = onig_new(&compiled, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_NONE,
                      ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
  if (code != ONIG_NORMAL)
    return error(Code::InvalidArgument)
           << "regular expression '" << pattern << "': " << message(code, &info);
  Regex out;
  out.compiled_.reset(compiled);
  return out;
}

Expected<Regex> Regex::literal(std::string_view literal) {
  if (literal.empty())
    return compile("");
  Regex out;
  out.literal_ = literal;
  return out;
}

namespace {
Status onigSpans(regex_t *regex, std::string_view text, std::vector<MatchSpan> &out) {
  thread_local SearchState state;
  onig_initialize_match_param(state.limits);
  onig_set_retry_limit_in_search_of_match_param(state.limits,
                                                baseRetries + retriesPerByte * text.size());
  const OnigUChar *begin = bytes(text), *end = begin + text.size();
  size_t covered = 0, from = 0, lastMatchEnd = std::string_view::npos;
  while (from <= text.size()) {
    onig_region_clear(state.region);
    int at = onig_search_with_param(regex, begin, end, begin + from, end, state.region,
                                    ONIG_OPTION_NONE, state.limits);
    if (at == ONIG_MISMATCH)
      break;
    if (at < 0)
      return error(Code::ResourceExhausted) << "regular expression search: " << message(at);
    size_t matchBegin = size_t(state.region->beg[0]), matchEnd = size_t(state.region->end[0]);
    if (matchBegin == matchEnd && matchEnd == lastMatchEnd) {
      from += from < text.size() ? validLength(text[from]) : 1;
      continue;
    }
    if (covered < matchBegin)
      out.push_back({covered, matchBegin, false});
    out.push_back({matchBegin, matchEnd, true});
    covered = from = lastMatchEnd = matchEnd;
  }
  if (covered < text.size())
    out.push_back({covered, text.size(), false});
  return Status::ok();
}
} // namespace

Status Regex::spans(std::string_view text, std::vector<MatchSpan> &out) const {
  out.clear();
  if (text.empty()) {
    out.push_back({0, 0, false});
    return Status::ok();
  }
  if (compiled_)
    return onigSpans(static_cast<regex_t *>(compiled_.get()), text, out);
  size_t covered = 0;
  for (size_t hit; (hit = text.find(literal_, covered)) != std::string_view::npos;
       covered = hit + literal_.size()) {
    if (covered < hit)
      out.push_back({covered, hit, false});
    out.push_back({hit, hit + literal_.size(), true});
  }
  if (covered < text.size())
    out.push_back({covered, text.size(), false});
  return Status::ok();
}

} // namespace plexus::text
