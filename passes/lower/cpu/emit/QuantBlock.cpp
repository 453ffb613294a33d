// Generates reads of a quantized weight's blocks: headers, values as bytes, elements as f32.
#include "passes/lower/cpu/emit/QuantBlock.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

namespace {

/// How a small float becomes f16: its sign and magnitude move, and what that divides it by.
struct SmallFloat {
  int64_t signBit, signShift, magnitudeShift;
  double factor;
};

/// For F8E4M3, F8E5M2, F4: exponents of 4, 5 and 2 bits lie where f16's low ones do.
SmallFloat smallFloat(PackedValues values) {
  if (values == PackedValues::F8E4M3)
    return {0x80, 8, 7, 256};
  if (values == PackedValues::F8E5M2)
    return {0x80, 8, 8, 1};
  return {8, 12, 9, 16384};
}

} // namespace

QuantBlock::QuantBlock(Code code, const PackedForm &form, int64_t k, Value bytes, int64_t lanes)
    : code(code), form(form), info(form.info()), place(form, k), depth(k), bytes(bytes),
      lanes(lanes) {}

QuantBlock::Record QuantBlock::record(Value block, Value index) const {
  Value base = code.mul(block, place.blockBytes);
  Value offset = code.mul(index, place.recordBytes);
  Record record;
  if (place.superGroups) {
    Value superblock = code.div(index, place.superGroups);
    int64_t stride = place.superBytes + place.superGroups * place.recordBytes;
    record.super = code.add(base, code.mul(superblock, stride));
    offset = code.add(offset, code.mul(code.add(superblock, 1), place.superBytes));
  }
  record.header = code.add(base, offset);
  record.values = code.add(record.header, place.headerBytes);
  return record;
}

/// `lanes` elements at a byte offset.
Value QuantBlock::load(Value offset, Type element) const {
  int64_t size = element.getIntOrFloatBitWidth() / 8;
  Value raw =
      code.loadVector(code.vectorType(lanes * size, code.builder.getI8Type()), bytes, {offset});
  return size == 1 ? raw
                   : code.make<vector::BitCastOp>(code.vectorType(lanes, element), raw).getResult();
}

Value QuantBlock::half(Value header, Value column, int64_t offset) const {
  Value at = code.add(code.add(header, code.mul(column, 2)), offset);
  return code.make<arith::ExtFOp>(code.floats(lanes), load(at, code.builder.getF16Type()));
}

/// A signed byte of a record in a superblock.
Value QuantBlock::multiplier(Value header, Value column, int64_t offset) const {
  Value byte = load(code.add(code.add(header, column), offset), code.builder.getI8Type());
  Value wide = code.make<arith::ExtSIOp>(code.vectorType(lanes, code.builder.getI32Type()), byte);
  return code.make<arith::SIToFPOp>(code.floats(lanes), wide);
}

QuantBlock::Header QuantBlock::header(const Record &record, Value column) const {
  auto read = [&](int64_t zeros) -> Value {
    if (!record.super)
      return half(record.header, column, zeros * place.zerosOffset);
    return code.make<arith::MulFOp>(half(record.super, column, zeros * 2 * kPackedColumns),
                                    multiplier(record.header, column, zeros * place.zerosOffset));
  };
  return {read(0), form.zeros == PackedZeros::None ? Value() : read(1)};
}

QuantBlock::Header QuantBlock::addends(Header header) const {
  if (!form.isInteger()) {
    double factor = smallFloat(form.values).factor;
    header.scale =
        code.make<arith::MulFOp>(header.scale, code.constant(code.floats(lanes), factor));
    return header;
  }
  if (form.zeros == PackedZeros::Min)
    return header;
  // d (v - z) = d v + -d z; the product is exact: z is a small integer.
  if (form.zeros == PackedZeros::Point)
    header.zero = code.make<arith::NegFOp>(code.make<arith::MulFOp>(header.scale, header.zero));
  else if (info.center)
    header.zero =
        code.make<arith::MulFOp>(header.scale, code.constant(code.floats(lanes), -info.center));
  return header;
}

/// (quads >> shift) & mask, where the mask is repeated in each byte.
Value QuantBlock::bits(Value quads, int64_t shift, int64_t mask) const {
  Type type = quads.getType();
  if (shift)
    quads = code.make<arith::ShRUIOp>(quads, code.constant(type, static_cast<double>(shift)));
  return code.make<arith::AndIOp>(
      quads, code.constant(type, static_cast<double>(mask * int64_t(0x01010101))));
}

Code::Values QuantBlock::quads(Value offset, Value column) const {
  Type i32 = code.builder.getI32Type();
  constexpr int64_t kPlane = 4 * kPackedColumns; // bytes of one plane
  Value at = code.add(offset, code.mul(column, 4));
  if (info.bits == 8)
    return {load(at, i32)};
  Code::Values quads;
  int64_t lowPlanes = info.unit / 8, width = info.highBits;
  Value high = width ? load(code.add(at, lowPlanes * kPlane), i32) : Value();
  for (int64_t plane = 0; plane < lowPlanes; ++plane) {
    Value low = load(code.add(at, plane * kPlane), i32);
    for (int64_t part : {0, 1}) {
      Value quad = bits(low, 4 * part, 15);
      if (high) {
        Value upper = bits(high, width * (2 * plane + part), (1 << width) - 1);
        Value four = code.constant(upper.getType(), 4);
        quad = code.make<arith::OrIOp>(quad, code.make<arith::ShLIOp>(upper, four));
      }
      quads.push_back(quad);
    }
  }
  return quads;
}

/// The value in byte `part` of each lane.
Value QuantBlock::floating(Value quad, int64_t part) const {
  Type type = quad.getType();
  auto shift = [&](int64_t by) { return code.constant(type, static_cast<double>(by)); };
  if (form.values == PackedValues::Q8) {
    if (part < 3)
      quad = code.make<arith::ShLIOp>(quad, shift(24 - 8 * part));
    quad = code.make<arith::ShRSIOp>(quad, shift(24));
  } else {
    if (part > 0)
      quad = code.make<arith::ShRUIOp>(quad, shift(8 * part));
    if (part < 3)
      quad = code.make<arith::AndIOp>(quad, shift(255));
  }
  if (form.isInteger())
    return code.make<arith::SIToFPOp>(code.floats(lanes), quad);
  SmallFloat small = smallFloat(form.values);
  Value sign = code.make<arith::AndIOp>(quad, shift(small.signBit));
  Value magnitude = code.make<arith::AndIOp>(quad, shift(small.signBit - 1));
  sign = code.make<arith::ShLIOp>(sign, shift(small.signShift));
  magnitude = code.make<arith::ShLIOp>(magnitude, shift(small.magnitudeShift));
  Value half = code.make<arith::TruncIOp>(code.vectorType(lanes, code.builder.getI16Type()),
                                          code.make<arith::OrIOp>(sign, magnitude));
  half = code.make<arith::BitcastOp>(code.vectorType(lanes, code.builder.getF16Type()), half);
  return code.make<arith::ExtFOp>(code.floats(lanes), half);
}

Value QuantBlock::element(Value quad, int64_t part, const Header &header) const {
  Value value = floating(quad, part);
  return header.zero ? code.fma(value, header.scale, header.zero)
                     : code.make<arith::MulFOp>(value, header.scale).getResult();
}

/// The first `count` elements of a unit; k is counted from the unit's own first.
void QuantBlock::decodeUnit(const Record &record, Value unit, Value column, const Header &header,
                            int64_t count, Store store) const {
  Value offset = code.add(record.values, code.mul(unit, place.unitBytes));
  for (auto [q, quad] : llvm::enumerate(quads(offset, column)))
    for (int64_t part = 0; part < 4; ++part) {
      int64_t k = static_cast<int64_t>(q) * 4 + part;
      if (k < count)
        store(code.index(k), element(quad, part, header));
    }
}

void QuantBlock::decode(const Record &record, Value first, Value units, Value column,
                        Store store) const {
  Header header = addends(this->header(record, column));
  code.loop(code.index(0), units, 1, [&](Value unit) {
    Value origin = code.mul(unit, info.unit);
    decodeUnit(record, code.add(first, unit), column, header, info.unit,
               [&](Value k, Value element) { store(code.add(origin, k), element); });
  });
}

void QuantBlock::decodeRow(Value row, Store store) const {
  assert(lanes == 1);
  Value block = code.div(row, kPackedColumns), column = code.rem(row, kPackedColumns);
  int64_t whole = depth / place.group, units = depth % place.group / info.unit;
  auto from = [&](Value origin) {
    return [&store, this, origin](Value k, Value element) { store(code.add(origin, k), element); };
  };
  code.loop(0, whole, 1, [&](Value index) {
    decode(record(block, index), code.index(0), code.index(place.group / info.unit), column,
           from(code.mul(index, place.group)));
  });
  if (depth % place.group == 0)
    return;
  Record last = record(block, code.index(whole));
  decode(last, code.index(0), code.index(units), column, from(code.index(whole * place.group)));
  Value origin = code.index(whole * place.group + units * info.unit);
  decodeUnit(last, code.index(units), column, addends(header(last, column)), depth % info.unit,
             from(origin));
}

} // namespace plexus::emit
