// Alignment bookkeeping for normalization and splitting.
#include "runtime/text/NormalizedString.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

namespace plexus::text {

NormalizedString::NormalizedString(std::string_view original)
    : text_(original), originalEnd_(uint32_t(original.size())) {
  alignments_.reserve(original.size());
  for (size_t pos = 0; pos < original.size();) {
    uint32_t length = decodeAt(original, pos).length;
    alignments_.insert(alignments_.end(), length, {uint32_t(pos), uint32_t(pos + length)});
    pos += length;
  }
}

ByteSpan NormalizedString::toOriginal(size_t begin, size_t end) const {
  if (begin == end)
    return {uint32_t(originalBegin_ + begin), uint32_t(originalBegin_ + begin)};
  if (begin > end || end > alignments_.size())
    return {uint32_t(begin), uint32_t(end)};
  return {alignments_[begin].begin, alignments_[end - 1].end};
}

NormalizedString NormalizedString::slice(size_t begin, size_t end) const {
  end = std::min(end, text_.size());
  begin = std::min(begin, end);
  NormalizedString out;
  out.text_ = text_.substr(begin, end - begin);
  out.alignments_.assign(alignments_.begin() + ptrdiff_t(begin),
                         alignments_.begin() + ptrdiff_t(end));
  ByteSpan span = toOriginal(begin, end);
  out.originalBegin_ = span.begin;
  out.originalEnd_ = std::max(span.begin, span.end);
  return out;
}

ByteSpan NormalizedString::alignmentBefore(size_t index) const {
  if (index == 0 || alignments_.empty())
    return {originalBegin_, originalBegin_};
  return alignments_[std::min(index, alignments_.size()) - 1];
}

void NormalizedString::transformRange(size_t begin, size_t end,
                                      const std::vector<CharChange> &changes,
                                      size_t removedAtStart) {
  size_t old = begin; // Where the next old character stands.
  auto skip = [&](size_t chars) {
    for (; chars > 0 && old < end; --chars)
      old += validLength(text_[old]);
  };
  skip(removedAtStart);
  std::string text;
  std::vector<ByteSpan> alignments;
  text.reserve(end - begin + changes.size());
  alignments.reserve(end - begin + changes.size());
  for (const CharChange &c : changes) {
    ByteSpan span =
        c.change > 0 || old >= alignments_.size() ? alignmentBefore(old) : alignments_[old];
    if (c.change <= 0)
      skip(1 + size_t(-int64_t(c.change)));
    appendUtf8(text, c.codePoint);
    alignments.insert(alignments.end(), utf8Length(c.codePoint), span);
  }
  if (begin == 0 && end == text_.size()) {
    text_ = std::move(text);
    alignments_ = std::move(alignments);
    return;
  }
  text_.replace(begin, end - begin, text);
  auto at = alignments_.erase(alignments_.begin() + ptrdiff_t(begin),
                              alignments_.begin() + ptrdiff_t(end));
  alignments_.insert(at, alignments.begin(), alignments.end());
}

void NormalizedString::transform(const std::vector<CharChange> &changes, size_t removedAtStart) {
  transformRange(0, text_.size(), changes, removedAtStart);
}

void NormalizedString::prepend(std::string_view s) {
  if (text_.empty())
    return;
  std::vector<CharChange> changes;
  for (char32_t c : codePoints(s))
    changes.push_back({c, changes.empty() ? 0 : 1});
  DecodedChar first = decodeAt(text_, 0);
  changes.push_back({first.codePoint, 1});
  transformRange(0, first.length, changes, 0);
}

void NormalizedString::filter(const std::function<bool(char32_t)> &keep) {
  std::vector<CharChange> changes;
  changes.reserve(text_.size());
  size_t removedAtStart = 0;
  bool removedAny = false;
  for (size_t pos = 0; pos < text_.size();) {
    DecodedChar c = decodeAt(text_, pos);
    pos += c.length;
    if (keep(c.codePoint)) {
      changes.push_back({c.codePoint, 0});
      continue;
    }
    removedAny = true;
    if (changes.empty())
      ++removedAtStart;
    else
      --changes.back().change;
  }
  if (removedAny)
    transform(changes, removedAtStart);
}

void NormalizedString::map(const std::function<char32_t(char32_t)> &to) {
  std::vector<CharChange> changes;
  changes.reserve(text_.size());
  bool changed = false;
  for (size_t pos = 0; pos < text_.size();) {
    DecodedChar c = decodeAt(text_, pos);
    pos += c.length;
    changes.push_back({to(c.codePoint), 0});
    changed |= changes.back().codePoint != c.codePoint;
  }
  if (changed)
    transform(changes, 0);
}

void NormalizedString::lowerCase() {
  std::vector<CharChange> changes;
  changes.reserve(text_.size());
  bool changed = false;
  for (size_t pos = 0; pos < text_.size();) {
    DecodedChar c = decodeAt(text_, pos);
    pos += c.length;
    char32_t lower[2];
    int n = plexus::text::lowerCase(c.codePoint, lower);
    changed |= lower[0] != c.codePoint;
    for (int i = 0; i < n; ++i)
      changes.push_back({lower[i], i > 0});
  }
  if (changed)
    transform(changes, 0);
}

void NormalizedString::strip(bool left, bool right) {
  std::vector<uint32_t> starts;
  std::vector<char32_t> chars = codePoints(text_, &starts);
  size_t first = 0, last = chars.size();
  while (left && first < chars.size() && isWhitespace(chars[first]))
    ++first;
  while (right && last > 0 && isWhitespace(chars[last - 1]))
    --last;
  if (first == 0 && last == chars.size())
    return;
  std::vector<CharChange> changes;
  for (size_t i = first; i < last; ++i)
    changes.push_back({chars[i], i + 1 == last ? -int32_t(chars.size() - last) : 0});
  transform(changes, first);
}

void NormalizedString::replace(const std::vector<MatchSpan> &spans, std::string_view content) {
  std::string text;
  std::vector<ByteSpan> alignments;
  text.reserve(text_.size());
  alignments.reserve(text_.size());
  for (const MatchSpan &span : spans) {
    if (span.isMatch) {
      text += content;
      alignments.insert(alignments.end(), content.size(), alignmentBefore(span.end));
      continue;
    }
    text.append(text_, span.begin, span.end - span.begin);
    alignments.insert(alignments.end(), alignments_.begin() + ptrdiff_t(span.begin),
                      alignments_.begin() + ptrdiff_t(span.end));
  }
  text_ = std::move(text);
  alignments_ = std::move(alignments);
}

namespace {
/// Glues spans together as `behavior` says, in reading order for MergedWithPrevious and Contiguous.
/// `MergedWithNext` is the mirror image of MergedWithPrevious.
std::vector<MatchSpan> glue(std::vector<MatchSpan> spans, SplitBehavior behavior) {
  bool mirrored = behavior == SplitBehavior::MergedWithNext;
  if (mirrored)
    std::reverse(spans.begin(), spans.end());
  std::vector<MatchSpan> out;
  bool previousMatch = false;
  for (const MatchSpan &span : spans) {
    bool join = behavior == SplitBehavior::Contiguous ? span.isMatch == previousMatch
                                                      : span.isMatch && !previousMatch;
    if (!join || out.empty())
      out.push_back({span.begin, span.end, false});
    else if (mirrored)
      out.back().begin = span.begin;
    else
      out.back().end = span.end;
    previousMatch = span.isMatch;
  }
  if (mirrored)
    std::reverse(out.begin(), out.end());
  return out;
}
} // namespace

void NormalizedString::split(std::vector<MatchSpan> spans, SplitBehavior behavior,
                             std::vector<NormalizedString> &out) const {
  if (behavior != SplitBehavior::Removed && behavior != SplitBehavior::Isolated)
    spans = glue(std::move(spans), behavior);
  for (const MatchSpan &span : spans) {
    bool removed = behavior == SplitBehavior::Removed && span.isMatch;
    if (!removed && span.begin < span.end)
      out.push_back(slice(span.begin, span.end));
  }
}

void charSpans(std::string_view text, const std::function<bool(char32_t)> &matches,
               std::vector<MatchSpan> &out) {
  out.clear();
  size_t covered = 0;
  for (size_t pos = 0; pos < text.size();) {
    DecodedChar c = decodeAt(text, pos);
    size_t end = pos + c.length;
    if (matches(c.codePoint)) {
      if (covered < pos)
        out.push_back({covered, pos, false});
      out.push_back({pos, end, true});
      covered = end;
    }
    pos = end;
  }
  if (covered < text.size())
    out.push_back({covered, text.size(), false});
}

} // namespace plexus::text
