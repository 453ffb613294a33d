// A string under normalization that remembers which bytes of the original each of its bytes stands
// for.
#pragma once

#include "runtime/text/Regex.h"
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text {

/// Bytes [begin, end) of the original text.
struct ByteSpan {
  uint32_t begin = 0, end = 0;
};

/// One character of a rewritten string, and how it relates to the characters it came from:
/// 0 replaces the next old character, 1 is inserted (and shares the alignment of what stands before
/// it), -n replaces the next old character and swallows the n after that.
struct CharChange {
  char32_t codePoint;
  int32_t change;
};

/// What becomes of the delimiter when a string is split at matches.
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

/// Text with alignments. Offsets of slices stay relative to the whole original, so a slice of a
/// slice still points home. Limited to texts below 4 GiB by its 32-bit offsets.
class NormalizedString {
public:
  /// `original` must be valid UTF-8; each byte is aligned with the whole character it belongs to.
  explicit NormalizedString(std::string_view original);

  const std::string &get() const { return text_; }
  bool empty() const { return text_.empty(); }
  uint32_t originalBegin() const { return originalBegin_; }

  /// The original bytes behind [begin, end) of the present text. Two oddities are part of the
  /// contract, since published offsets show them: an empty range stays where it is, relative to the
  /// beginning of this string; a range beyond the end is returned unchanged.
  ByteSpan toOriginal(size_t begin, size_t end) const;

  /// Bytes [begin, end) of the present text, on character boundaries; clamped to its length.
  NormalizedString slice(size_t begin, size_t end) const;

  /// Rewrites the whole text; the first `removedAtStart` characters vanish before `changes` apply.
  void transform(const std::vector<CharChange> &changes, size_t removedAtStart);
  void prepend(std::string_view s);
  void filter(const std::function<bool(char32_t)> &keep);
  void map(const std::function<char32_t(char32_t)> &to);
  void lowerCase();
  void strip(bool left, bool right);
  /// Replaces the matching spans by `content`.
  void replace(const std::vector<MatchSpan> &spans, std::string_view content);

  /// Cuts at `spans` (which cover the text) as `behavior` says. Empty pieces are left out.
  void split(std::vector<MatchSpan> spans, SplitBehavior behavior,
             std::vector<NormalizedString> &out) const;

private:
  NormalizedString() = default;
  void transformRange(size_t begin, size_t end, const std::vector<CharChange> &changes,
                      size_t removedAtStart);
  ByteSpan alignmentBefore(size_t index) const;

  std::string text_;
  std::vector<ByteSpan> alignments_; ///< One for each byte of text_.
  uint32_t originalBegin_ = 0, originalEnd_ = 0;
};

/// Spans of `text` where `matches` holds for the character, one span a matching character.
void charSpans(std::string_view text, const std::function<bool(char32_t)> &matches,
               std::vector<MatchSpan> &out);

} // namespace plexus::text
