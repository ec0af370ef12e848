/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes matched on the encoded path; a segment is decoded only after it was distinguished from its
 * neighbours, so that %2F inside a name never separates.
 */
#include "http/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *at;
  size_t len;
} span_t;

#define SEGMENTS_MAX 16

/* Doubled slashes count as one. -1 when there are too many segments. */
static int split(const char *path, span_t *out) {
  int n = 0;
  while (*path) {
    while (*path == '/') path++;
    size_t len = strcspn(path, "/");
    if (len == 0) break;
    if (n == SEGMENTS_MAX) return -1;
    out[n++] = (span_t){path, len};
    path += len;
  }
  return n;
}

static bool is_param(const span_t *s) { return s->len > 2 && s->at[0] == '{'; }
static bool is_rest(const span_t *s) { return is_param(s) && s->at[s->len - 2] == '*'; }

/* One bit per segment, set for a literal, the first segment highest; -1: no match. */
static long match(const char *pattern, const span_t *have, int count) {
  span_t want[SEGMENTS_MAX];
  int n = split(pattern, want);
  long score = 1;
  for (int i = 0; i < n; i++) {
    if (is_rest(&want[i])) return score << (SEGMENTS_MAX - i);
    if (i >= count) return -1;
    bool literal = !is_param(&want[i]);
    if (literal && (want[i].len != have[i].len || memcmp(want[i].at, have[i].at, want[i].len) != 0))
      return -1;
    score = score << 1 | literal;
  }
  return n == count ? score << (SEGMENTS_MAX - n) : -1;
}

static bool bind_params(dl_req_t *req, const char *pattern, const span_t *have, int count) {
  span_t want[SEGMENTS_MAX];
  int n = split(pattern, want);
  for (int i = 0; i < n; i++) {
    if (is_rest(&want[i])) {
      req->rest = i < count ? have[i].at : "";
      return true;
    }
    if (!is_param(&want[i]) || req->param_count == DL_PARAMS_MAX) continue;
    char *value = dl_url_decode(have[i].at, have[i].len, false);
    if (!value) return false;
    size_t at = req->param_count++;
    req->params[at] = value;
    req->param_names[at] = want[i].at + 1;
    req->param_name_lens[at] = want[i].len - 2;
  }
  return true;
}

const dl_route_t *dl_route_find(dl_req_t *req, const dl_route_t *routes, size_t count, const char *path,
                                bool *bad_escape) {
  span_t have[SEGMENTS_MAX];
  const dl_route_t *best = NULL;
  long best_score = -1;
  *bad_escape = false;
  int n = split(path, have);
  /* A path deeper than any route can still match one with a rest. */
  if (n < 0) n = SEGMENTS_MAX;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(routes[i].method, "*") != 0 && strcmp(routes[i].method, req->method) != 0) continue;
    long score = match(routes[i].path, have, n);
    if (score > best_score) {
      best_score = score;
      best = &routes[i];
    }
  }
  if (best && !bind_params(req, best->path, have, n)) {
    *bad_escape = true;
    return NULL;
  }
  return best;
}

/* --- tables joined --- */

struct dl_routes {
  size_t count;
  dl_route_t rows[];
};

/* Both take some request, and neither path is more specific than the other. */
static bool is_same(const dl_route_t *a, const dl_route_t *b) {
  span_t x[SEGMENTS_MAX], y[SEGMENTS_MAX];
  bool is_any = strcmp(a->method, "*") == 0 || strcmp(b->method, "*") == 0;
  if (!is_any && strcmp(a->method, b->method) != 0) return false;
  int n = split(a->path, x);
  if (n != split(b->path, y)) return false;
  for (int i = 0; i < n; i++) {
    if (is_param(&x[i]) != is_param(&y[i]) || is_rest(&x[i]) != is_rest(&y[i])) return false;
    if (is_param(&x[i])) continue;
    if (x[i].len != y[i].len || memcmp(x[i].at, y[i].at, x[i].len) != 0) return false;
  }
  return true;
}

static char *check_row(const dl_routes_t *r, const dl_route_t *row) {
  span_t segments[SEGMENTS_MAX];
  int n = split(row->path, segments), params = 0;
  for (int i = 0; i < n; i++) params += is_param(&segments[i]) && !is_rest(&segments[i]);
  if (n < 0 || params > DL_PARAMS_MAX)
    return dl_xprintf("the route %s has too many segments or parameters", row->path);
  for (size_t i = 0; i < r->count; i++)
    if (is_same(&r->rows[i], row))
      return dl_xprintf("the routes %s %s and %s %s take the same requests", r->rows[i].method,
                        r->rows[i].path, row->method, row->path);
  return NULL;
}

dl_routes_t *dl_routes_join(const dl_route_table_t *tables, size_t count, char **error) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += tables[i].count;
  dl_routes_t *r = dl_xcalloc(1, sizeof *r + total * sizeof *r->rows);
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < tables[i].count; j++) {
      char *problem = check_row(r, &tables[i].routes[j]);
      if (problem) {
        *error = problem;
        dl_routes_free(r);
        return NULL;
      }
      r->rows[r->count++] = tables[i].routes[j];
    }
  }
  assert(r->count == total);
  return r;
}

void dl_routes_free(dl_routes_t *r) { free(r); }

const dl_route_t *dl_routes_find(dl_req_t *req, const dl_routes_t *routes, const char *path,
                                 bool *bad_escape) {
  return dl_route_find(req, routes->rows, routes->count, path, bad_escape);
}
