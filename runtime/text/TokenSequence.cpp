// Truncation in overlapping windows, concatenation and padding of token sequences.
#include "runtime/text/TokenSequence.h"

#include <algorithm>

namespace plexus::text {

namespace {
/// Windows [begin, end) over n tokens, the kept one first.
std::vector<std::pair<size_t, size_t>> windows(size_t n, size_t length, size_t step,
                                               TokenizerTruncation::Direction direction) {
  std::vector<std::pair<size_t, size_t>> out;
  if (direction == TokenizerTruncation::Direction::Right) {
    for (size_t begin = 0; begin < n; begin += step) {
      out.push_back({begin, std::min(begin + length, n)});
      if (out.back().second == n)
        break;
    }
    return out;
  }
  for (size_t end = n; end > 0; end = end > step ? end - step : 0) {
    out.push_back({end > length ? end - length : 0, end});
    if (out.back().first == 0)
      break;
  }
  return out;
}
} // namespace

Status TokenSequence::truncate(size_t maxLength, size_t stride,
                               TokenizerTruncation::Direction direction) {
  if (maxLength >= slots.size())
    return Status::ok();
  if (maxLength == 0) {
    TokenSequence all = std::move(*this);
    *this = {};
    overflowing.push_back(std::move(all));
    return Status::ok();
  }
  if (stride >= maxLength)
    return error(Code::InvalidArgument)
           << "truncation: stride " << stride << " must be less than the " << maxLength
           << " tokens left beside special tokens";
  std::vector<TokenSlot> all = std::move(slots);
  *this = {};
  bool first = true;
  for (auto [begin, end] : windows(all.size(), maxLength, maxLength - stride, direction)) {
    std::vector<TokenSlot> part(all.begin() + ptrdiff_t(begin), all.begin() + ptrdiff_t(end));
    if (std::exchange(first, false))
      slots = std::move(part);
    else
      overflowing.push_back({std::move(part), {}});
  }
  return Status::ok();
}

void TokenSequence::append(const TokenSequence &other) {
  std::vector<TokenSequence> combined;
  auto combine = [&](const TokenSequence &left, const TokenSequence &right) {
    combined.push_back({left.slots, {}});
    combined.back().slots.insert(combined.back().slots.end(), right.slots.begin(),
                                 right.slots.end());
  };
  for (const TokenSequence &mine : overflowing) {
    combine(mine, other);
    for (const TokenSequence &its : other.overflowing)
      combine(mine, its);
  }
  for (const TokenSequence &its : other.overflowing)
    combine(*this, its);
  slots.insert(slots.end(), other.slots.begin(), other.slots.end());
  overflowing = std::move(combined);
}

void TokenSequence::pad(size_t length, const TokenizerPadding &padding) {
  for (TokenSequence &part : overflowing)
    part.pad(length, padding);
  if (slots.size() >= length)
    return;
  TokenSlot fill;
  fill.id = padding.padId;
  fill.typeId = padding.padTypeId;
  fill.special = true;
  fill.attended = false;
  auto at = padding.direction == TokenizerPadding::Direction::Left ? slots.begin() : slots.end();
  slots.insert(at, length - slots.size(), fill);
}

void TokenSequence::setTypeIds(uint32_t typeId) {
  for (TokenSlot &slot : slots)
    slot.typeId = typeId;
}

namespace {
/// How many tokens of each sequence "longest first" keeps: the shorter one whole if the longer can
/// give enough, else half each.
std::pair<size_t, size_t> longestFirst(size_t first, size_t second, size_t maxLength) {
  size_t shorter = std::min(first, second);
  size_t longer = shorter > maxLength ? shorter : std::max(shorter, maxLength - shorter);
  if (shorter + longer > maxLength) {
    shorter = maxLength / 2;
    longer = shorter + maxLength % 2;
  }
  return first > second ? std::pair(longer, shorter) : std::pair(shorter, longer);
}
} // namespace

Status truncatePair(TokenSequence &first, TokenSequence *pair, const TokenizerTruncation &s) {
  size_t total = first.slots.size() + (pair ? pair->slots.size() : 0);
  if (s.maxLength > 0 && total <= s.maxLength)
    return Status::ok();
  size_t excess = total - std::min(total, s.maxLength);
  if (s.maxLength == 0 || (s.strategy == TokenizerTruncation::Strategy::LongestFirst && !pair)) {
    PLX_RETURN_IF_ERROR(first.truncate(s.maxLength, s.stride, s.direction));
    return pair ? pair->truncate(s.maxLength, s.stride, s.direction) : Status::ok();
  }
  if (s.strategy == TokenizerTruncation::Strategy::LongestFirst) {
    auto [a, b] = longestFirst(first.slots.size(), pair->slots.size(), s.maxLength);
    PLX_RETURN_IF_ERROR(first.truncate(a, s.stride, s.direction));
    return pair->truncate(b, s.stride, s.direction);
  }
  bool onlyFirst = s.strategy == TokenizerTruncation::Strategy::OnlyFirst;
  TokenSequence *target = onlyFirst ? &first : pair;
  if (!target)
    return error(Code::InvalidArgument) << "truncation: only_second needs a second sequence";
  if (target->slots.size() <= excess)
    return error(Code::InvalidArgument)
           << "truncation: the sequence to cut has " << target->slots.size() << " tokens, but "
           << excess << " must go to reach " << s.maxLength;
  return target->truncate(target->slots.size() - excess, s.stride, s.direction);
}

void padAll(std::vector<TokenSequence> &batch, const TokenizerPadding &padding) {
  size_t length = padding.fixedLength.value_or(0);
  if (!padding.fixedLength)
    for (const TokenSequence &s : batch)
      length = std::max(length, s.slots.size());
  if (size_t m = padding.multipleOf.value_or(0); m > 0 && length % m != 0)
    length += m - length % m;
  for (TokenSequence &s : batch)
    s.pad(length, padding);
}

} // namespace plexus::text
