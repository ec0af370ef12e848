/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small value types that every noun shares: optional numbers, string lists, string maps.
 *
 * Everything here is plain data. A zeroed value means "absent" or "empty".
 */
#ifndef DAYTONA_TYPES_H
#define DAYTONA_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>

DAYTONA_BEGIN

/** The version of this header; compare with daytona_version(). */
#define DAYTONA_VERSION "0.1.0"
#define DAYTONA_VERSION_MAJOR 0
#define DAYTONA_VERSION_MINOR 1
#define DAYTONA_VERSION_PATCH 0

/** The same for `#if`: DAYTONA_VERSION_NUMBER >= 0x000200 is 0.2.0 or newer. */
#define DAYTONA_VERSION_NUMBER \
  (DAYTONA_VERSION_MAJOR << 16 | DAYTONA_VERSION_MINOR << 8 | DAYTONA_VERSION_PATCH)
/** 1 when these headers are of that version or newer, for `#if DAYTONA_VERSION_AT_LEAST(0, 2, 0)`. Each number is at most 255. */
#define DAYTONA_VERSION_AT_LEAST(major, minor, patch) \
  (DAYTONA_VERSION_NUMBER >= ((major) << 16 | (minor) << 8 | (patch)))

/** For a `timeout_ms`: no time limit. (0 means the default.) */
#define DAYTONA_NO_TIMEOUT ((int64_t)-1)

/** Options of calls that need nothing else. */
typedef struct daytona_call_opts {
  int64_t timeout_ms;   /**< Optional. Milliseconds. The header or function states the default. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_call_opts_t;

/** An integer for which 0 is a valid value. All zero: not given. */
typedef struct daytona_opt_int {
  bool is_set;
  int64_t value;
} daytona_opt_int_t;

/** A number that may be absent. All zero: not given. */
typedef struct daytona_opt_num {
  bool is_set;
  double value;
} daytona_opt_num_t;

/** A flag for which false differs from not given. All zero: not given. */
typedef struct daytona_opt_bool {
  bool is_set;
  bool value;
} daytona_opt_bool_t;

/** The optional integer that holds `value`. */
static inline daytona_opt_int_t daytona_int(int64_t value) {
  daytona_opt_int_t opt;
  opt.is_set = true;
  opt.value = value;
  return opt;
}

/** The optional number that holds `value`. */
static inline daytona_opt_num_t daytona_num(double value) {
  daytona_opt_num_t opt;
  opt.is_set = true;
  opt.value = value;
  return opt;
}

/** The optional flag that holds `value`. */
static inline daytona_opt_bool_t daytona_bool(bool value) {
  daytona_opt_bool_t opt;
  opt.is_set = true;
  opt.value = value;
  return opt;
}

/** The three above for programs that cannot use inline functions: `out` is filled in. Thread: any. */
DAYTONA_API void daytona_opt_int_set(daytona_opt_int_t *out, int64_t value);
DAYTONA_API void daytona_opt_num_set(daytona_opt_num_t *out, double value);
DAYTONA_API void daytona_opt_bool_set(daytona_opt_bool_t *out, bool value);

/** One entry of a string map. Both strings are NUL-terminated UTF-8. */
typedef struct daytona_pair {
  const char *key;
  const char *value;
} daytona_pair_t;

/** A string map, in the order given or received. `items` may be NULL when `count` is 0. */
typedef struct daytona_map {
  const daytona_pair_t *items;
  size_t count;
} daytona_map_t;

/** A list of strings. `items` may be NULL when `count` is 0. */
typedef struct daytona_strings {
  const char *const *items;
  size_t count;
} daytona_strings_t;

/**
 * The library will not use `user` any more: you may free it. Called exactly once for each call
 * that was given `user`, whatever the outcome of the call, also when an argument is bad or the
 * client is closed. Runs from a turn of the loop, after the callbacks of the call's future, unless
 * the option's comment says otherwise. Runs before the call returns when it cannot be deferred (no
 * memory, a thread other than the loop's, no client or sandbox). You may call anything.
 */
typedef void (*daytona_destroy_cb)(void *user);

/** The size of a sandbox. What is not given is the server's default. */
typedef struct daytona_resources {
  daytona_opt_int_t cpu;        /**< Optional. Cores, from 1. */
  daytona_opt_int_t memory_gib; /**< Optional. From 1. */
  daytona_opt_int_t disk_gib;   /**< Optional. From 1. */
  daytona_opt_int_t gpu;        /**< Optional. Units; 0: none. */
  daytona_strings_t gpu_types;  /**< Optional. Models, such as "H100". */
  uint64_t reserved[8];         /**< Must be zero. */
} daytona_resources_t;

/** Bytes that need not be text. `data` is followed by a NUL that `size` does not count. */
typedef struct daytona_bytes {
  const char *data;
  size_t size;
} daytona_bytes_t;

/**
 * The value of `key`, or NULL if the map has no such key. Keys are compared byte by byte.
 * Borrowed from the map. Thread: any, while no thread changes the map.
 */
DAYTONA_API const char *daytona_map_value(const daytona_map_t *map, const char *key);

/** The version of the library that the program runs with, such as "0.1.0". Thread: any. */
DAYTONA_API const char *daytona_version(void);

DAYTONA_END

#endif
