/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading Host and its like. What does not look like NAME or NAME:PORT is not believed at all.
 */
#include "control/auth/called.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 255

typedef struct {
  char name[NAME_MAX_BYTES + 1]; /* without brackets, in small letters */
  char port[8];                  /* with its colon, or empty: the scheme's own */
  bool is_v6;
} authority_t;

static bool read_authority(const char *text, authority_t *out) {
  static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  *out = (authority_t){.is_v6 = text[0] == '['};
  text += out->is_v6;
  size_t len = strcspn(text, out->is_v6 ? "]" : ":");
  if (len == 0 || len > NAME_MAX_BYTES || (out->is_v6 && text[len] != ']')) return false;
  for (size_t i = 0; i < len; i++)
    out->name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
  struct in6_addr v6;
  if (out->is_v6 ? inet_pton(AF_INET6, out->name, &v6) != 1 : out->name[strspn(out->name, chars)] != '\0')
    return false;
  const char *port = text + len + out->is_v6;
  int64_t number;
  if (*port == '\0') return true;
  if (*port != ':' || !dl_parse_int(port + 1, 1, 65535, &number)) return false;
  snprintf(out->port, sizeof out->port, ":%d", (int)number);
  return true;
}

static bool is_loopback(const authority_t *a) {
  static const char end[] = ".localhost";
  size_t len = strlen(a->name), end_len = sizeof end - 1;
  struct in_addr v4;
  if (a->is_v6) return strcmp(a->name, "::1") == 0;
  if (inet_pton(AF_INET, a->name, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return strcmp(a->name, "localhost") == 0 || (len > end_len && strcmp(a->name + len - end_len, end) == 0);
}

static bool same_address(const struct sockaddr *have, int family, const unsigned char *wanted) {
  if (have == NULL || have->sa_family != family) return false;
  if (family == AF_INET) return memcmp(&((const struct sockaddr_in *)have)->sin_addr, wanted, 4) == 0;
  return memcmp(&((const struct sockaddr_in6 *)have)->sin6_addr, wanted, 16) == 0;
}

/* A numeric address of one of this machine's interfaces. */
static bool is_own(const authority_t *a) {
  unsigned char wanted[16];
  int family = a->is_v6 ? AF_INET6 : AF_INET;
  struct ifaddrs *all;
  if (inet_pton(family, a->name, wanted) != 1 || getifaddrs(&all) != 0) return false;
  bool found = false;
  for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next)
    found = found || same_address(at->ifa_addr, family, wanted);
  freeifaddrs(all);
  return found;
}

/* By which name the client has called, if that is believed. */
static bool believed(const dl_front_t *f, const dl_req_t *req, authority_t *out) {
  const char *told = dl_is_from_trusted(f, req) ? dl_req_header(req, "X-Forwarded-Host") : NULL;
  if (told != NULL) return read_authority(told, out);
  const char *host = dl_req_header(req, "Host");
  return host != NULL && read_authority(host, out) && (is_loopback(out) || is_own(out));
}

bool dl_called_by_own_name(const dl_front_t *f, const dl_req_t *req) {
  authority_t a;
  if (believed(f, req, &a)) return true;
  const char *host = dl_req_header(req, "Host"), *own = strstr(f->url, "://");
  return host != NULL && own != NULL && strcasecmp(host, own + 3) == 0;
}

static const char *called_scheme(const dl_front_t *f, const dl_req_t *req) {
  const char *told = dl_is_from_trusted(f, req) ? dl_req_header(req, "X-Forwarded-Proto") : NULL;
  bool is_known = told != NULL && (strcmp(told, "http") == 0 || strcmp(told, "https") == 0);
  return is_known ? told : f->scheme;
}

char *dl_called_url(const dl_front_t *f, const dl_req_t *req) {
  authority_t a;
  if (f->has_public_url || !believed(f, req, &a)) return dl_xstrdup(f->url);
  return dl_xprintf("%s://%s%s%s%s", called_scheme(f, req), a.is_v6 ? "[" : "", a.name, a.is_v6 ? "]" : "",
                    a.port);
}

char *dl_called_scheme(const dl_front_t *f, const dl_req_t *req) {
  if (f->has_public_url) return dl_xstrndup(f->url, strcspn(f->url, ":"));
  return dl_xstrdup(called_scheme(f, req));
}

char *dl_called_domain(const dl_front_t *f, const dl_req_t *req) {
  authority_t a;
  if (f->has_proxy_domain || dl_is_from_trusted(f, req) || !believed(f, req, &a))
    return dl_xstrdup(f->domain);
  return dl_xprintf("localhost%s", a.port); /* an address has no names below it */
}
