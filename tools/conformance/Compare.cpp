// Element by element, keeping the worst one for the message.
#include "tools/conformance/Compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace plexus::conformance {

void CaseResult::note(const std::string &what) {
  constexpr size_t kEnough = 2000;
  if (difference.size() < kEnough)
    difference += (difference.empty() ? "" : "; ") + what;
}

Expected<const TensorView *> needTensor(const TensorSource &source, const std::string &key) {
  if (const TensorView *view = source.find(key))
    return view;
  return error(Code::NotFound) << source.path() << ": no tensor \"" << key << "\"";
}

Expected<std::vector<float>> readFloats(const TensorSource &source, const std::string &key) {
  PLX_ASSIGN(const TensorView *view, needTensor(source, key));
  std::vector<float> out(static_cast<size_t>(view->elements()));
  PLX_RETURN_IF_ERROR(decodeElements(*view, 0, view->elements(), out.data()).at(key));
  return out;
}

Expected<std::vector<std::vector<int32_t>>> readRows(const TensorSource &source,
                                                     const std::string &key) {
  PLX_ASSIGN(const TensorView *view, needTensor(source, key));
  if (view->shape.empty() || view->shape.size() > 2)
    return error(Code::Corrupt) << key << " has shape " << shapeToString(view->shape)
                                << ", expected [batch, length]";
  PLX_ASSIGN(std::vector<float> values, readFloats(source, key));
  const size_t rows = view->shape.size() == 2 ? static_cast<size_t>(view->shape[0]) : 1;
  const size_t width = rows ? values.size() / rows : 0;
  std::vector<std::vector<int32_t>> out(rows);
  for (size_t r = 0; r < rows; ++r)
    for (size_t i = 0; i < width; ++i)
      out[r].push_back(static_cast<int32_t>(values[r * width + i]));
  return out;
}

/// Compares the tensors as a whole.
static void compareNorms(const std::string &what, std::span<const float> got,
                         std::span<const float> want, std::span<const float> mask, double bound,
                         CaseResult &result) {
  const size_t width = mask.empty() ? 1 : want.size() / mask.size();
  double off = 0, all = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if ((!mask.empty() && mask[i / width] == 0) || got[i] == want[i])
      continue;
    off += (double(got[i]) - want[i]) * (double(got[i]) - want[i]);
    all += double(want[i]) * want[i];
  }
  const double error = off == 0 ? 0 : std::sqrt(off / all);
  if (!(error <= result.largestError))
    result.largestError = error;
  char text[80];
  std::snprintf(text, sizeof text, ": relative error %.4g, allowed are %.4g", error, bound);
  if (!(error <= bound))
    result.note(what + text);
}

void compareFloats(const std::string &what, std::span<const float> got, std::span<const float> want,
                   std::span<const float> mask, const Tolerance &tolerance, CaseResult &result) {
  if (got.size() != want.size())
    return result.note(what + ": " + std::to_string(got.size()) + " numbers, expected " +
                       std::to_string(want.size()));
  if (!mask.empty() && want.size() % mask.size() != 0)
    return result.note(what + ": its mask has " + std::to_string(mask.size()) + " entries for " +
                       std::to_string(want.size()) + " numbers");
  if (tolerance.norm > 0)
    return compareNorms(what, got, want, mask, tolerance.norm, result);
  const size_t width = mask.empty() ? 1 : want.size() / mask.size();
  size_t wrong = 0, worst = 0;
  double worstExcess = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (!mask.empty() && mask[i / width] == 0)
      continue;
    if (got[i] == want[i]) // Infinities of one sign, too.
      continue;
    const double off = std::fabs(double(got[i]) - want[i]);
    const double excess = off - (tolerance.absolute + tolerance.relative * std::fabs(want[i]));
    if (!(off <= result.largestError))
      result.largestError = off;
    if (excess <= 0)
      continue;
    if (!wrong++ || !(excess <= worstExcess)) {
      worst = i;
      worstExcess = excess;
    }
  }
  if (!wrong)
    return;
  char text[160];
  std::snprintf(text, sizeof text, ": %zu of %zu numbers differ, most [%zu]: %.7g, expected %.7g",
                wrong, want.size(), worst, got[worst], want[worst]);
  result.note(what + text);
}

static std::string listText(std::span<const int32_t> ids) {
  std::string text;
  for (int32_t id : ids)
    text += (text.empty() ? "" : ",") + std::to_string(id);
  return "[" + text + "]";
}

void compareIds(const std::string &what, std::span<const int32_t> got,
                std::span<const int32_t> want, CaseResult &result) {
  if (!std::equal(got.begin(), got.end(), want.begin(), want.end()))
    result.note(what + ": " + listText(got) + ", expected " + listText(want));
}

} // namespace plexus::conformance
