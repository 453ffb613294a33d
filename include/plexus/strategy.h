/* Decoding strategies of the stable plugin ABI: whoever owns the generation loop.
 *
 * A strategy is a resumable object. The engine calls `resume`; the strategy looks at the results of
 * its last requests, calls host functions (emit, commit, fork, ...), and answers with a list of
 * forward requests or with "done". The engine merges the requests of all strategies into one ragged
 * batch, runs it, and resumes each when its own are answered. <plexus/strategy.hpp> turns this into
 * a C++20 coroutine that reads like the paper's pseudo-code; docs/writing-a-strategy.md tells the
 * story.
 *
 * Factories are found under PLX_STRATEGY_FACTORY_ID by the ids of the manifest's provisions of kind
 * "strategy"; "options" there lists the option keys that `create` understands, "lossless" claims
 * the ids of greedy decoding (the target's distribution when sampling):
 *   {"kind": "strategy", "id": "prompt_lookup", "lossless": true, "options": ["ngram"]}
 *
 * Threads. create, resume, destroy and every host function of one generation are called one at a
 * time; resume may happen on another thread than the one before. A strategy that does not return is
 * reported by name and its generation is given up.
 *
 * Fields and functions marked "reserved" have their place so that they can come without breaking
 * the ABI; until then, setting or calling them answers PLX_UNSUPPORTED with a message that names
 * them.
 */
#ifndef PLEXUS_STRATEGY_H
#define PLEXUS_STRATEGY_H

#include <plexus/plugin.h>
#include <plexus/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLX_STRATEGY_FACTORY_ID "plexus.strategy/1"

typedef struct plx_generation plx_generation; /* the host's side of one generation; opaque */
typedef uint64_t plx_seq;                     /* a sequence of one model; 0 is none */
typedef uint64_t plx_snapshot;                /* 0 is none */
typedef uint64_t plx_row;                     /* a row of logits inside a result; 0 is none */
typedef uint64_t plx_result_id;
typedef uint64_t plx_dist; /* a probability distribution over tokens; 0 is none */

/* ---- Forward requests ---- */

typedef enum plx_input_kind {
  PLX_INPUT_TOKENS = 1, /* data: I32 [n] token ids */
  PLX_INPUT_ROWS = 2,   /* data: F32 [n, hidden] rows that enter at the boundary of layer_begin */
  PLX_INPUT_REFS = 3    /* reserved: rows already computed, by reference */
} plx_input_kind;

typedef struct plx_input {
  size_t struct_size;
  const plx_chain *next;
  plx_str port; /* empty: the model's main input; others are reserved */
  int32_t kind; /* plx_input_kind */
  int32_t reserved;
  const plx_view *data;
} plx_input;

typedef enum plx_row_mode {
  PLX_MODE_APPEND = 1,  /* commits the rows; refused while the sequence has pending rows */
  PLX_MODE_DRAFT = 2,   /* leaves them pending, until commit or truncate */
  PLX_MODE_SCRATCH = 3, /* writes no state */
  PLX_MODE_REPLACE = 4  /* reserved: runs a range of rows again */
} plx_row_mode;

typedef enum plx_source {
  PLX_SOURCE_LOGITS = 1, /* [rows, vocabulary] */
  PLX_SOURCE_HIDDEN = 2, /* rows crossing the boundary before `layer`; number of layers: what the
                            final norm reads; -1: after the final norm. [rows, hidden] */
  PLX_SOURCE_TAP = 3,    /* the tap `name` ("mlp.out") of `layer` */
  PLX_SOURCE_HEAD_AT = 4 /* reserved: the head applied to an inner layer */
} plx_source;

typedef enum plx_reduce {
  PLX_REDUCE_FULL = 1,
  PLX_REDUCE_TOP_K = 2,     /* the k largest, descending, with the log-sum-exp of the whole row */
  PLX_REDUCE_LOG_PROBS = 3, /* log-probabilities of `ids` */
  PLX_REDUCE_STATISTICS = 4 /* reserved: entropy, margin */
} plx_reduce;

typedef enum plx_select {
  PLX_SELECT_LAST = 1,
  PLX_SELECT_ALL = 2,
  PLX_SELECT_LISTED = 3
} plx_select;

/* A value to bring back. */
typedef struct plx_want {
  size_t struct_size;
  const plx_chain *next;
  int32_t source;      /* plx_source */
  int32_t layer;       /* HIDDEN and TAP */
  plx_str name;        /* TAP */
  int32_t select;      /* plx_select: which rows of the request */
  int32_t reduce;      /* plx_reduce */
  const int32_t *rows; /* LISTED: indices into the request's rows, ascending */
  size_t row_count;
  int32_t k;          /* TOP_K: 1 .. width */
  int32_t place;      /* 0: host memory; others are reserved */
  const int32_t *ids; /* LOG_PROBS */
  size_t id_count;
} plx_want;

#define PLX_FORWARD_NO_CHUNK 1u /* flags: all rows in one run, however many */
#define PLX_FORWARD_BIDIRECTIONAL                                                                  \
  2u /* flags: every row of the request sees every other; no parents */

/* Rows of one sequence to run. Borrowed, arrays included, until the strategy is resumed. */
typedef struct plx_forward {
  size_t struct_size;
  const plx_chain *next;
  plx_seq sequence;
  const plx_input *const *inputs; /* exactly one in version 1.0 */
  size_t input_count;
  /* [n] or NULL. -1: the parent is the last committed row; j: the j-th pending row of the sequence,
   * earlier requests' rows first, then this request's own. A row sees its ancestors and all
   * committed rows. NULL: a chain that begins at the newest row, pending ones included. */
  const int32_t *parents;
  /* [n] or NULL: positions for rope and learned positions. NULL: committed rows + depth below. */
  const int32_t *positions;
  const plx_view *visibility; /* reserved: an explicit bitmap */
  int32_t mode;               /* plx_row_mode */
  uint32_t flags;             /* PLX_FORWARD_... */
  /* Layers [layer_begin, layer_end); layer_end -1: all. [0, 0) embeds; [L, L) is the final norm and
   * the head, on PLX_INPUT_ROWS. */
  int32_t layer_begin, layer_end;
  const uint8_t
      *skip; /* [skip_count] or NULL: for each layer, bit 0 skips attention, bit 1 the FFN */
  size_t skip_count;                /* the model's number of layers */
  const int32_t *reenter;           /* [n] or NULL: pending rows that PLX_INPUT_ROWS enter again */
  const plx_option *const *options; /* reserved: options of the model for this request */
  size_t option_count;
  const plx_want *const *wants;
  size_t want_count;
} plx_forward;

/* ---- Results ---- */

/* The answer to one want. [rows, width]; width is k for TOP_K and id_count for LOG_PROBS. */
typedef struct plx_output {
  size_t struct_size;
  const plx_chain *next;
  int64_t rows, width;
  const float *values;      /* FULL: the rows; TOP_K: scores; LOG_PROBS: log-probabilities */
  const int32_t *ids;       /* TOP_K */
  const float *log_sum_exp; /* TOP_K, LOG_PROBS: [rows], natural logarithm */
  plx_row first; /* row i is first + i for argmax, sample and dist_make; 0 unless LOGITS */
} plx_output;

/* The answer to one forward request, alive until the next `resume` returns unless held. */
typedef struct plx_result {
  size_t struct_size;
  const plx_chain *next;
  plx_status status; /* not PLX_OK: the request was refused, its sequence is as before */
  int32_t reserved;
  plx_str message; /* why */
  plx_result_id id;
  const plx_output *const *outputs; /* one for each want; none when refused */
  size_t output_count;
} plx_result;

/* ---- The strategy ---- */

typedef struct plx_step {
  size_t struct_size;
  const plx_chain *next;
  const plx_forward *const *forwards; /* none: the strategy is done */
  size_t forward_count;
} plx_step;

/* An instance: the loop of one generation. Filled in by create. */
typedef struct plx_strategy {
  size_t struct_size;
  const plx_chain *next;
  void *self;
  /* results: one for each request of the last step, in order; none the first time. `step` comes
   * zeroed with struct_size set. An error ends the generation with its message. */
  plx_status (*resume)(void *self, const plx_result *const *results, size_t result_count,
                       plx_step *step, plx_error *error);
  /* Called once, also after cancelling and errors; no batch with its requests is running. Host
   * functions may not be called any more; what it left open is closed by the engine. */
  void (*destroy)(void *self);
} plx_strategy;

typedef struct plx_generation_params {
  size_t struct_size;
  const plx_chain *next;
  const int32_t *prompt; /* [prompt_count], at least one; alive until destroy */
  size_t prompt_count;
  int64_t max_tokens; /* of each output */
  uint64_t seed;
  int32_t models;   /* 1 + drafts: model 0 is the target */
  int32_t sampling; /* 1: a temperature above 0 was asked for; strategies that serve both obey it */
  const int32_t *stop_tokens; /* ids that end an output, usually the model's eos; until destroy */
  size_t stop_token_count;
  const plx_option *const *options; /* those of the manifest's "options" that were given */
  size_t option_count;
} plx_generation_params;

/* ---- Host functions ---- */

typedef enum plx_stop {
  PLX_STOP_NONE = 0,
  PLX_STOP_TOKEN = 1,    /* a stop token; it is part of the output's ids, not of its text */
  PLX_STOP_STRING = 2,   /* the text up to the stop string was delivered */
  PLX_STOP_LENGTH = 3,   /* max_tokens */
  PLX_STOP_FINISHED = 4, /* finish was called */
  PLX_STOP_CONTEXT = 5   /* the model's context is full */
} plx_stop;

typedef struct plx_emitted {
  size_t struct_size;
  const plx_chain *next;
  int64_t taken; /* ids that became part of the output; those after a stop are dropped */
  int32_t stop;  /* plx_stop */
  int32_t reserved;
} plx_emitted;

typedef struct plx_model_info {
  size_t struct_size;
  const plx_chain *next;
  plx_str name, family; /* alive as long as the generation */
  int64_t vocab_size, context, layers, hidden_size;
} plx_model_info;

/* Where a choice is made: behind which ids. `output` says whose emitted ids come first; `path` are
 * those between them and the row (drafted, or a beam's). The choice's position, which keys the
 * randomness, is emitted ids + path_count. */
typedef struct plx_place {
  size_t struct_size;
  const plx_chain *next;
  int32_t output;
  uint32_t lane; /* independent streams of randomness; 0 .. 2^31-1, plain sampling uses 0 */
  const int32_t *path;
  size_t path_count;
} plx_place;

/* All fallible functions answer PLX_INVALID_ARGUMENT for handles that are not open and name the
 * function. Calls of one generation come from its create and resume only. */
typedef struct plx_generation_api {
  size_t struct_size;
  const plx_chain *next;

  /* Sequences. Fork, snapshot and close are refused while rows are pending. */
  plx_status (*seq_open)(plx_generation *g, int32_t model, plx_seq *out, plx_error *error);
  plx_status (*seq_close)(plx_generation *g, plx_seq seq, plx_error *error);
  plx_status (*fork)(plx_generation *g, plx_seq seq, plx_seq *out, plx_error *error);
  /* Keeps the first `length` rows: committed ones, then pending ones in the order of drafting.
   * PLX_NOT_KEPT where a state cannot go back. */
  plx_status (*truncate)(plx_generation *g, plx_seq seq, int64_t length, plx_error *error);
  plx_status (*snapshot)(plx_generation *g, plx_seq seq, plx_snapshot *out, plx_error *error);
  plx_status (*restore)(plx_generation *g, plx_seq seq, plx_snapshot snapshot, plx_error *error);
  plx_status (*snapshot_drop)(plx_generation *g, plx_snapshot snapshot, plx_error *error);
  /* Commits the pending rows `path` (numbers as in plx_forward.parents, parents before children)
   * and drops the others. An empty path drops all. */
  plx_status (*commit)(plx_generation *g, plx_seq seq, const int32_t *path, size_t count,
                       plx_error *error);
  /* Committed and pending rows; either pointer may be NULL. */
  plx_status (*seq_length)(plx_generation *g, plx_seq seq, int64_t *committed, int64_t *pending,
                           plx_error *error);

  /* Outputs: 0 is streamed while it grows, 1 .. 1023 are collected. */
  plx_status (*emit)(plx_generation *g, int32_t output, const int32_t *ids, size_t count,
                     plx_emitted *out, plx_error *error);
  /* Closes an output; score as the strategy defines it (NaN: none), reported beside the ids. */
  plx_status (*finish)(plx_generation *g, int32_t output, double score, plx_error *error);
  /* Whether an output of exactly these ids would stop, and after how many of them; emits nothing.
   */
  plx_status (*stop_test)(plx_generation *g, const int32_t *ids, size_t count, plx_emitted *out,
                          plx_error *error);

  /* 64 random bits that depend on nothing but the generation's seed and these numbers
   * (Philox4x32-10 of Salmon et al. 2011: key = seed, counter = output, position, lane, draw). */
  uint64_t (*rng)(plx_generation *g, uint32_t output, uint32_t position, uint32_t lane,
                  uint32_t draw);

  /* Choices from a row of full logits, processed by the output's chain of samplers: the `count`
   * best ids, best first; for TOP_K rows only where no sampler is active. Fewer than `count`
   * candidates: the rest is -1. No token left is an error with its position. argmax: by score
   * (masks and penalties applied), ties by lower id; sample: by the exponential race -log(u_i) /
   * p_i with u_i keyed by (seed, output, position, lane, i): the first is a sample of p, the order
   * one without replacement. As u does not depend on p, choices of a draft and of its target at the
   * same place are coupled: a target that samples with the same noise gives the ids of plain
   * sampling, whatever was drafted. */
  plx_status (*argmax)(plx_generation *g, plx_row row, const plx_place *place, int32_t *ids,
                       size_t count, plx_error *error);
  plx_status (*sample)(plx_generation *g, plx_row row, const plx_place *place, int32_t *ids,
                       size_t count, plx_error *error);
  /* The chain on scores of the strategy's own, [vocab_size], in place; forbidden ones become
   * -infinity. Samplers of later stages than `last_stage` (plx_sampler_stage) are left out. */
  plx_status (*process)(plx_generation *g, float *scores, size_t count, const plx_place *place,
                        int32_t last_stage, plx_error *error);

  /* Processed distributions, for verification by residuals and for mixes. Dropped by dist_drop, and
   * all when the generation ends. */
  plx_status (*dist_make)(plx_generation *g, plx_row row, const plx_place *place, plx_dist *out,
                          plx_error *error);
  /* weight * a + (1 - weight) * b; weight in [0, 1]. */
  plx_status (*dist_mix)(plx_generation *g, plx_dist a, plx_dist b, double weight, plx_dist *out,
                         plx_error *error);
  plx_status (*dist_prob)(plx_generation *g, plx_dist dist, int32_t id, double *out,
                          plx_error *error);
  plx_status (*dist_sample)(plx_generation *g, plx_dist dist, const plx_place *place, int32_t *ids,
                            size_t count, plx_error *error);
  /* max(0, target - draft), normalised; the target where nothing is left. */
  plx_status (*dist_residual)(plx_generation *g, plx_dist target, plx_dist draft, plx_dist *out,
                              plx_error *error);
  plx_status (*dist_drop)(plx_generation *g, plx_dist dist, plx_error *error);

  /* Text. The functions with a capacity store the size needed in *size and fill only what fits; a
   * capacity of 0 asks for the size. PLX_UNSUPPORTED where the model has no tokenizer. */
  plx_status (*token_bytes)(plx_generation *g, int32_t id, char *bytes, size_t capacity,
                            size_t *size, plx_error *error);
  plx_status (*encode)(plx_generation *g, plx_str text, int32_t add_special, int32_t *ids,
                       size_t capacity, size_t *size, plx_error *error);
  plx_status (*decode)(plx_generation *g, const int32_t *ids, size_t count, int32_t skip_special,
                       char *text, size_t capacity, size_t *size, plx_error *error);
  /* "bos", "eos", "pad", or the text of an added token; PLX_NOT_FOUND otherwise. */
  plx_status (*special_id)(plx_generation *g, plx_str name, int32_t *out, plx_error *error);

  plx_status (*model_info)(plx_generation *g, int32_t model, plx_model_info *out, plx_error *error);
  /* 1 or 0, before one tries: "forward.rows", "forward.layers", "forward.skip",
   * "forward.positions", "forward.bidirectional", "forward.replace", "forward.visibility",
   * "forward.options", "want.hidden", "want.tap", "want.head_at", "want.statistics",
   * "state.truncate", "text", and the ids of `call`. Unknown ids are 0. */
  int32_t (*has_capability)(plx_generation *g, int32_t model, plx_str id);
  /* Sets a run-time option of a model for the forwards that follow. */
  plx_status (*option_set)(plx_generation *g, int32_t model, plx_str key, plx_str value,
                           plx_error *error);
  /* Adds to a counter that is reported with the generation: "drafted", "accepted", "layers_run", or
   * a name of the strategy's own (at most 16 names). */
  plx_status (*counter_add)(plx_generation *g, plx_str name, int64_t amount, plx_error *error);

  /* Keeps a result's memory and rows until result_drop. Counted. */
  plx_status (*result_hold)(plx_generation *g, plx_result_id result, plx_error *error);
  plx_status (*result_drop)(plx_generation *g, plx_result_id result, plx_error *error);

  /* Functions of later versions, by id, with their own structs of arguments. Reserved in 1.0:
   * "module_call", "prompt_part", "edit", "overlay", "visibility", "policy", "weight_read",
   * "table_write", "store_get", "store_put", "schedule_policy". */
  plx_status (*call)(plx_generation *g, plx_str function, const plx_chain *arguments,
                     plx_error *error);
} plx_generation_api;

typedef struct plx_strategy_factory {
  size_t struct_size;
  const plx_chain *next;
  /* Makes the strategy `id`. `api` and `g` stay valid until destroy; `params` for the call, save
   * what says otherwise. `out` comes zeroed with struct_size set to what the host can read. */
  plx_status (*create)(plx_str id, const plx_generation_params *params,
                       const plx_generation_api *api, plx_generation *g, plx_strategy *out,
                       plx_error *error);
} plx_strategy_factory;

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLEXUS_STRATEGY_H */
