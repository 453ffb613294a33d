// Splits at blanks; the first letter of a word says what its number counts.
#include "runtime/profile/OpText.h"

#include <algorithm>
#include <charconv>

namespace plexus {
namespace {

/// The number at the front of `text`, which is cut off.
bool takeNumber(std::string_view &text, int64_t &number) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || number < 0)
    return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool readCount(std::string_view word, std::array<int64_t, 4> &counts) {
  const size_t rows = std::string_view("1TSR").find(word.empty() ? ' ' : word.front());
  if (rows == std::string_view::npos)
    return false;
  word.remove_prefix(1);
  int64_t number = 0;
  if (!takeNumber(word, number) || !word.empty())
    return false;
  counts[rows] += number;
  return true;
}

bool readWord(std::string_view word, OpText &out) {
  const char kind = word.front();
  word.remove_prefix(1);
  int64_t number = 0, heads = 0;
  switch (kind) {
  case 'b':
    return readCount(word, out.bytes);
  case 'm':
    return readCount(word, out.multiplies);
  case 'w':
    out.weights.push_back(0);
    return takeNumber(word, number) && word.empty() &&
           (out.weights.back() = static_cast<int>(number)) == number;
  case 'a':
    if (!takeNumber(word, number) || word.empty() || word.front() != ':')
      return false;
    word.remove_prefix(1);
    out.attends.emplace_back(static_cast<int>(number), 0);
    return takeNumber(word, heads) && word.empty() && ((out.attends.back().second = heads), true);
  default:
    return false;
  }
}

} // namespace

Expected<OpText> OpText::parse(std::string_view text) {
  OpText out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty())
      return error(Code::Corrupt) << "the text of an op has an empty word: '" << text << "'";
    if (out.name.empty())
      out.name = word;
    else if (!readWord(word, out))
      return error(Code::Corrupt) << "the text of an op has the word '" << word << "'";
  }
  return out;
}

} // namespace plexus
