// Sums, boxes, row norms and products over named axes of weights.
#include "compiler/pack/RecipeArithmetic.h"

#include "runtime/io/Spectrum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace plexus::compiler {
namespace {

using Shape = std::vector<int64_t>;
using Parts = std::vector<std::vector<float>>;

int64_t product(const Shape &shape, size_t begin, size_t end) {
  return std::accumulate(shape.begin() + begin, shape.begin() + end, int64_t(1),
                         std::multiplies<>());
}

/// "ik,kj->ij" taken apart.
struct Equation {
  std::vector<std::string> inputs;
  std::string result;
};

Equation readEquation(const std::string &text) {
  Equation equation;
  size_t arrow = text.find("->");
  std::string inputs = text.substr(0, arrow);
  equation.result = text.substr(arrow + 2);
  for (size_t begin = 0; begin <= inputs.size();) {
    size_t comma = std::min(inputs.find(',', begin), inputs.size());
    equation.inputs.push_back(inputs.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return equation;
}

/// Sizes by letter; false where parts disagree.
bool readSizes(const Recipe &r, const Equation &equation, std::array<int64_t, 128> &sizes) {
  sizes.fill(0);
  if (equation.inputs.size() != r.parts.size())
    return false;
  for (size_t p = 0; p < r.parts.size(); ++p) {
    const std::string &axes = equation.inputs[p];
    if (axes.size() != r.parts[p].shape.size())
      return false;
    for (size_t i = 0; i < axes.size(); ++i) {
      int64_t &size = sizes[static_cast<unsigned char>(axes[i]) & 127];
      if (size != 0 && size != r.parts[p].shape[i])
        return false;
      size = r.parts[p].shape[i];
    }
  }
  return true;
}

/// Elements between neighbours along `axis` in a tensor whose axes are `axes`; 0 where it is
/// absent, the sum where it is there twice (a diagonal).
int64_t stepOf(const std::string &axes, const Shape &shape, char axis) {
  int64_t step = 0;
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] == axis)
      step += product(shape, i + 1, shape.size());
  return step;
}

std::vector<float> einsum(const Recipe &r, const Parts &parts) {
  Equation equation = readEquation(r.name);
  std::array<int64_t, 128> sizes;
  readSizes(r, equation, sizes);
  std::string letters = equation.result; // the result's axes, then those that are summed over
  for (const std::string &axes : equation.inputs)
    for (char axis : axes)
      if (letters.find(axis) == std::string::npos)
        letters += axis;
  std::vector<int64_t> count, index(letters.size(), 0);
  std::vector<std::vector<int64_t>> steps(parts.size()); // [part][letter]
  for (char axis : letters) {
    count.push_back(sizes[static_cast<unsigned char>(axis) & 127]);
    for (size_t p = 0; p < parts.size(); ++p)
      steps[p].push_back(stepOf(equation.inputs[p], r.parts[p].shape, axis));
  }
  int64_t outer = product(r.shape, 0, r.shape.size());
  int64_t inner = product(count, equation.result.size(), count.size());
  std::vector<int64_t> at(parts.size(), 0);
  std::vector<float> value(static_cast<size_t>(outer));
  for (int64_t o = 0; o < outer; ++o) {
    double sum = 0;
    for (int64_t i = 0; i < inner; ++i) {
      double term = 1;
      for (size_t p = 0; p < parts.size(); ++p)
        term *= parts[p][at[p]];
      sum += term;
      for (size_t l = letters.size(); l-- > 0;) { // the next index, last letter fastest
        bool wraps = ++index[l] == count[l];
        for (size_t p = 0; p < parts.size(); ++p)
          at[p] += wraps ? -steps[p][l] * (count[l] - 1) : steps[p][l];
        if (!wraps)
          break;
        index[l] = 0;
      }
    }
    value[o] = static_cast<float>(sum);
  }
  return value;
}

std::vector<float> sum(const Recipe &r, const Parts &parts) {
  std::vector<float> value(static_cast<size_t>(product(r.shape, 0, r.shape.size())));
  for (size_t i = 0; i < value.size(); ++i) {
    double total = 0;
    for (const std::vector<float> &part : parts)
      total += part[i];
    value[i] = static_cast<float>(total);
  }
  return value;
}

std::vector<float> box(const Recipe &r, const std::vector<float> &part) {
  int64_t inner = product(r.shape, r.axis + 1, r.shape.size());
  int64_t to = r.shape[r.axis], from = r.parts[0].shape[r.axis];
  std::vector<float> value(static_cast<size_t>(product(r.shape, 0, r.shape.size())));
  for (int64_t i = 0; i < static_cast<int64_t>(value.size()); ++i) {
    int64_t outer = i / (to * inner), j = i / inner % to;
    double total = 0;
    for (int64_t k = std::max<int64_t>(0, j - r.size + 1); k <= std::min(j, from - 1); ++k)
      total += part[(outer * from + k) * inner + i % inner];
    value[i] = static_cast<float>(total);
  }
  return value;
}

std::vector<float> renorm(const Recipe &r, std::vector<float> value) {
  int64_t row = product(r.shape, 1, r.shape.size());
  for (int64_t begin = 0; begin < static_cast<int64_t>(value.size()); begin += row) {
    double squares = 0;
    for (int64_t i = 0; i < row; ++i)
      squares += double(value[begin + i]) * value[begin + i];
    double norm = std::sqrt(squares);
    if (norm <= r.number)
      continue;
    for (int64_t i = 0; i < row; ++i)
      value[begin + i] = static_cast<float>(value[begin + i] * (r.number / norm));
  }
  return value;
}

std::vector<float> spectrum(const Recipe &r, const std::vector<float> &part) {
  const int64_t taps = r.parts[0].shape.back(), bins = r.size / 2;
  std::vector<double> cosines(static_cast<size_t>(bins * taps)), sines(cosines.size());
  for (int64_t i = 0; i < bins * taps; ++i) {
    double angle = spectrumRoot(bins, i / taps) * static_cast<double>(i % taps);
    cosines[i] = std::cos(angle) / static_cast<double>(bins);
    sines[i] = std::sin(angle) / static_cast<double>(bins);
  }
  std::vector<float> value(static_cast<size_t>(product(r.shape, 0, r.shape.size())));
  for (int64_t i = 0; i < static_cast<int64_t>(value.size()) / r.size * bins; ++i) {
    const float *row = &part[i / bins * taps];
    double real = 0, imag = 0;
    for (int64_t k = 0; k < taps; ++k) {
      real += row[k] * cosines[i % bins * taps + k];
      imag -= row[k] * sines[i % bins * taps + k];
    }
    float *to = &value[i / bins * r.size + i % bins];
    to[0] = static_cast<float>(real);
    to[bins] = static_cast<float>(imag);
  }
  return value;
}

/// Indices outside of the columns are taken as the nearest one, as plx.reorder does.
std::vector<float> unsort(const std::vector<float> &order, const std::vector<float> &stored) {
  size_t columns = order.size();
  std::vector<float> value(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    float column = std::clamp(order[i % columns], 0.0f, static_cast<float>(columns - 1));
    value[i - i % columns + static_cast<size_t>(column)] = stored[i];
  }
  return value;
}

} // namespace

Status inferSum(Recipe &r) {
  r.shape = r.parts[0].shape;
  for (const Recipe &part : r.parts)
    if (part.shape != r.shape)
      return error(Code::Mismatch) << "parts of shapes " << shapeToString(r.shape) << " and "
                                   << shapeToString(part.shape) << " cannot be summed";
  return Status::ok();
}

Status inferBox(Recipe &r) {
  r.shape = r.parts[0].shape;
  if (r.axis < 0 || static_cast<size_t>(r.axis) >= r.shape.size() || r.size < 1)
    return error(Code::Mismatch) << "box of " << r.size << " along axis " << r.axis
                                 << " of a tensor of shape " << shapeToString(r.shape);
  r.shape[r.axis] += r.size - 1;
  return Status::ok();
}

Status inferRenorm(Recipe &r) {
  r.shape = r.parts[0].shape;
  if (r.shape.empty())
    return error(Code::Mismatch) << "a scalar has no rows to norm";
  return Status::ok();
}

Status inferSpectrum(Recipe &r) {
  r.shape = r.parts[0].shape;
  if (r.shape.empty() || r.shape.back() > r.size || r.size < 2 || (r.size & (r.size - 1)))
    return error(Code::Mismatch) << "spectrum of " << r.size << " points of a tensor of shape "
                                 << shapeToString(r.shape);
  r.shape.back() = r.size;
  return Status::ok();
}

Status inferEinsum(Recipe &r) {
  Equation equation = readEquation(r.name);
  std::array<int64_t, 128> sizes;
  if (!readSizes(r, equation, sizes)) {
    std::string shapes;
    for (const Recipe &part : r.parts)
      shapes += (shapes.empty() ? "" : ", ") + shapeToString(part.shape);
    return error(Code::Mismatch) << "einsum " << r.name << " does not fit shapes " << shapes;
  }
  for (char axis : equation.result) {
    r.shape.push_back(sizes[static_cast<unsigned char>(axis) & 127]);
    if (r.shape.back() == 0)
      return error(Code::Mismatch)
             << "einsum " << r.name << " has no part with the axis '" << axis << "'";
  }
  return Status::ok();
}

Status inferUnsort(Recipe &r) {
  if (r.parts.size() != 2 || r.parts[1].shape.size() != 2 ||
      r.parts[0].shape != Shape{r.parts[1].shape[1]} || r.parts[1].shape[1] == 0)
    return error(Code::Mismatch)
           << "an order of columns needs one index for each column of a matrix";
  r.shape = r.parts[1].shape;
  return Status::ok();
}

std::vector<float> wholeValue(const Recipe &r, const Parts &parts) {
  switch (r.kind) {
  case Recipe::Kind::Sum:
    return sum(r, parts);
  case Recipe::Kind::Box:
    return box(r, parts[0]);
  case Recipe::Kind::Renorm:
    return renorm(r, parts[0]);
  case Recipe::Kind::Spectrum:
    return spectrum(r, parts[0]);
  case Recipe::Kind::Unsort:
    return unsort(parts[0], parts[1]);
  default:
    return einsum(r, parts);
  }
}

} // namespace plexus::compiler
