/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See redirect.h.
 */
#include "net/redirect.h"

#include <string.h>
#include <strings.h>

bool daytona__redirect_is_asked(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_same_origin(const daytona__target_t *a, const daytona__target_t *b) {
  return a->is_secure == b->is_secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The same server over TLS: what was sent to it in the clear may be sent to it again. */
static bool is_upgrade(const daytona__target_t *from, const daytona__target_t *to) {
  bool has_port = from->port == to->port || (from->port == 80 && to->port == 443);
  return !from->is_secure && to->is_secure && has_port && strcmp(from->host, to->host) == 0;
}

static bool is_get(const char *method) { return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0; }

/* Browsers make a GET of a POST after 301 and 302, which would do something else than was asked for. */
static bool loses_request(int status, const char *method) {
  return status <= 302 && strcmp(method, "POST") == 0;
}

int daytona__redirect_follow(daytona__redirect_t *redirect, int status, const char *method, bool has_body,
                             const daytona__target_t *from, const daytona__target_t *to,
                             const char **message) {
  daytona__redirect_t next = *redirect;
  bool is_elsewhere = redirect->is_elsewhere || (!is_same_origin(from, to) && !is_upgrade(from, to));
  next.count++;
  next.is_foreign = next.is_foreign || !is_same_origin(from, to);
  next.becomes_get = next.becomes_get || (status == 303 && !is_get(method));
  *message = NULL;
  if (next.count > DAYTONA__REDIRECTS_MAX)
    *message = "there were too many";
  else if (from->is_secure && !to->is_secure)
    *message = "from TLS to none";
  else if (loses_request(status, method))
    *message = "it would turn the request into another";
  else if (is_elsewhere && has_body && !next.becomes_get)
    *message = "another server is not shown what was sent";
  if (*message != NULL) return DAYTONA_EPROTOCOL;
  next.is_elsewhere = is_elsewhere;
  *redirect = next;
  return 0;
}

bool daytona__redirect_hides(const daytona__redirect_t *redirect, const char *name) {
  static const char *const hidden[] = {"Authorization", "Cookie", "Proxy-Authorization", "traceparent",
                                       "tracestate"};
  if (!redirect->is_foreign) return false;
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
    if (strcasecmp(name, hidden[i]) == 0) return true;
  return strncasecmp(name, "X-Daytona-", 10) == 0;
}
