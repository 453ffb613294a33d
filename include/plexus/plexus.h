/* Plexus for programs: open or compile models, run them on named tensors, generate text.
 *
 *   plx_model *model = NULL;
 *   if (plx_model_open(plx_text("m.plx"), NULL, &model, &error) != PLX_OK) ...
 *   plx_generate_options o = {.struct_size = sizeof o, .prompt = plx_text("In the beginning"),
 *                             .max_tokens = 64, .on_piece = print_piece};
 *   plx_generated *g = NULL;
 *   plx_generate(model, &o, &g, &error);
 *   plx_generated_release(g);
 *   plx_model_release(model);
 *
 * <plexus/plexus.hpp> is the same in C++, with errors as values. Link with Plexus::runtime
 * (find_package(Plexus)); the compiler is loaded only when something is compiled.
 *
 * Rules are those of plugin.h: every struct begins with struct_size (set it to sizeof; all other
 * fields may stay zero), errors are a plx_status and a message to a plx_error that may be NULL, and
 * whoever allocates frees: what a function hands out through `out` is given back with its _release
 * function, which takes NULL too. On an error *out is untouched.
 *
 * Threads: every function may be called from any thread, also for one object at the same time.
 * Models run on one engine thread of the process; calls wait for their turn. Callbacks come on that
 * thread: they must not block, and must not call Plexus.
 */
#ifndef PLEXUS_PLEXUS_H
#define PLEXUS_PLEXUS_H

#include <plexus/family.h>
#include <plexus/plugin.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A NUL-terminated string as a plx_str. */
static inline plx_str plx_text(const char *text) {
  plx_str s = {text, text ? strlen(text) : 0};
  return s;
}

/* The version of the library, such as "0.1.0". */
const char *plx_version(void);

/* ---- Bytes and tensors that Plexus owns ---- */

typedef struct plx_buffer plx_buffer;
plx_str plx_buffer_bytes(const plx_buffer *buffer); /* valid until it is released */
void plx_buffer_release(plx_buffer *buffer);

/* A list of named tensors: what a run gives. */
typedef struct plx_tensors plx_tensors;
size_t plx_tensors_count(const plx_tensors *tensors);
/* Names and views are valid until the list is released; past the end, empty and PLX_NOT_FOUND. */
plx_str plx_tensors_name(const plx_tensors *tensors, size_t index);
plx_status plx_tensors_view(const plx_tensors *tensors, size_t index, plx_view *out,
                            plx_error *error);
/* The tensor as a DLManagedTensor (https://dmlc.github.io/dlpack): the receiver calls its deleter.
 * Shares the bytes, which live on after the list. */
plx_status plx_tensors_dlpack(const plx_tensors *tensors, size_t index, void **out,
                              plx_error *error);
void plx_tensors_release(plx_tensors *tensors);

/* ---- Models ---- */

typedef struct plx_model plx_model;

/* How a model is compiled. Empty text is the default; unknown words are refused with those that
 * exist. `plexus compile --help` explains them. */
typedef struct plx_compile_options {
  size_t struct_size;
  const plx_chain *next;
  plx_str weights;   /* source, f32, bf16, f16 */
  plx_str compute;   /* auto, f32, bf16 */
  plx_str products;  /* auto, generated, onednn */
  plx_str isas;      /* with commas between: x86-64-v3, avx512 */
  plx_str cache;     /* folder of the compile cache */
  int32_t in_memory; /* not 0: compile just in time, keep nothing in the cache */
  int32_t reserved;
  /* How the work goes on; 0 cancels. May be NULL. */
  int32_t (*progress)(void *user, plx_str phase, uint64_t done, uint64_t total);
  void *user;
} plx_compile_options;

/* Opens an artifact (.plx), or compiles a Hugging Face directory, a GGUF file or a module's text
 * through the cache. `options` may be NULL. */
plx_status plx_model_open(plx_str path, const plx_compile_options *options, plx_model **out,
                          plx_error *error);
/* Compiles into a file. emit: "plx" (artifact), "lib" (shared library and C header), "obj". */
plx_status plx_compile(plx_str model, plx_str emit, plx_str output,
                       const plx_compile_options *options, plx_error *error);
void plx_model_release(plx_model *model);
/* The model's manifest, JSON: docs/contracts.md, section 2. */
plx_status plx_model_manifest(const plx_model *model, plx_buffer **out, plx_error *error);
/* A plugin to use, or a folder of them, besides those that are found by themselves. */
plx_status plx_add_plugin(plx_str path, plx_error *error);
/* Threads that compute, 1..1024; 0: one for each core. */
plx_status plx_set_threads(int32_t threads, plx_error *error);

/* ---- Named tensors ---- */

typedef struct plx_named_view {
  size_t struct_size;
  const plx_chain *next;
  plx_str name;
  const plx_view *view; /* borrowed for the call */
} plx_named_view;

typedef struct plx_run_options {
  size_t struct_size;
  const plx_chain *next;
  plx_str schedule; /* empty: "forward" */
  /* Outputs: "logits", "last_hidden_state", "pooler_output", "hidden_states.3", taps as
   * "taps.3.mlp.out", or any that the model names. None: all that it names. */
  const plx_str *wants;
  size_t want_count;
  /* Feed the columns in pieces of these lengths through the states. */
  const int64_t *chunks;
  size_t chunk_count;
  const plx_option *const *options; /* of the model: subject, step_scale, ... */
  size_t option_count;
  int32_t
      refuse_nan; /* not 0: NaN in an input is an error; else it goes where arithmetic takes it */
  int32_t reserved;
} plx_run_options;

/* Token models take input_ids [B, S] and, as they apply, attention_mask, position_ids and
 * token_type_ids; masked columns come back as zeros. Other models take every input by its name:
 * sequences [B, S, ...] with lengths [B] where some are shorter, graphs [..., row].
 * `options` may be NULL. */
plx_status plx_model_run(const plx_model *model, const plx_named_view *const *inputs, size_t count,
                         const plx_run_options *options, plx_tensors **out, plx_error *error);

/* plx_model_run for runs that are made often: bound once to the memory of its inputs, which callers
 * write new numbers into, and of its outputs. Inputs of another type than the model's (an int64
 * subject) are read once. Every run begins from fresh states; after the first one none makes a heap
 * allocation. One thread at a time; not for models that run on tokens. */
typedef struct plx_prepared plx_prepared;
plx_status plx_model_prepare(const plx_model *model, const plx_named_view *const *inputs,
                             size_t count, const plx_run_options *options, plx_prepared **out,
                             plx_error *error);
plx_status plx_prepared_run(plx_prepared *prepared, plx_error *error);
/* The outputs; every run writes them anew, and they outlive `prepared`. */
plx_status plx_prepared_outputs(const plx_prepared *prepared, plx_tensors **out, plx_error *error);
void plx_prepared_release(plx_prepared *prepared);

/* A schedule fed piece by piece; its states, and samples of unfinished frames, stay from call to
 * call. One thread at a time; the model must outlive it. */
typedef struct plx_stream plx_stream;

typedef struct plx_stream_options {
  size_t struct_size;
  const plx_chain *next;
  const plx_run_options *run; /* may be NULL; without chunks */
  /* Models without states whose row is a window of samples: its length, and how far it moves; 0:
   * the samples or frames of the model itself. */
  int64_t window, hop;
} plx_stream_options;

/* `options` may be NULL. */
plx_status plx_stream_open(const plx_model *model, const plx_stream_options *options,
                           plx_stream **out, plx_error *error);
/* The next samples of every input that has a sequence axis; other inputs go with the first call.
 * *out: the outputs of the rows that are complete with them, maybe none (a size of 0). A failed
 * call leaves the stream as it was. */
plx_status plx_stream_push(plx_stream *stream, const plx_named_view *const *inputs, size_t count,
                           plx_tensors **out, plx_error *error);
/* Binds the memory of the next samples, as many as `inputs` have: every plx_prepared_run pushes
 * what lies there by then. The stream must outlive it; not for streams of frames. */
plx_status plx_stream_prepare(plx_stream *stream, const plx_named_view *const *inputs, size_t count,
                              plx_prepared **out, plx_error *error);
/* Begins anew. */
void plx_stream_reset(plx_stream *stream);
void plx_stream_release(plx_stream *stream);

/* ---- Text ---- */

/* Token ids of a text: *out holds int32_t. */
plx_status plx_model_tokenize(const plx_model *model, plx_str text, int32_t add_special,
                              plx_buffer **out, plx_error *error);
plx_status plx_model_decode(const plx_model *model, const int32_t *ids, size_t count,
                            int32_t skip_special, plx_buffer **out, plx_error *error);
/* One tensor "embeddings", F32 [count, dimensions]. */
plx_status plx_model_embed(const plx_model *model, const plx_str *texts, size_t count,
                           plx_tensors **out, plx_error *error);

typedef struct plx_chat_message {
  size_t struct_size;
  const plx_chain *next;
  plx_str role; /* "system", "user", "assistant" */
  plx_str content;
} plx_chat_message;

typedef struct plx_generate_options {
  size_t struct_size;
  const plx_chain *next;
  /* Exactly one of these three. */
  plx_str prompt;
  const int32_t *prompt_ids;
  size_t prompt_id_count;
  const plx_chat_message *const *chat; /* put into the model's chat template */
  size_t chat_count;

  plx_str strategy; /* empty: "sample" where temperature is above 0, else "greedy" */
  const plx_option *const *options; /* of strategy and samplers: temperature, top_k, ... */
  size_t option_count;
  const plx_model *const *drafts; /* for strategies that draft */
  size_t draft_count;
  int64_t max_tokens; /* 0: 256 */
  uint64_t seed;
  const int32_t *eos; /* instead of the model's own */
  size_t eos_count;
  int32_t ignore_eos;
  int32_t reserved;
  const plx_str *stops; /* texts to stop at */
  size_t stop_count;
  /* Each piece as it comes; 0 cancels. `text` may be empty while a character is incomplete. */
  int32_t (*on_piece)(void *user, const int32_t *ids, size_t count, plx_str text);
  void *user;
} plx_generate_options;

typedef struct plx_generated plx_generated;

/* Generates and returns when done; PLX_CANCELLED where on_piece said so. */
plx_status plx_generate(const plx_model *model, const plx_generate_options *options,
                        plx_generated **out, plx_error *error);
/* Sequences: one, or as many as the strategy gives (beams, best first). What is handed out below
 * lives as long as the result; past the end it is empty. */
size_t plx_generated_count(const plx_generated *generated);
plx_str plx_generated_text(const plx_generated *generated, size_t index);
const int32_t *plx_generated_ids(const plx_generated *generated, size_t index, size_t *count);
/* 1 and *score set where the strategy gives scores, else 0. */
int32_t plx_generated_score(const plx_generated *generated, size_t index, double *score);
/* A number of the generation, -1 where there is none of that name: "prompt_tokens", "steps",
 * "first_token_seconds", "total_seconds", or a counter of the strategy ("drafted", "accepted"). */
double plx_generated_number(const plx_generated *generated, plx_str name);
void plx_generated_release(plx_generated *generated);

/* ---- Graphs ---- */

/* A graph that the program writes itself, with the functions of plx_graph_api (family.h;
 * <plexus/graph.hpp> in C++), and compiles in memory. One thread at a time. */
typedef struct plx_graph_build plx_graph_build;

/* `weights`: a .safetensors file that sources refer to, or empty where all are constants. */
plx_status plx_graph_build_new(plx_str name, plx_str weights, plx_graph_build **out,
                               plx_error *error);
const plx_graph_api *plx_graph_build_api(const plx_graph_build *build);
plx_graph *plx_graph_build_graph(const plx_graph_build *build);
/* Ends the building; the build can only be released after it. */
plx_status plx_graph_build_compile(plx_graph_build *build, const plx_compile_options *options,
                                   plx_model **out, plx_error *error);
void plx_graph_build_release(plx_graph_build *build);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLEXUS_PLEXUS_H */
