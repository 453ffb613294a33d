/* The calling convention of compiled segments: what the executor passes and generated code reads.
 *
 * Plain C, fixed layout: the code generator (passes/lower/cpu) mirrors these structs field by field
 * (static assertions below pin the offsets), and a library written by `--emit=lib` carries a copy.
 * The version is PLX_CALL_VERSION; an artifact states the one that it was compiled for.
 */
#ifndef PLX_ABI_CALL_H
#define PLX_ABI_CALL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLX_CALL_VERSION 3

/* Tokens of one key/value page. A page holds, for each layer of its state group,
 *   K: f32 [kvHeads][keyDim][PLX_PAGE_TOKENS]    (keys transposed: scores of neighbouring tokens
 *                                                 are one vector), then
 *   V: f32 [kvHeads][PLX_PAGE_TOKENS][valueDim]. */
#define PLX_PAGE_TOKENS 32

/* The ragged batch: which rows run, where they belong and what they see. All arrays are borrowed for
 * the call. Tokens of a sequence are contiguous, parents before children. */
typedef struct plx_batch {
  int64_t tokens;            /* T: rows of the token axis */
  int64_t sequences;         /* S */
  int64_t outputs;           /* R: rows whose outputs are wanted */
  int64_t context;           /* largest number of visible slots of any sequence, this batch included */
  const int32_t *sequence;   /* [T] sequence of each token */
  const int32_t *position;   /* [T] position for rope and learned positions */
  const int32_t *index;      /* [T] committed tokens + depth below them: windows count in this */
  const int32_t *slot;       /* [T] slot of the sequence's states that the token writes */
  const int32_t *token_begin;/* [S+1] token range of each sequence */
  const int32_t *past;       /* [S] committed slots before this batch, visible to every token
                                (subject to windows) */
  const int32_t *output_row; /* [R] token index of each wanted row, ascending */
  const uint64_t *tree;      /* NULL: token sees the pending slots up to its own. Otherwise
                                [T][tree_words]: bit j = slot past[s]+j is visible */
  int64_t tree_words;
  const int32_t *pending_index;       /* with tree: [sum of pending] index of each pending slot */
  const int32_t *pending_begin;       /* with tree: [S+1] range of each sequence in pending_index */
  const int32_t *token_type; /* [T] token type ids, or NULL for all 0 */
  /* Recurrent states, in slots that hold those of all layers of one sequence (at plx_kv::layer_offset).
   * Token t starts from the state in carry_from[t], or, where that is NULL, from what token t - 1 left
   * (never NULL for the first token of a sequence); where carry_to[t] is not NULL it leaves its state
   * there. The two never point to one slot. Both arrays are NULL where the model has no such states. */
  const uint8_t *const *carry_from; /* [T] */
  uint8_t *const *carry_to;         /* [T] */
} plx_batch;

/* One layer of one state: where it lies in the key/value pages of the batch's sequences, or in the
 * slots of plx_batch::carry_from and carry_to. */
typedef struct plx_kv {
  uint8_t *const *const *pages; /* [S][page]: page p holds slots [p*32, p*32+32); a page that a window
                                   has left behind may be NULL and is never read. NULL for recurrent
                                   states */
  int64_t layer_offset;         /* bytes from a page's or slot's start to this layer's part; a
                                   recurrent state is f32, row-major, at a multiple of 64 */
  /* Of states that seal pages (runtime/state/KvForm.h), else NULL: [S][page], the small form of a page.
   * A token of index i reads it of pages before i / 32 - 1 (where its slot is above its index, of those
   * with committed slots alone), and of pages that `pages` no longer has. Where both are there and a
   * token of the batch may read the small one, the writing of the batch's keys and values makes it, by
   * `seal`. */
  uint8_t *const *const *sealed;
  int64_t sealed_offset;        /* like layer_offset, of a sealed page */
  const void *sealed_layout;    /* what `seal` needs to know */
  /* Rounds this layer's part of a page, its start given, into a sealed one. For several threads. */
  void (*seal)(const struct plx_kv *kv, const uint8_t *page, uint8_t *sealed);
} plx_kv;

struct plx_matmul;

/* What generated code may ask of the host. `self` is passed back. */
typedef struct plx_host {
  void *self;
  /* Calls body(ctx, begin, end) over disjoint ranges that cover [0, n), from the one thread pool;
   * returns when all are done. Ranges hold at least `grain` items where n allows it. With n <= grain
   * it runs inline. Not reentrant. */
  void (*parallel_for)(void *self, void (*body)(void *ctx, int64_t begin, int64_t end), void *ctx,
                       int64_t n, int64_t grain);
  /* out[m][n] = x[m][k] * W, W packed in `layout` (plx_layout). Rows of x and out are contiguous with
   * the given strides (elements). Returns 0, or a plx status code. */
  int32_t (*matmul)(void *self, const struct plx_matmul *args);
  /* Called by profiling code alone (no artifact holds any): what `op` names begins now.
   * `op` lives as long as the code; its form is runtime/profile/OpText.h's. */
  void (*mark)(void *self, const char *op);
  /* 1: matmul multiplies bf16 on a matrix unit (AMX), several times as fast as code with vectors. */
  int64_t matrix_unit;
} plx_host;

/* Packed layouts of a product's weight, logical [K][N] (y = x W), zero-padded to whole blocks.
 * The blocks are oneDNN's, so that one copy serves it and generated code alike:
 *   F32  = BA16a64b  : [N/64][K/16][16][64] f32
 *   BF16 = BA16a64b2a: [N/64][K/32][16][64][2] bf16 (k pairs interleaved)
 *   F16  = BA16a64b  : [N/64][K/16][16][64] f16 */
typedef enum plx_layout { PLX_LAYOUT_F32 = 1, PLX_LAYOUT_BF16 = 2, PLX_LAYOUT_F16 = 3 } plx_layout;

/* How activations enter a product. */
typedef enum plx_compute {
  PLX_COMPUTE_F32 = 0,    /* x is f32 and multiplied as it is */
  PLX_COMPUTE_BF16 = 1,   /* x is f32 and rounded to bf16 by the host */
  PLX_COMPUTE_ROUNDED = 2 /* x is bf16 */
} plx_compute;

typedef struct plx_matmul {
  int64_t m, n, k;     /* logical sizes, unpadded */
  const void *x;       /* [m][k], stride x_stride: f32, or bf16 with PLX_COMPUTE_ROUNDED */
  int64_t x_stride;
  const void *weight;  /* packed */
  int32_t layout;      /* plx_layout */
  int32_t compute;     /* plx_compute */
  float *out;          /* f32 [m][n], stride out_stride */
  int64_t out_stride;
  void *scratch;       /* NULL: the host brings its own; not read in this version */
} plx_matmul;

/* One call of one segment. Pointers are 64-byte aligned; tensors are dense and row-major. */
typedef struct plx_call {
  const plx_host *host;
  const plx_batch *batch;
  const void *const *inputs;
  void *const *outputs;
  const void *const *weights;      /* in the order of the segment's weight table */
  const plx_kv *const *states;     /* in the order of the segment's state table */
  const float *scalars;            /* the schedule's per-layer scalars */
  void *scratch;                   /* <segment>_scratch(...) bytes; may be shared between segments */
} plx_call;

/* A segment: 0, or a plx status code. */
typedef int32_t (*plx_segment_fn)(const plx_call *call);
/* Scratch bytes that `<segment>` needs for these sizes. */
typedef int64_t (*plx_scratch_fn)(int64_t tokens, int64_t sequences, int64_t outputs,
                                  int64_t context);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLX_ABI_CALL_H */
