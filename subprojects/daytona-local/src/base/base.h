/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground everything else stands on: memory, strings, logging, random names, wall time.
 *
 * The server treats lack of memory as the end of the process: the dl_x* functions never
 * return NULL. Sizes that come from a peer are checked against a ceiling before they get here.
 */
#ifndef DL_BASE_H
#define DL_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DL_VERSION "0.1.0"
/* The platform version whose wire behaviour we follow. */
#define DL_API_VERSION "0.205.1-local"

#define DL_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define DL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

void *dl_xmalloc(size_t size);
void *dl_xcalloc(size_t count, size_t size);
void *dl_xrealloc(void *ptr, size_t size);
char *dl_xstrdup(const char *text);
char *dl_xstrndup(const char *text, size_t len);
char *dl_xprintf(const char *fmt, ...) DL_PRINTF(1, 2);
char *dl_xvprintf(const char *fmt, va_list args);

/* Replace *slot with a copy of `text` (NULL allowed), freeing what was there. */
void dl_set(char **slot, const char *text);

/* True if both texts are equal; takes as long for a wrong text as for a right one. */
bool dl_same_secret(const char *a, const char *b);
bool dl_starts_with(const char *text, const char *prefix);

/* --- log: one line per fact on stderr, never a secret --- */

typedef enum { DL_LOG_ERROR, DL_LOG_WARN, DL_LOG_INFO, DL_LOG_DEBUG } dl_log_level_t;

void dl_log_set_level(dl_log_level_t level);
/* "error", "warn", "info", "debug"; false for anything else. */
bool dl_log_level_parse(const char *text, dl_log_level_t *out);
void dl_log(dl_log_level_t level, const char *fmt, ...) DL_PRINTF(2, 3);

#define dl_error(...) dl_log(DL_LOG_ERROR, __VA_ARGS__)
#define dl_warn(...) dl_log(DL_LOG_WARN, __VA_ARGS__)
#define dl_info(...) dl_log(DL_LOG_INFO, __VA_ARGS__)
#define dl_debug(...) dl_log(DL_LOG_DEBUG, __VA_ARGS__)

/* --- random: from the kernel; the process ends if there is none --- */

#define DL_UUID_LEN 36
typedef struct {
  char text[DL_UUID_LEN + 1];
} dl_uuid_t;

void dl_random_bytes(void *out, size_t len);
dl_uuid_t dl_uuid_new(void);
/* Any RFC 4122 UUID in its 36 character form, either case. */
bool dl_is_uuid(const char *text);
/* `len` characters drawn evenly from `alphabet` (at most 256 of them). */
char *dl_random_token(size_t len, const char *alphabet);

extern const char DL_ALPHABET_HEX[];
extern const char DL_ALPHABET_LOWER[];   /* a-z 0-9 */
extern const char DL_ALPHABET_MIXED[];   /* a-z A-Z 0-9 */
extern const char DL_ALPHABET_PREVIEW[]; /* a-z 0-9 - _ */

/* --- wall time in milliseconds since 1970, UTC --- */

int64_t dl_wall_ms(void);
/* The same pace from an unknown beginning, and no jumps. */
int64_t dl_steady_ms(void);
#define DL_ISO_LEN 24
typedef struct {
  char text[DL_ISO_LEN + 8];
} dl_iso_t;

/* 2026-08-20T09:15:30.123Z */
dl_iso_t dl_iso_format(int64_t wall_ms);
/* ISO 8601 date or date-time with optional fraction (any length) and `Z` or +hh:mm. */
bool dl_iso_parse(const char *text, int64_t *out);

/* --- text --- */

/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool dl_utf8_valid(const char *text, size_t len);
/* A decimal number (exponents allowed) that is an integer in the given range. */
bool dl_parse_int(const char *text, int64_t min, int64_t max, int64_t *out);
bool dl_parse_double(const char *text, double *out);
bool dl_parse_bool(const char *text, bool *out);

#endif
