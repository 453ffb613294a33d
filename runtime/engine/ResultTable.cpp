#include "runtime/engine/ResultTable.h"

#include "runtime/plugins/Structs.h"

#include <algorithm>

namespace plexus {
namespace {

// A row handle: the result's id, the want, the row. Ids start at 1, so that 0 is no row.
constexpr int rowBits = 24, wantBits = 8;

plx_row rowHandle(plx_result_id result, size_t want) {
  return result << (rowBits + wantBits) | want << rowBits;
}

} // namespace

void ResultTable::release(Wire &wire) {
  if (wire.current || wire.holds > 0)
    return;
  wire.outcome = {};
  free_.push_back(&wire);
}

void ResultTable::clear() {
  for (Wire *wire : current_) {
    wire->current = false;
    release(*wire);
  }
  current_.clear();
  pointers_.clear();
}

void ResultTable::add(ForwardOutcome outcome, std::span<const Want> wants) {
  if (free_.empty()) {
    wires_.push_back(std::make_unique<Wire>());
    free_.push_back(wires_.back().get());
  }
  Wire &wire = *free_.back();
  free_.pop_back();
  wire.current = true;
  wire.outcome = std::move(outcome);
  wire.outputs.clear();
  wire.outputPointers.clear();
  const plx_result_id id = nextId_++ & 0xffffffff;
  nextId_ += nextId_ == (plx_result_id(1) << 32); // 0 is no result, after wrapping too
  const size_t count = wire.outcome.status ? std::min(wire.outcome.result.size(), wants.size()) : 0;
  wire.outputs.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Wanted &wanted = wire.outcome.result[i];
    plx_output &output = wire.outputs.emplace_back();
    output = {};
    output.struct_size = sizeof(output);
    output.rows = wanted.rows;
    output.width = wanted.width;
    output.values = wanted.data ? wanted.data : wanted.values;
    output.ids = wanted.ids;
    output.log_sum_exp = wanted.logSumExp;
    if (wants[i].source == Source::Logits && wants[i].reduce != Reduce::LogProbs)
      output.first = rowHandle(id, i);
    wire.outputPointers.push_back(&output);
  }
  plx_result &result = wire.result;
  result = {};
  result.struct_size = sizeof(result);
  result.status = static_cast<plx_status>(wire.outcome.status.code());
  result.message = toStr(wire.outcome.status.message());
  result.id = id;
  result.outputs = wire.outputPointers.data();
  result.output_count = wire.outputPointers.size();
  current_.push_back(&wire);
  pointers_.push_back(&result);
}

ResultTable::Wire *ResultTable::find(plx_result_id id) const {
  for (Wire *wire : current_)
    if (wire->result.id == id)
      return wire;
  for (const auto &wire : wires_)
    if (wire->holds > 0 && wire->result.id == id)
      return wire.get();
  return nullptr;
}

Expected<RowView> ResultTable::row(plx_row handle) const {
  const Wire *wire = find(handle >> (rowBits + wantBits));
  const size_t want = handle >> rowBits & ((1 << wantBits) - 1);
  const auto row = static_cast<int64_t>(handle & ((1 << rowBits) - 1));
  if (!wire)
    return error(Code::InvalidArgument)
           << "row: its result is gone; result_hold keeps one beyond the next forward";
  if (want >= wire->outputs.size() || !wire->outputs[want].first || row >= wire->outputs[want].rows)
    return error(Code::InvalidArgument) << "row: not a row of logits of its result";
  const plx_output &output = wire->outputs[want];
  const auto width = static_cast<size_t>(output.width);
  RowView view;
  view.scores = {output.values + row * output.width, width};
  if (output.ids)
    view.ids = {output.ids + row * output.width, width};
  return view;
}

Status ResultTable::hold(plx_result_id id) {
  Wire *wire = find(id);
  if (!wire)
    return error(Code::InvalidArgument) << "result_hold: result " << id << " is gone";
  ++wire->holds;
  return Status::ok();
}

Status ResultTable::drop(plx_result_id id) {
  Wire *wire = find(id);
  if (!wire || wire->holds == 0)
    return error(Code::InvalidArgument) << "result_drop: result " << id << " is not held";
  --wire->holds;
  release(*wire);
  return Status::ok();
}

} // namespace plexus
