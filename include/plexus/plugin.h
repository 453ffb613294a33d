/* The stable plugin ABI: what every plugin of the stable tier and its host agree on.
 *
 * A plugin is a shared object that
 *   - carries a manifest, a JSON text in the ELF section `.plexus.manifest` (PLX_PLUGIN_MANIFEST),
 *     which the host reads and checks before any code of the plugin runs, constructors included;
 *   - exports exactly one symbol, the constant `plx_plugin_entry`;
 *   - has no undefined symbol of the host: whatever the host offers comes in tables of functions.
 *
 * Versions. A plugin is accepted when its manifest names the host's major version and a minor
 * version that is not newer than the host's: a plugin built today loads in every later 1.x. Minor
 * versions add fields at the end of structs, ids, and factories; they never change what is there.
 *
 * Rules for every struct, unless it says otherwise (only plx_str does):
 *   - It begins with `struct_size`, set by whoever fills it to the sizeof that it was compiled
 * with. The reader treats fields past that size as zero; fields that the reader does not know and
 * that are not zero make it answer PLX_UNSUPPORTED with a message. They are never ignored.
 *   - `next` chains extensions (plx_chain); an unknown extension is PLX_UNSUPPORTED as well.
 *   - Arrays of structs cross as arrays of pointers, so that a struct may grow. Arrays of numbers
 *     cross as pointer and count.
 *   - Function tables grow at their end; a function past `struct_size`, or NULL, does not exist.
 *
 * Memory. Whatever is passed in is borrowed for the call, unless the function says for longer.
 * Whoever allocates frees; nothing is freed across the boundary.
 *
 * Errors. A fallible function returns a plx_status, and on failure reports a message to the
 * plx_error that it was given (which may be NULL). No C++ exception and no longjmp crosses the
 * boundary in either direction; <plexus/plugin.hpp> turns exceptions into statuses.
 *
 * Threads. Entry and factories may be called from any thread, never from two at once for one
 * plugin. What instances are promised is said where they are declared.
 *
 * What a plugin can provide, and the header that says how:
 *   <plexus/strategy.h>  decoding strategies     <plexus/sampler.h>  samplers and logit processors
 *   <plexus/family.h>    model families
 */
#ifndef PLEXUS_PLUGIN_H
#define PLEXUS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLX_ABI_MAJOR 1
#define PLX_ABI_MINOR 0

/* The minor version that the manifest asks for. Define it before this header to ask for less than
 * the headers offer, when nothing newer is used: the plugin then loads in older hosts too. */
#ifndef PLX_PLUGIN_ABI_MINOR
#define PLX_PLUGIN_ABI_MINOR PLX_ABI_MINOR
#endif

/* What kind of failure it was. Values never change meaning; unknown ones read as PLX_INTERNAL. */
typedef int32_t plx_status;
enum {
  PLX_OK = 0,
  PLX_INVALID_ARGUMENT = 1,   /* asked for something that makes no sense */
  PLX_NOT_FOUND = 2,          /* no file, tensor, family, plugin or option of that name */
  PLX_CORRUPT = 3,            /* bytes from outside break their format's rules */
  PLX_UNSUPPORTED = 4,        /* well formed, but not done; the message names it */
  PLX_MISMATCH = 5,           /* versions, shapes, types or targets that do not fit each other */
  PLX_RESOURCE_EXHAUSTED = 6, /* memory, disk, context length, or a stated limit */
  PLX_NOT_KEPT = 7,           /* a state cannot go back that far (rings, recurrent states) */
  PLX_CANCELLED = 8,
  PLX_INTERNAL = 9,
  PLX_IO = 10
};

/* UTF-8 text or bytes: not NUL-terminated, borrowed. The one struct that never grows and therefore
 * passes by value and has no struct_size. data may be NULL when size is 0. */
typedef struct plx_str {
  const char *data;
  size_t size;
} plx_str;

/* The head that every extension struct begins with. */
typedef struct plx_chain {
  size_t struct_size;
  const struct plx_chain *next;
  uint32_t kind; /* which extension this is; version 1.0 defines none */
} plx_chain;

/* Where a failing call leaves its message. The caller owns it; the callee calls `set` at most once,
 * with text that names the file, tensor, field or op, what was expected and what was found.
 * The text is copied before `set` returns. */
typedef struct plx_error {
  size_t struct_size;
  void *self;
  void (*set)(void *self, plx_str message);
} plx_error;

typedef enum plx_dtype {
  PLX_DTYPE_F32 = 1,
  PLX_DTYPE_F16 = 2,
  PLX_DTYPE_BF16 = 3,
  PLX_DTYPE_F64 = 4,
  PLX_DTYPE_I8 = 5,
  PLX_DTYPE_U8 = 6,
  PLX_DTYPE_I16 = 7,
  PLX_DTYPE_I32 = 8,
  PLX_DTYPE_I64 = 9,
  PLX_DTYPE_BOOL = 10 /* one byte, 0 or 1 */
} plx_dtype;

typedef enum plx_device { PLX_DEVICE_CPU = 1 } plx_device;

/* A strided view of numbers that somebody else owns. `shape` and `strides` have `ndim` entries;
 * strides count elements, may be 0 (broadcast), and NULL means dense row-major. */
typedef struct plx_view {
  size_t struct_size;
  const plx_chain *next;
  void *data;
  int32_t dtype;  /* plx_dtype */
  int32_t device; /* plx_device */
  int32_t ndim;   /* 0..8 */
  int32_t reserved;
  const int64_t *shape;
  const int64_t *strides;
} plx_view;

/* `key = value` as a person would write it: --set key=value. */
typedef struct plx_option {
  size_t struct_size;
  const plx_chain *next;
  plx_str key;
  plx_str value;
} plx_option;

typedef enum plx_log_level {
  PLX_LOG_DEBUG = 0,
  PLX_LOG_INFO = 1,
  PLX_LOG_WARNING = 2,
  PLX_LOG_ERROR = 3
} plx_log_level;

/* What the host offers to every plugin, alive until the plugin's deinit returns. */
typedef struct plx_host_api {
  size_t struct_size;
  const plx_chain *next;
  uint32_t abi_major, abi_minor; /* the host's */
  plx_str version;               /* of Plexus, such as "0.1.0" */
  void *self;                    /* first argument of the functions below */
  /* One message for the person who runs the host; any thread. */
  void (*log)(void *self, int32_t level /* plx_log_level */, plx_str message);
  /* Other tables by id, or NULL; version 1.0 has none. */
  const void *(*get_extension)(void *self, const char *id);
} plx_host_api;

/* The entry point: a constant, so that looking at it runs nothing. */
typedef struct plx_plugin {
  size_t struct_size;
  const plx_chain *next;
  uint32_t abi_major, abi_minor; /* as in the manifest; differing from it is refused */
  /* Called once, before anything else; `host` stays valid until deinit. May be NULL. A failure
   * makes the host refuse the plugin with the reported message; deinit is not called then. */
  plx_status (*init)(const plx_host_api *host, plx_error *error);
  /* Called once, when no instance is alive any more. May be NULL. */
  void (*deinit)(void);
  /* The factory of that id (PLX_STRATEGY_FACTORY_ID, ...; NUL-terminated), or NULL when the plugin
   * has none. It stays valid until deinit. Its first members are struct_size and next. */
  const void *(*get_factory)(const char *id);
} plx_plugin;

#define PLX_PLUGIN_ENTRY_SYMBOL "plx_plugin_entry"
#define PLX_MANIFEST_SECTION ".plexus.manifest"

#if defined(__GNUC__)
#define PLX_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#error "the stable plugin ABI is defined for GCC and Clang on ELF"
#endif
/* Keeps the manifest where the linker drops unused sections. */
#if defined(__has_attribute)
#if __has_attribute(retain)
#define PLX_RETAIN __attribute__((retain))
#endif
#endif
#ifndef PLX_RETAIN
#define PLX_RETAIN
#endif
extern PLX_PLUGIN_EXPORT const plx_plugin plx_plugin_entry;

/* The manifest: one JSON object.
 *   {"abi": [1, 0], "name": "greedy", "version": "1.0.0",
 *    "provides": [{"kind": "strategy", "id": "greedy", "lossless": true, "summary": "..."}]}
 * name, version and ids: 1 to 64 characters of [A-Za-z0-9._+-]; at most 64 KiB, 256 provisions and
 * a depth of 8. kind: strategy, family, sampler, tokenizer, kernel (kinds and keys that the host
 * does not know are listed, never loaded). Further keys of a provision: lossless     strategy:
 * claims the ids of greedy decoding, or the target's distribution when sampling; the test harness
 * holds it to that model_types  family: array of the `model_type`s of config.json that it builds
 *   summary      one line for `plexus plugins`
 * Write this once, at file scope: PLX_PLUGIN_MANIFEST("name", "version", "[{...}]") */
#define PLX_PLUGIN_MANIFEST(name, version, provides)                                               \
  PLX_RETAIN __attribute__((                                                                       \
      used, section(PLX_MANIFEST_SECTION))) static const char plx_plugin_manifest_[] =             \
      "{\"abi\":[" PLX_STRING_(PLX_ABI_MAJOR) "," PLX_STRING_(                                     \
          PLX_PLUGIN_ABI_MINOR) "],"                                                               \
                                "\"name\":\"" name "\",\"version\":\"" version                     \
                                "\",\"provides\":" provides "}"
#define PLX_STRING_(x) PLX_STRING_2_(x)
#define PLX_STRING_2_(x) #x

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* PLEXUS_PLUGIN_H */
