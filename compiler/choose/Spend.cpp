// Greedy steps over convex hulls.
#include "compiler/choose/Spend.h"

#include <algorithm>

namespace plexus::compiler {
namespace {

size_t smallest(const std::vector<FormCost> &forms) {
  return static_cast<size_t>(std::min_element(forms.begin(), forms.end(),
                                              [](const FormCost &a, const FormCost &b) {
                                                return a.bytes != b.bytes ? a.bytes < b.bytes
                                                                          : a.error < b.error;
                                              }) -
                             forms.begin());
}

struct Step {
  size_t item = 0, form = 0;
  double gain = 0; ///< Error taken away for a byte; 0: there is no step.
};

/// The best step of any item that costs at most `left` bytes more.
Step bestStep(const std::vector<std::vector<FormCost>> &items, const std::vector<size_t> &at,
              uint64_t left) {
  Step best;
  for (size_t i = 0; i < items.size(); ++i) {
    const FormCost &now = items[i][at[i]];
    for (size_t f = 0; f < items[i].size(); ++f) {
      const FormCost &next = items[i][f];
      if (next.error >= now.error || next.bytes > now.bytes + left)
        continue;
      // A form of the same size or a smaller one that is better costs nothing.
      double more = next.bytes > now.bytes ? static_cast<double>(next.bytes - now.bytes) : 0.5;
      double gain = (now.error - next.error) / more;
      if (gain > best.gain)
        best = {i, f, gain};
    }
  }
  return best;
}

} // namespace

// From a point of a convex hull, the step of the largest gain is the one to the hull's next point:
// no hull has to be built.
std::optional<std::vector<size_t>> spend(const std::vector<std::vector<FormCost>> &items,
                                         uint64_t budget) {
  std::vector<size_t> at;
  uint64_t spent = 0;
  for (const auto &forms : items) {
    at.push_back(smallest(forms));
    spent += forms[at.back()].bytes;
  }
  if (spent > budget)
    return std::nullopt;
  for (Step step = bestStep(items, at, budget - spent); step.gain > 0;
       step = bestStep(items, at, budget - spent)) {
    spent += items[step.item][step.form].bytes - items[step.item][at[step.item]].bytes;
    at[step.item] = step.form;
  }
  return at;
}

} // namespace plexus::compiler
