/* Samplers and logit processors of the stable plugin ABI: small plugins that rewrite a row of
 * scores before a token is chosen, chained by id and usable from every strategy.
 *
 * The host makes one chain for each output of a generation. For every choice it calls `accept` with
 * the ids that lie between the output and the row (the path through a drafted tree, a beam's ids),
 * then `apply` down the chain, then `rollback`; what an output really emits is accepted for good.
 * So a sampler never sees a tree, only a history that grows and shrinks.
 *
 * Factories are found under PLX_SAMPLER_FACTORY_ID by the ids of the manifest's provisions of kind
 * "sampler"; "options" there lists the keys that `create` understands:
 *   {"kind": "sampler", "id": "top_k", "options": ["top_k"]}
 */
#ifndef PLEXUS_SAMPLER_H
#define PLEXUS_SAMPLER_H

#include <plexus/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLX_SAMPLER_FACTORY_ID "plexus.sampler/1"

/* Where in a chain a sampler belongs: the host sorts a chain by stage, keeping the order of the ids
 * within a stage. Greedy choices run MASK and PENALTY only: SCALE and FILTER must keep the order of
 * the scores and the best of them. */
typedef enum plx_sampler_stage {
  PLX_STAGE_MASK = 0,    /* forbids tokens: grammars, suppressed ids */
  PLX_STAGE_PENALTY = 1, /* moves single scores: repetition, presence, frequency, biases */
  PLX_STAGE_SCALE = 2,   /* temperature */
  PLX_STAGE_FILTER = 3   /* drops the unlikely: top-k, top-p, min-p */
} plx_sampler_stage;

/* A row of scores (logits) being processed. The sampler may change scores[0, count), lower `count`
 * after moving what it keeps to the front, or set scores to -infinity, which forbids the token. */
typedef struct plx_candidates {
  size_t struct_size;
  const plx_chain *next;
  int64_t count; /* entries of ids and scores */
  int32_t *ids;  /* token of each entry; in MASK and PENALTY stages ids[i] == i */
  float *scores;
  int32_t sorted; /* 1: by descending score, ties by ascending id; whoever breaks it clears it */
  int32_t reserved;
  int64_t position; /* of the choice: ids of the output before it, not counting the prompt */
} plx_candidates;

/* One sampler of one output; filled in by create and clone, freed by destroy. Calls of one instance
 * come one at a time, on one thread at a time. */
typedef struct plx_sampler {
  size_t struct_size;
  const plx_chain *next;
  void *self;
  int32_t stage; /* plx_sampler_stage */
  int32_t reserved;
  plx_status (*apply)(void *self, plx_candidates *candidates, plx_error *error);
  /* The history grows by these ids: first the prompt, then whatever is emitted or looked at. NULL
   * when the sampler has no memory; then rollback is NULL too. */
  plx_status (*accept)(void *self, const int32_t *ids, size_t count, plx_error *error);
  /* Forgets the newest `count` ids of the history. Never reaches into the prompt. */
  plx_status (*rollback)(void *self, size_t count, plx_error *error);
  /* A copy with the same history. */
  plx_status (*clone)(void *self, struct plx_sampler *out, plx_error *error);
  void (*destroy)(void *self);
} plx_sampler;

typedef struct plx_sampler_factory {
  size_t struct_size;
  const plx_chain *next;
  /* Makes the sampler `id` with those of the generation's options that the manifest lists for it.
   * vocab_size bounds all ids. A sampler that would change nothing (temperature 1, no penalty)
   * leaves out->apply NULL and everything else as it was: it is left out of the chain. `out` comes
   * zeroed with struct_size set to what the host can read. */
  plx_status (*create)(plx_str id, const plx_option *const *options, size_t option_count,
                       int64_t vocab_size, plx_sampler *out, plx_error *error);
} plx_sampler_factory;

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLEXUS_SAMPLER_H */
