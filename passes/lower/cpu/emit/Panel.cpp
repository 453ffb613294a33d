// Generates the decoding of a quantized weight's blocks to a plain form that oneDNN reads.
#include "passes/lower/cpu/emit/Panel.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Pairs.h"
#include "passes/lower/cpu/emit/QuantBlock.h"

using namespace mlir;

namespace plexus::emit {

PanelRows::PanelRows(Code code, bool pairs, Value panel, int64_t depth)
    : code(code), pairs(pairs),
      rows(code.view(panel, code.index(0), depth * kPackedColumns,
                     pairs ? Type(code.builder.getBF16Type()) : Type(code.builder.getF32Type()))) {}

void PanelRows::store(Value k, Value column, Value value) {
  if (!pairs) {
    code.storeVector(value, rows, {code.add(code.mul(k, kPackedColumns), column)});
    return;
  }
  if (!even) {
    even = value;
    evenK = k;
    return;
  }
  Value both = roundToPairs(code, even, value);
  // [k / 2][64][2]
  code.storeVector(both, rows, {code.add(code.mul(evenK, kPackedColumns), code.mul(column, 2))});
  even = {};
}

void emitPanel(OpBuilder &builder, Location loc, const Isa &isa, const PanelSpec &spec,
               Value weight, Value first, Value count, Value panel) {
  assert(spec.fits());
  Code code{builder, loc};
  int64_t lanes = isa.lanes();
  QuantBlock reader(code, spec.form, spec.k, weight, lanes);
  PanelRows rows(code, spec.pairs, panel, spec.blocks * spec.k);
  int64_t group = spec.form.group ? spec.form.group : spec.k;
  Value units = code.index(group / reader.unit());
  code.parallel(count, [&](Value block) {
    Value origin = code.mul(block, spec.k);
    code.loop(0, spec.k / group, 1, [&](Value index) {
      QuantBlock::Record record = reader.record(code.add(first, block), index);
      Value begin = code.add(origin, code.mul(index, group));
      code.loop(0, kPackedColumns, lanes, [&](Value column) {
        reader.decode(record, code.index(0), units, column, [&](Value k, Value element) {
          rows.store(code.add(begin, k), column, element);
        });
      });
    });
  });
}

} // namespace plexus::emit
