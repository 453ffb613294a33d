// Recurrent states: slots that hold those of all layers of one sequence, as behind one token.
#pragma once

#include "runtime/program/Program.h"
#include "runtime/state/LayerSet.h"
#include "runtime/state/PagePool.h"

#include <vector>

namespace plexus {

/// All recurrent states of a program in slots with counted references. A slot is written once, by
/// the run that fills it, and then only read, so that sequences, snapshots and drafted rows share
/// slots freely; who goes on from one leaves its state in another.
class CarrySlots {
public:
  /// ResourceExhausted where the budget has no room for the slot of fresh sequences.
  static Expected<std::unique_ptr<CarrySlots>> create(const Program &program, StateBudget &budget);
  ~CarrySlots();

  /// The zeros that a fresh sequence starts from, with one more reference.
  uint8_t *fresh();
  /// A slot with one reference that holds anything.
  Expected<uint8_t *> take() { return pool_.take(false); }
  static uint8_t *retain(uint8_t *slot);
  /// Null is let be.
  void release(uint8_t *slot);

  /// plx_kv::layer_offset of a layer that uses state `state` of the program.
  int64_t offset(int state, int layer) const;
  /// Copies the parts of layers that are not in `ran`: a skipped layer leaves its state as it was.
  void copySkipped(const uint8_t *from, uint8_t *to, const LayerSet &ran) const;

  int64_t slotsInUse() const { return pool_.pagesInUse(); }

private:
  CarrySlots(const Program &program, StateBudget &budget);
  struct Part {
    int64_t offset, bytes;
    int member; ///< Of a LayerSet.
  };

  const Program &program_;
  PagePool pool_;
  std::vector<Part> parts_;
  LayerSet layers_; ///< Of all parts.
  uint8_t *zeros_ = nullptr;
};

} // namespace plexus
