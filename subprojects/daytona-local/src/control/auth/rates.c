/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed-window rate limits. The number of windows is bounded: when a peer invents addresses, the
 * table is emptied rather than grown without end.
 */
#include "control/auth/rates.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define WINDOWS_MAX 10000

typedef struct {
  int64_t start, count;
} window_t;

static const char *const names[DL_BUCKET_COUNT] = {"authenticated", "sandbox-create", "sandbox-lifecycle",
                                                   "sandbox-list",  "anonymous",      "failed-auth"};

const char *dl_bucket_name(dl_bucket_t bucket) { return names[bucket]; }

bool dl_bucket_parse(const char *name, dl_bucket_t *out) {
  for (int i = 0; i < DL_BUCKET_COUNT; i++) {
    if (strcmp(names[i], name) != 0) continue;
    *out = (dl_bucket_t)i;
    return true;
  }
  return false;
}

void dl_rates_init(dl_rates_t *l, const dl_rate_opts_t opts[DL_BUCKET_COUNT]) {
  *l = (dl_rates_t){0};
  memcpy(l->opts, opts, sizeof l->opts);
}

void dl_rates_clear(dl_rates_t *l) {
  for (size_t i = 0; i < l->windows.capacity; i++) free(l->windows.slots[i].value);
  dl_map_clear(&l->windows);
}

/* Whoever has one address of IPv6 has all of its /64, so that is what is counted. */
static char *key_of(dl_bucket_t bucket, const char *who) {
  struct in6_addr address;
  char prefix[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET6, who, &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address))
    return dl_xprintf("%d/%s", (int)bucket, who);
  memset(address.s6_addr + 8, 0, 8);
  return dl_xprintf("%d/%s/64", (int)bucket, inet_ntop(AF_INET6, &address, prefix, sizeof prefix));
}

static window_t *window_of(dl_rates_t *l, dl_bucket_t bucket, const char *who) {
  char *key = key_of(bucket, who);
  window_t *w = dl_map_get(&l->windows, key);
  if (!w) {
    if (l->windows.count >= WINDOWS_MAX) dl_rates_clear(l);
    w = dl_xcalloc(1, sizeof *w);
    dl_map_put(&l->windows, key, w);
  }
  free(key);
  return w;
}

dl_verdict_t dl_rates_take(dl_rates_t *l, dl_bucket_t bucket, const char *who, int cost, int64_t now) {
  const dl_rate_opts_t *o = &l->opts[bucket];
  if (o->limit == 0) return (dl_verdict_t){0};
  window_t *w = window_of(l, bucket, who);
  if (now >= w->start + o->window_ms) *w = (window_t){now, 0};
  bool is_blocked = cost > 0 ? w->count >= o->limit : w->count > o->limit - 1;
  if (!is_blocked) w->count += cost;
  int64_t left = w->start + o->window_ms - now;
  return (dl_verdict_t){
    .is_limited = true,
    .is_blocked = is_blocked,
    .limit = o->limit,
    .remaining = o->limit - w->count,
    .reset_seconds = (left + 999) / 1000,
  };
}

bool dl_rates_parse(const char *text, dl_rate_opts_t opts[DL_BUCKET_COUNT]) {
  char name[32] = {0};
  size_t len = strcspn(text, "=");
  dl_bucket_t bucket;
  if (text[len] != '=' || len >= sizeof name) return false;
  memcpy(name, text, len);
  char *number = dl_xstrdup(text + len + 1);
  char *slash = strchr(number, '/');
  int64_t limit = 0, seconds = 60;
  if (slash) *slash = '\0';
  bool ok = dl_bucket_parse(name, &bucket) && dl_parse_int(number, 1, 1000000000, &limit) &&
            (!slash || dl_parse_int(slash + 1, 1, 86400, &seconds));
  free(number);
  if (ok) opts[bucket] = (dl_rate_opts_t){limit, seconds * 1000};
  return ok;
}
