/* The part of the stable plugin ABI that model families need: a graph builder, the parsed config
 * and the index of weights.
 *
 * A family is found by its id ("llama", what config.json calls model_type) through the plugin's
 * manifest (plugin.h), asks the config what to build, and builds the model once with the functions
 * of plx_graph_api. Nothing here throws, blocks or keeps a pointer after the call returns.
 *
 * The builder is generic on purpose: a new op is a new name for plx_graph_api::op, never a new
 * function. docs/writing-a-family.md lists the ops with their operands, attributes and formulas.
 *
 * Errors are sticky: after a failing call every further call on the same graph does nothing and
 * returns PLX_NO_VALUE, so a family may check once, at its end. The first error is the one
 * reported, prefixed with the segment and op that it happened in.
 */
#ifndef PLEXUS_FAMILY_H
#define PLEXUS_FAMILY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A value of the segment or schedule being built; only valid until that one is closed. */
typedef int32_t plx_value;
/* How a weight is computed from tensors of the source file; valid as long as the graph. */
typedef int32_t plx_recipe;
#define PLX_NO_VALUE (-1)

typedef struct plx_graph plx_graph;

typedef enum plx_attr_kind {
  PLX_ATTR_INT = 1,    /* i */
  PLX_ATTR_FLOAT = 2,  /* f */
  PLX_ATTR_BOOL = 3,   /* i: 0 or 1 */
  PLX_ATTR_STRING = 4, /* s */
  PLX_ATTR_INTS = 5,   /* ints[count] */
  PLX_ATTR_FLOATS = 6  /* floats[count] */
} plx_attr_kind;

typedef struct plx_attr {
  uint32_t struct_size;
  int32_t kind; /* plx_attr_kind */
  const char *name;
  int64_t i;
  double f;
  const char *s;
  const int64_t *ints;
  const float *floats;
  size_t count;
} plx_attr;

typedef enum plx_state_kind {
  PLX_STATE_KV = 1,     /* keys and values, appended, kept for the whole context */
  PLX_STATE_RING = 2,   /* keys and values of the last `window` tokens */
  PLX_STATE_REPLACE = 3 /* one f32 tensor of `shape`, replaced by every token; zeros at first */
} plx_state_kind;

typedef struct plx_state_desc {
  uint32_t struct_size;
  const void *next; /* extensions; NULL */
  int32_t kind;     /* plx_state_kind */
  int64_t heads, key_dim, value_dim;
  int64_t window;       /* PLX_STATE_RING: tokens kept; otherwise 0 */
  const int64_t *shape; /* PLX_STATE_REPLACE: sizes of a sequence's state in one layer */
  size_t rank;
  /* PLX_STATE_REPLACE: names under which runs on named tensors take the initial state and give the
   * final one, [layers that use it, B, shape...]; NULL: they do not. */
  const char *input, *output;
} plx_state_desc;

/* What runs along the leading dimension of an argument. */
typedef enum plx_rows {
  PLX_ROWS_NONE = 0, /* a dense tensor: its shape is whole */
  PLX_ROWS_TOKENS = 1,
  PLX_ROWS_SEQUENCES = 2,
  PLX_ROWS_OUTPUTS = 3
} plx_rows;

typedef struct plx_arg_desc {
  uint32_t struct_size;
  int32_t rows;         /* plx_rows */
  const int64_t *shape; /* without the row axis */
  size_t rank;
  const char *dtype; /* "F32" or "I32" */
} plx_arg_desc;

/* Builds a graph. All functions return a value, recipe or count >= 0, or PLX_NO_VALUE on error. */
typedef struct plx_graph_api {
  uint32_t struct_size;
  const void *next;

  /* Recipes. A name may hold "{layer}", which a run's layer replaces; shape and type must be the
   * same in all layers. */
  plx_recipe (*source)(plx_graph *g, const char *name);
  plx_recipe (*concat)(plx_graph *g, int64_t axis, const plx_recipe *parts, size_t count);
  plx_recipe (*slice)(plx_graph *g, plx_recipe of, int64_t axis, int64_t begin, int64_t size);
  plx_recipe (*transpose)(plx_graph *g, plx_recipe of, const int64_t *perm, size_t rank);
  plx_recipe (*reshape)(plx_graph *g, plx_recipe of, const int64_t *shape, size_t rank);
  plx_recipe (*scale)(plx_graph *g, plx_recipe of, double factor);
  plx_recipe (*offset)(plx_graph *g, plx_recipe of, double addend);
  /* Values that the builder computed itself, f32, copied. */
  plx_recipe (*constant)(plx_graph *g, const float *data, const int64_t *shape, size_t rank);
  /* Declares a weight under `name` (letters, digits, '_', '.'). Declaring it again with an equal
   * recipe is allowed and does nothing: that is how tied weights are one. */
  int32_t (*weight)(plx_graph *g, const char *name, plx_recipe recipe);
  int32_t (*state)(plx_graph *g, const char *name, const plx_state_desc *desc);

  /* Segments. begin fills values[count] with the arguments and *batch with the batch. */
  int32_t (*segment_begin)(plx_graph *g, const char *name, const plx_arg_desc *const *args,
                           size_t count, plx_value *values, plx_value *batch);
  plx_value (*param)(plx_graph *g, const char *weight);
  plx_value (*get_state)(plx_graph *g, const char *state);
  /* Appends `name`; its results are stored in results[capacity] and their number is returned. An
   * operand that the op may do without is PLX_NO_VALUE in its place. */
  int32_t (*op)(plx_graph *g, const char *name, const plx_value *operands, size_t operand_count,
                const plx_attr *const *attrs, size_t attr_count, plx_value *results,
                size_t capacity);
  int32_t (*segment_end)(plx_graph *g, const plx_value *results, size_t count);
  /* Dims of a tensor value, dynamic rows as -1. Returns the rank. */
  int32_t (*shape)(plx_graph *g, plx_value v, int64_t *dims, size_t capacity);

  /* The schedule: which segments run, in which order. Inputs are named as callers name them
   * ("input_ids"); args as for segments. */
  int32_t (*schedule_begin)(plx_graph *g, const char *name, const char *const *input_names,
                            const plx_arg_desc *const *args, size_t count, plx_value *values);
  /* layer: >= 0, or -1 for a segment without one. Returns the number of results. */
  int32_t (*run)(plx_graph *g, const char *segment, int64_t layer, const plx_value *operands,
                 size_t operand_count, const float *scalars, size_t scalar_count,
                 plx_value *results, size_t capacity);
  /* Values at block boundaries, in order: hidden_states.0, .1, ... */
  int32_t (*hidden)(plx_graph *g, const plx_value *values, size_t count);
  int32_t (*schedule_end)(plx_graph *g, const char *const *output_names, const plx_value *outputs,
                          size_t count);

  /* Facts about the model that the runtime needs: "task", "context", "layers", "hidden_size",
   * "vocab_size", "positions" (docs/writing-a-family.md). */
  int32_t (*info_string)(plx_graph *g, const char *key, const char *value);
  int32_t (*info_int)(plx_graph *g, const char *key, int64_t value);

  /* Ends the build with an error of the family's own. `code` is a plx status code. */
  void (*fail)(plx_graph *g, int32_t code, const char *message);
  /* 1 while nothing has failed. */
  int32_t (*ok)(plx_graph *g);

  /* More recipes, by name: "sum" of parts of one shape; "einsum" (axes = "ik,kj->ij"); "box" (axis,
   * count): a part convolved with ones; "renorm" (number): rows of axis 0 whose L2 norm is above
   * number, scaled down to it; "rsqrt" (number): 1 / sqrt(x + number); "exp": e^x, f32; "whiten"
   * (result): what a covariance matrix makes of measurements (plexus/ssm.hpp). */
  plx_recipe (*recipe)(plx_graph *g, const char *kind, const plx_recipe *parts, size_t count,
                       const plx_attr *const *attrs, size_t attr_count);

  /* What callers of a run see (docs/writing-a-family.md, "Ports"):
   *   "port" of an input or output `name` of the open schedule: axes (string), fill (float: what an
   *     input holds that is not given), least (int: samples that a sequence has at least; above 1:
   *     it comes whole);
   *   "frames" of the open schedule (name ""): size, hop, pad (ints), whole (bool);
   *   "option" of the model: integer (bool), default (float; none: it must be set), known (floats).
   */
  int32_t (*describe)(plx_graph *g, const char *what, const char *name,
                      const plx_attr *const *attrs, size_t attr_count);
} plx_graph_api;

/* The model's config and weights. Paths are keys joined by '.', e.g. "rope_parameters.factor".
 * Reading a field marks it as honoured; a field that was neither read nor declared inert fails the
 * import, with its name and value. */
typedef struct plx_model_source plx_model_source;
typedef struct plx_source_api {
  uint32_t struct_size;
  const void *next;
  /* 1: there and not null; 0: absent or null. Does not mark the field as read. */
  int32_t (*has)(plx_model_source *m, const char *path);
  /* 1 and *out set; 0: absent or null (out untouched); -1: of another type (the host reports it).
   */
  int32_t (*get_int)(plx_model_source *m, const char *path, int64_t *out);
  int32_t (*get_float)(plx_model_source *m, const char *path, double *out);
  int32_t (*get_bool)(plx_model_source *m, const char *path, int32_t *out);
  /* The string lives as long as the source. */
  int32_t (*get_string)(plx_model_source *m, const char *path, const char **out);
  /* Elements of an array, or -1 when absent; elements are read as "path.0", "path.1", ... */
  int64_t (*array_size)(plx_model_source *m, const char *path);
  /* Declares fields that do not change what this model computes. */
  void (*inert)(plx_model_source *m, const char *const *paths, size_t count);

  /* Weights: 1 if there; dims gets up to `capacity` sizes and *rank the rank. No "{layer}" here. */
  int32_t (*weight)(plx_model_source *m, const char *name, int64_t *dims, size_t capacity,
                    size_t *rank);
  /* Weights that may stay unused, as patterns with '*'. */
  void (*unused)(plx_model_source *m, const char *const *patterns, size_t count);

  /* 1: the field is there and null, which may mean something else than its absence. */
  int32_t (*is_null)(plx_model_source *m, const char *path);

  /* The numbers of a weight, row-major as f32, for what the graph depends on (a mask, statistics to
   * fold). 1 if there and `count` is how many it has; 0: absent; -1: another count. */
  int32_t (*values)(plx_model_source *m, const char *name, float *out, size_t count);
} plx_source_api;

/* What get_factory("plexus.family/llama") of a plugin returns. */
#define PLX_FAMILY_FACTORY "plexus.family/"
typedef struct plx_family {
  uint32_t struct_size;
  const void *next;
  const char *id;
  /* Builds the whole model into g. 0, or a plx status code (with a message given to api->fail). */
  int32_t (*build)(const plx_source_api *source_api, plx_model_source *source,
                   const plx_graph_api *graph_api, plx_graph *g);
} plx_family;

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLEXUS_FAMILY_H */
