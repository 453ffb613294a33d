#include "runtime/io/TensorSource.h"

#include "runtime/io/BlockParts.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace plexus {
namespace {

/// Largest block of any format, in elements: room for one decoded block on the stack.
constexpr int64_t maxBlockElements = 256;

/// Elements [first, first + count) of one block.
void decodePartOfBlock(const BlockFormat &format, const uint8_t *block, int64_t first,
                       int64_t count, float *out) {
  std::array<float, maxBlockElements> decoded;
  format.decode(block, 1, decoded.data());
  std::memcpy(out, decoded.data() + first, static_cast<size_t>(count) * sizeof(float));
}

void decodeBlocks(const TensorView &view, int64_t first, int64_t count, float *out) {
  const BlockFormat &format = *view.block;
  int64_t inBlock = first % format.elements;
  const uint8_t *block = view.bytes + static_cast<size_t>(first / format.elements) * format.bytes;
  if (inBlock != 0) {
    int64_t head = std::min(count, format.elements - inBlock);
    decodePartOfBlock(format, block, inBlock, head, out);
    block += format.bytes;
    out += head;
    count -= head;
  }
  int64_t whole = count / format.elements;
  format.decode(block, whole, out);
  if (int64_t tail = count - whole * format.elements; tail != 0)
    decodePartOfBlock(format, block + static_cast<size_t>(whole) * format.bytes, 0, tail,
                      out + whole * format.elements);
}

/// Elements in the order in which they are stored.
void decodeStored(const TensorView &view, int64_t first, int64_t count, float *out) {
  if (view.block)
    decodeBlocks(view, first, count, out);
  else
    toF32(view.dtype, view.bytes + static_cast<size_t>(first) * dtypeSize(view.dtype), count, out);
}

/// What an element of an integer form is worth: see PackedForm.h.
float valueOf(const PackedForm &form, uint8_t stored, uint16_t scaleBits, uint16_t zeroBits) {
  float scale, zero;
  toF32(DType::F16, &scaleBits, 1, &scale);
  toF32(DType::F16, &zeroBits, 1, &zero);
  float value = form.values == PackedValues::Q8 ? static_cast<float>(static_cast<int8_t>(stored))
                                                : static_cast<float>(stored);
  switch (form.zeros) {
  case PackedZeros::None:
    return scale * (value - static_cast<float>(form.info().center));
  case PackedZeros::Point:
    return scale * (value - zero);
  case PackedZeros::Min:
    break;
  }
  return scale * value + zero;
}

/// Group by group; a range may begin and end inside of one.
void decodeMatrix(const TensorView &view, int64_t first, int64_t count, float *out) {
  PackedForm form = view.matrix->form();
  int64_t depth = view.shape[1], group = form.group ? form.group : depth;
  std::vector<uint8_t> values(static_cast<size_t>(group));
  while (count > 0) {
    int64_t row = first / depth, column = first % depth, begin = column / group * group;
    int64_t size = std::min(group, depth - begin), part = std::min(count, begin + size - column);
    uint16_t scale = 0, zero = 0;
    view.matrix->read(row, begin, size, values.data(), &scale, &zero);
    for (int64_t i = 0; i < part; ++i)
      out[i] = valueOf(form, values[column - begin + i], scale, zero);
    first += part;
    out += part;
    count -= part;
  }
}

/// Each row as a whole, and what is asked for in the order of its columns.
void decodeOrdered(const TensorView &view, int64_t first, int64_t count, float *out) {
  int64_t depth = view.shape[1];
  std::vector<float> stored(static_cast<size_t>(depth)), row(stored.size());
  while (count > 0) {
    int64_t column = first % depth, part = std::min(count, depth - column);
    decodeMatrix(view, first - column, depth, stored.data());
    for (int64_t i = 0; i < depth; ++i)
      row[view.matrix->order()[i]] = stored[i];
    std::copy_n(row.begin() + column, part, out);
    first += part;
    out += part;
    count -= part;
  }
}

/// Row by row, from where each row is stored.
void decodeInterleaved(const TensorView &view, int64_t first, int64_t count, float *out) {
  const int64_t rowLength = view.elements() / view.shape[0];
  while (count > 0) {
    int64_t row = first / rowLength, column = first % rowLength;
    int64_t part = std::min(count, rowLength - column);
    decodeStored(view, view.storedRow(row) * rowLength + column, part, out);
    first += part;
    out += part;
    count -= part;
  }
}

} // namespace

std::optional<int64_t> checkedElements(const std::vector<int64_t> &shape, int64_t limit) {
  int64_t product = 1;
  bool isEmpty = false;
  for (int64_t dim : shape) {
    if (dim < 0 || dim > limit)
      return std::nullopt;
    isEmpty |= dim == 0;
    if (__builtin_mul_overflow(product, std::max<int64_t>(dim, 1), &product) || product > limit)
      return std::nullopt;
  }
  return isEmpty ? 0 : product;
}

std::string shapeToString(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (int64_t dim : shape)
    product *= dim;
  return product;
}

std::optional<PackedForm> TensorView::quantizedForm() const {
  if (matrix)
    return matrix->order() ? std::nullopt : std::optional(matrix->form());
  return block ? std::optional(packedFormOf(*block)) : std::nullopt;
}

int64_t TensorView::storedRow(int64_t row) const {
  if (interleavedRows == 0)
    return row;
  int64_t half = interleavedRows / 2, inGroup = row % interleavedRows;
  return row - inGroup + 2 * (inGroup % half) + inGroup / half;
}

void TensorView::drop(int64_t first, int64_t count) const {
  if (!file)
    return;
  auto byteOf = [this](int64_t element) {
    return block ? static_cast<size_t>(element / block->elements) * block->bytes
                 : static_cast<size_t>(element) * dtypeSize(dtype);
  };
  size_t begin = byteOf(first);
  file->dropRange(static_cast<size_t>(bytes - file->data()) + begin, byteOf(first + count) - begin);
}

Status decodeElements(const TensorView &view, int64_t first, int64_t count, float *out) {
  int64_t total = view.elements();
  if (first < 0 || count < 0 || first > total || count > total - first)
    return error(Code::InvalidArgument) << "elements " << first << " to " << first << "+" << count
                                        << " of a tensor that has " << total;
  if (count == 0)
    return Status::ok();
  if (view.matrix && view.matrix->order())
    decodeOrdered(view, first, count, out);
  else if (view.matrix)
    decodeMatrix(view, first, count, out);
  else if (view.interleavedRows)
    decodeInterleaved(view, first, count, out);
  else
    decodeStored(view, first, count, out);
  return Status::ok();
}

} // namespace plexus
