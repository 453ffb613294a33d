// The results of one generation's forwards, as the strategy sees them: C structs, row handles,
// holds.
#pragma once

#include "runtime/exec/Forward.h"

#include <plexus/strategy.h>

#include <memory>
#include <string>
#include <vector>

namespace plexus {

/// Logits behind a row handle; `ids` is empty for full rows.
struct RowView {
  std::span<const float> scores;
  std::span<const int32_t> ids;
};

class ResultTable {
public:
  /// Starts a new step: results that are not held end here.
  void clear();
  /// Adds the answer to the next request of the step; `wants` as it was asked.
  void add(ForwardOutcome outcome, std::span<const Want> wants);
  const plx_result *const *data() const { return pointers_.data(); }
  size_t size() const { return pointers_.size(); }

  /// The row behind a handle. InvalidArgument for handles of results that are gone.
  Expected<RowView> row(plx_row handle) const;
  Status hold(plx_result_id id);
  Status drop(plx_result_id id);

private:
  /// A result's C structs and the reference that keeps its memory.
  struct Wire {
    plx_result result;
    ForwardOutcome outcome;
    std::vector<plx_output> outputs;
    std::vector<const plx_output *> outputPointers;
    int64_t holds = 0;
    bool current = false;
  };
  Wire *find(plx_result_id id) const;
  void release(Wire &wire);

  /// All wires; those neither current nor held are free to be used again.
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<Wire *> free_;
  std::vector<Wire *> current_;
  std::vector<const plx_result *> pointers_;
  plx_result_id nextId_ = 1;
};

} // namespace plexus
