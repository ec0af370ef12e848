/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs: what the configuration may name as a base, and the address of one call.
 *
 * A builder remembers the first thing that went wrong, so that a service states path and query in one
 * go and asks once, at the end:
 *
 *   daytona__url_t url;
 *   daytona__url_init(&url);
 *   daytona__url_path(&url, base, "/sandbox/{}/ports/{}/preview-url", id, port);
 *   daytona__url_query(&url, "expand", opts->expand);
 *   if (daytona__url_finish(&url, arena, &text) != 0) ... url.problem
 */
#ifndef DAYTONA_WIRE_URL_H
#define DAYTONA_WIRE_URL_H

#include <stdbool.h>

#include <daytona/types.h>

#include "core/arena.h"
#include "core/strbuf.h"

typedef struct daytona__url {
  daytona__strbuf_t text; /* its error is the builder's */
  const char *problem;    /* one static line for people; NULL while all is well */
  bool has_query;
} daytona__url_t;

void daytona__url_init(daytona__url_t *url);

/*
 * `base` (as daytona__url_base() made it) and behind it `path`, in which each "{}" stands for the next
 * argument, a const char *. An argument is one segment: everything but unreserved characters is
 * percent-encoded. NULL, "", ".", ".." and invalid UTF-8 are refused, because the request would name another
 * resource than the one that was meant.
 */
void daytona__url_path(daytona__url_t *url, const char *base, const char *path, ...);

/* The parts of daytona__url_path(): the base, text that goes as it is, and one argument. */
void daytona__url_base_of(daytona__url_t *url, const char *base);
void daytona__url_text(daytona__url_t *url, const char *text, size_t size);
void daytona__url_segment(daytona__url_t *url, const char *value);

/* Add to the query. What is not given (NULL, unset, an empty list) is left out; "" is sent as "". */
void daytona__url_query(daytona__url_t *url, const char *key, const char *value);
void daytona__url_query_int(daytona__url_t *url, const char *key, daytona_opt_int_t value);
void daytona__url_query_num(daytona__url_t *url, const char *key, daytona_opt_num_t value);
void daytona__url_query_bool(daytona__url_t *url, const char *key, daytona_opt_bool_t value);

/* One "key=value" for each value. */
void daytona__url_query_list(daytona__url_t *url, const char *key, daytona_strings_t values);

/*
 * The finished URL in `arena`. 0; DAYTONA_EINVAL, DAYTONA_ELIMIT or DAYTONA_ENOMEM, with `url->problem`
 * set. Either way the builder holds no memory afterwards.
 */
int daytona__url_finish(daytona__url_t *url, daytona__arena_t *arena, const char **out);

/* For a builder that is given up. Harmless after daytona__url_finish(). */
void daytona__url_clear(daytona__url_t *url);

/*
 * Check a base URL and bring it into the form the builder needs: scheme http or https in lower case, a
 * host, perhaps a port and a path, no slash at the end. Credentials, query, fragment and anything that
 * is not printable ASCII are refused. 0, DAYTONA_EINVAL, DAYTONA_ELIMIT or DAYTONA_ENOMEM; `*problem` (may be
 * NULL) then says why, in static words that do not repeat the URL.
 */
int daytona__url_base(daytona__arena_t *arena, const char *text, const char **out, const char **problem);

#endif
