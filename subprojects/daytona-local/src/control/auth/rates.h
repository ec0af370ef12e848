/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits in fixed windows: one counter per bucket and caller. A bucket exists only when it
 * was configured. Once it is exceeded it stays blocked to the end of its window.
 */
#ifndef DL_RATES_H
#define DL_RATES_H

#include "base/map.h"

typedef enum {
  DL_BUCKET_AUTHENTICATED,
  DL_BUCKET_CREATE,
  DL_BUCKET_LIFECYCLE,
  DL_BUCKET_LIST,
  DL_BUCKET_ANONYMOUS,
  DL_BUCKET_FAILED_AUTH,
  DL_BUCKET_COUNT
} dl_bucket_t;

typedef struct {
  int64_t limit; /* 0: no such bucket */
  int64_t window_ms;
} dl_rate_opts_t;

typedef struct {
  dl_rate_opts_t opts[DL_BUCKET_COUNT];
  dl_map_t windows; /* "<bucket>/<who>" -> window */
} dl_rates_t;

typedef struct {
  bool is_limited; /* the bucket exists */
  bool is_blocked;
  int64_t limit, remaining, reset_seconds;
} dl_verdict_t;

const char *dl_bucket_name(dl_bucket_t bucket);
bool dl_bucket_parse(const char *name, dl_bucket_t *out);
void dl_rates_init(dl_rates_t *l, const dl_rate_opts_t opts[DL_BUCKET_COUNT]);
void dl_rates_clear(dl_rates_t *l);
/* Count one call (`cost` 0: only look). `who`: any name; an address of IPv6 counts as its /64. */
dl_verdict_t dl_rates_take(dl_rates_t *l, dl_bucket_t bucket, const char *who, int cost, int64_t now);
/* "sandbox-create=300/60": limit and window in seconds. */
bool dl_rates_parse(const char *text, dl_rate_opts_t opts[DL_BUCKET_COUNT]);

#endif
