/* Runs an embedded model's schedule for one sequence on the calling thread. Compiled when Plexus is
 * built and linked into every library that `--emit=lib` writes; needs libc alone. */
#include "compiler/embed/EmbedModel.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

enum { kInvalid = 1, kUnsupported = 4, kMismatch = 5, kExhausted = 6 }; /* plx status codes */
enum { kMaxOperands = 256 };

extern const plx_embed_model plx_embed_table;

typedef struct plx_embed_session {
  int64_t past, pages, tokens; /* committed slots; pages of each state; rows that the slots hold */
  uint8_t ***state_pages;      /* [state][page] */
  uint8_t **slots;             /* [slot] */
  uint8_t *scratch;
  int64_t scratch_bytes;
  int32_t *rows;     /* [5][tokens]: sequence, position, index, slot, ids */
  uint8_t *carry[2]; /* recurrent states: behind the last token, and for the next run to fill */
  uint8_t **carries; /* [2][tokens]: plx_batch's carry_from and carry_to */
} plx_embed_session;

static void *allocate(int64_t bytes) { return aligned_alloc(64, ((size_t)bytes + 127) / 64 * 64); }

static int has(unsigned reg, unsigned bits) { return (reg & bits) == bits; }

/* Bits as in the processor's manual: cpuid leaves 1, 7 and 7.1, and what the system saves (XCR0).
 */
static int cpuRuns(int64_t needs) {
  unsigned a, b, c, d, lanes, tops;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 29))
    return 0; /* fma, movbe, osxsave, f16c */
  __asm__ volatile("xgetbv" : "=a"(lanes), "=d"(tops) : "c"(0));
  if (!has(lanes, 6u) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
      !has(b, 1u << 3 | 1u << 5 | 1u << 8))
    return 0; /* bmi1, avx2, bmi2 */
  if (needs < 2)
    return 1;
  if (!has(lanes, 0xe6u) || !has(b, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) ||
      !has(c, 1u << 11))
    return 0; /* avx512 f, dq, cd, bw, vl, vnni */
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 1u << 5); /* avx512_bf16 */
}

static void runInline(void *self, void (*body)(void *, int64_t, int64_t), void *ctx, int64_t n,
                      int64_t grain) {
  (void)self, (void)grain;
  if (n > 0)
    body(ctx, 0, n);
}

/* The library is compiled with generated products: nothing asks for this. */
static int32_t noMatmul(void *self, const struct plx_matmul *args) {
  (void)self, (void)args;
  return kUnsupported;
}

static const plx_host kHost = {0, runInline, noMatmul, 0, 0};

void plx_embed_close(plx_embed_session *s) {
  const plx_embed_model *m = &plx_embed_table;
  if (!s)
    return;
  for (int64_t i = 0; s->state_pages && i < m->state_count; ++i) {
    for (int64_t p = 0; s->state_pages[i] && p < s->pages; ++p)
      free(s->state_pages[i][p]);
    free(s->state_pages[i]);
  }
  for (int64_t i = 0; s->slots && i < m->slot_count; ++i)
    free(s->slots[i]);
  free(s->state_pages);
  free(s->slots);
  free(s->scratch);
  free(s->rows);
  free(s->carry[0]);
  free(s->carry[1]);
  free(s->carries);
  free(s);
}

void plx_embed_reset(plx_embed_session *s) {
  s->past = 0;
  if (s->carry[0])
    memset(s->carry[0], 0, (size_t)plx_embed_table.carry_bytes);
}

int plx_embed_open(plx_embed_session **out) {
  const plx_embed_model *m = &plx_embed_table;
  *out = 0;
  if (!cpuRuns(m->needs))
    return kMismatch;
  plx_embed_session *s = calloc(1, sizeof(*s));
  if (!s)
    return kExhausted;
  int64_t most = (m->context + PLX_PAGE_TOKENS - 1) / PLX_PAGE_TOKENS;
  s->slots = calloc((size_t)m->slot_count + 1, sizeof(*s->slots));
  s->state_pages = calloc((size_t)m->state_count + 1, sizeof(*s->state_pages));
  int ok = s->slots && s->state_pages;
  for (int64_t i = 0; ok && i < m->state_count; ++i)
    ok = (s->state_pages[i] = calloc((size_t)most, sizeof(uint8_t *))) != 0;
  for (int64_t i = 0; ok && m->carry_bytes && i < 2; ++i)
    ok = (s->carry[i] = allocate(m->carry_bytes)) != 0;
  if (!ok) {
    plx_embed_close(s);
    return kExhausted;
  }
  plx_embed_reset(s);
  *out = s;
  return 0;
}

/* Pages for every slot up to `end`. */
static int growPages(plx_embed_session *s, int64_t end) {
  const plx_embed_model *m = &plx_embed_table;
  for (; s->pages * PLX_PAGE_TOKENS < end; ++s->pages)
    for (int64_t i = 0; i < m->state_count; ++i)
      if (m->page_bytes[i] && !s->state_pages[i][s->pages] &&
          !(s->state_pages[i][s->pages] = allocate(m->page_bytes[i])))
        return kExhausted;
  return 0;
}

/* Slots and row arrays for n tokens. */
static int growRows(plx_embed_session *s, int64_t n) {
  const plx_embed_model *m = &plx_embed_table;
  if (n <= s->tokens)
    return 0;
  s->tokens = 0;
  for (int64_t i = 0; i < m->slot_count; ++i) {
    int64_t bytes = 0;
    for (int64_t v = 0; v < m->value_count; ++v) {
      int64_t size = m->values[v].row_bytes * (m->values[v].per_token ? n : 1);
      if (m->values[v].slot == i && size > bytes)
        bytes = size;
    }
    free(s->slots[i]);
    if (!(s->slots[i] = allocate(bytes)))
      return kExhausted;
  }
  free(s->rows);
  if (!(s->rows = allocate(n * 5 * (int64_t)sizeof(int32_t))))
    return kExhausted;
  free(s->carries);
  if (!(s->carries = calloc((size_t)n * 2, sizeof(*s->carries))))
    return kExhausted;
  s->tokens = n;
  return 0;
}

static int growScratch(plx_embed_session *s, int64_t n) {
  const plx_embed_model *m = &plx_embed_table;
  int64_t bytes = 0;
  for (int64_t i = 0; i < m->step_count; ++i) {
    int64_t size = m->steps[i].scratch(n, 1, 1, s->past + n);
    bytes = size > bytes ? size : bytes;
  }
  if (bytes <= s->scratch_bytes)
    return 0;
  free(s->scratch);
  s->scratch_bytes = 0;
  if (!(s->scratch = allocate(bytes)))
    return kExhausted;
  s->scratch_bytes = bytes;
  return 0;
}

static int32_t runStep(plx_embed_session *s, const plx_embed_step *step, const plx_batch *batch) {
  const plx_embed_model *m = &plx_embed_table;
  const void *inputs[kMaxOperands], *weights[kMaxOperands];
  void *outputs[kMaxOperands];
  plx_kv kv[kMaxOperands];
  uint8_t *const *pages[kMaxOperands];
  const plx_kv *states[kMaxOperands];
  for (int64_t i = 0; i < step->input_count; ++i)
    inputs[i] = s->slots[m->values[step->inputs[i]].slot];
  for (int64_t i = 0; i < step->output_count; ++i)
    outputs[i] = s->slots[m->values[step->outputs[i]].slot];
  for (int64_t i = 0; i < step->weight_count; ++i)
    weights[i] = m->weights + step->weights[i];
  for (int64_t i = 0; i < step->state_count; ++i) {
    pages[i] = s->state_pages[step->states[2 * i]];
    kv[i].pages = m->page_bytes[step->states[2 * i]] ? &pages[i] : 0;
    kv[i].layer_offset = step->states[2 * i + 1];
    states[i] = &kv[i];
  }
  plx_call call = {&kHost, batch, inputs, outputs, weights, states, step->scalars, s->scratch};
  return step->run(&call);
}

static int runAll(plx_embed_session *s, int64_t n) {
  const plx_embed_model *m = &plx_embed_table;
  int32_t *row = s->rows, begin[2] = {0, (int32_t)n}, past = (int32_t)s->past;
  int32_t last = (int32_t)n - 1;
  for (int64_t i = 0; i < n; ++i) {
    row[i] = 0;
    row[n + i] = row[2 * n + i] = row[3 * n + i] = past + (int32_t)i;
  }
  plx_batch batch;
  memset(&batch, 0, sizeof(batch));
  batch.tokens = n;
  batch.sequences = batch.outputs = 1;
  batch.context = s->past + n;
  batch.sequence = row;
  batch.position = row + n;
  batch.index = row + 2 * n;
  batch.slot = row + 3 * n;
  batch.token_begin = begin;
  batch.past = &past;
  batch.output_row = &last;
  if (m->carry_bytes) {
    memset(s->carries, 0, (size_t)n * 2 * sizeof(*s->carries));
    s->carries[0] = s->carry[0];
    s->carries[2 * n - 1] = s->carry[1];
    batch.carry_from = (const uint8_t *const *)s->carries;
    batch.carry_to = s->carries + n;
  }
  for (int64_t i = 0; i < m->step_count; ++i) {
    int32_t status = runStep(s, &m->steps[i], &batch);
    if (status)
      return status;
  }
  return 0;
}

int plx_embed_forward(plx_embed_session *s, const int32_t *ids, int n, float *out) {
  const plx_embed_model *m = &plx_embed_table;
  if (!s || !ids || !out || n <= 0)
    return kInvalid;
  if (m->state_count == 0)
    s->past = 0; /* an encoder sees a whole sequence at once */
  if (n > m->context - s->past)
    return kExhausted;
  int status = growPages(s, s->past + n);
  status = status ? status : growRows(s, n);
  status = status ? status : growScratch(s, n);
  if (status)
    return status;
  memcpy(s->slots[m->values[0].slot], ids, (size_t)n * sizeof(*ids));
  status = runAll(s, n);
  if (status)
    return status;
  s->past += n;
  uint8_t *filled = s->carry[1];
  s->carry[1] = s->carry[0];
  s->carry[0] = filled;
  const plx_embed_value *value = &m->values[m->output];
  memcpy(out, s->slots[value->slot], (size_t)(value->row_bytes * (value->per_token ? n : 1)));
  return 0;
}
