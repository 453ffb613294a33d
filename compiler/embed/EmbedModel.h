/* What a library written by `--emit=lib` holds beside its code: the schedule as plain tables, read
 * by EmbedDriver.c and written by Library.cpp, field by field, eight bytes each. */
#ifndef PLEXUS_COMPILER_EMBED_EMBEDMODEL_H
#define PLEXUS_COMPILER_EMBED_EMBEDMODEL_H

#include "runtime/abi/Call.h"

/* A value lives in a slot of the workspace; slots are shared by values that do not live together.
 */
typedef struct plx_embed_value {
  int64_t per_token; /* 1: one row for each token; 0: one row (the sequence, or its last token) */
  int64_t row_bytes;
  int64_t slot;
} plx_embed_value;

typedef struct plx_embed_step {
  plx_segment_fn run;
  plx_scratch_fn scratch;
  int64_t input_count, output_count, weight_count, state_count;
  const int64_t *inputs, *outputs; /* value numbers */
  const int64_t *weights;          /* offsets */
  const int64_t *states; /* pairs: number of the state, offset of the layer in a page or slot */
  const float *scalars;
} plx_embed_step;

typedef struct plx_embed_model {
  int64_t
      needs; /* instruction sets: 1: AVX2 level (x86-64-v3), 2: AVX-512 with VNNI and BF16 too */
  int64_t context, output; /* longest sequence; number of the value that is given out */
  int64_t value_count, slot_count, step_count, state_count;
  int64_t carry_bytes;           /* of all recurrent states together */
  const plx_embed_value *values; /* value 0: the ids */
  const plx_embed_step *steps;
  const int64_t *page_bytes; /* of each state; 0: a recurrent one */
  const uint8_t *weights;
} plx_embed_model;

#endif /* PLEXUS_COMPILER_EMBED_EMBEDMODEL_H */
