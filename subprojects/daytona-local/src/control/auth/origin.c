/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of clients and of pages. Nothing here looks at a credential.
 */
#include "control/auth/origin.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- proxies in front of us --- */

char *dl_address_normal(const char *text) {
  struct in_addr v4;
  struct in6_addr v6;
  char out[INET6_ADDRSTRLEN] = "";
  if (inet_pton(AF_INET, text, &v4) == 1) return dl_xstrdup(inet_ntop(AF_INET, &v4, out, sizeof out));
  if (inet_pton(AF_INET6, text, &v6) != 1) return NULL;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return dl_xstrdup(inet_ntop(AF_INET, v6.s6_addr + 12, out, sizeof out));
  return dl_xstrdup(inet_ntop(AF_INET6, &v6, out, sizeof out));
}

static bool is_trusted(const dl_front_t *f, const char *address) {
  for (size_t i = 0; address != NULL && i < f->trusted_proxy_count; i++)
    if (strcmp(f->trusted_proxies[i], address) == 0) return true;
  return false;
}

bool dl_is_from_trusted(const dl_front_t *f, const dl_req_t *req) {
  char *peer = f->trusted_proxy_count > 0 ? dl_address_normal(dl_req_peer(req)) : NULL;
  bool found = is_trusted(f, peer);
  free(peer);
  return found;
}

static void join_addresses(void *user, const char *name, const char *value) {
  if (strcasecmp(name, "X-Forwarded-For") == 0) dl_buf_printf(user, "%s, ", value);
}

/* Some proxies add the port: "1.2.3.4:5", "[::1]:5". NULL: it is no address. Yours to free. */
static char *forwarded_address(const char *text, size_t len) {
  char *copy = dl_xstrndup(text, len), *address = dl_address_normal(copy);
  if (address == NULL && copy[0] == '[') {
    copy[strcspn(copy, "]")] = '\0';
    address = dl_address_normal(copy + 1);
  } else if (address == NULL) {
    copy[strcspn(copy, ":")] = '\0';
    address = dl_address_normal(copy);
  }
  free(copy);
  return address;
}

/* Each proxy adds whom it was called by at the end. So the last one that is none of ours is the client; what stands in front of
 * it is what the client says of itself. */
char *dl_client_address(const dl_front_t *f, const dl_req_t *req) {
  char *client = dl_xstrdup(dl_req_peer(req));
  dl_buf_t all;
  if (!dl_is_from_trusted(f, req)) return client;
  dl_buf_init(&all, 128 * 1024);
  dl_req_each_header(req, join_addresses, &all);
  for (size_t end = all.len; end > 0;) {
    size_t begin = end;
    while (begin > 0 && all.data[begin - 1] != ',') begin--;
    size_t from = begin, to = end;
    while (from < to && strchr(" \t", all.data[from]) != NULL) from++;
    while (to > from && strchr(" \t", all.data[to - 1]) != NULL) to--;
    end = begin > 0 ? begin - 1 : 0;
    if (from == to) continue;
    char *address = forwarded_address(all.data + from, to - from);
    if (address == NULL) break;
    free(client);
    client = address;
    if (!is_trusted(f, address)) break;
  }
  dl_buf_clear(&all);
  return client;
}

/* As strncasecmp, with '_' for '-'. */
static bool begins_like(const char *name, const char *prefix) {
  for (; *prefix != '\0'; name++, prefix++) {
    int have = *name == '_' ? '-' : tolower((unsigned char)*name);
    if (have != *prefix) return false;
  }
  return true;
}

bool dl_is_forwarding_header(const char *name) {
  return begins_like(name, "x-forwarded-") || strcasecmp(name, "Forwarded") == 0 ||
         (begins_like(name, "x-real-ip") && name[strlen("x-real-ip")] == '\0');
}

/* The address that a trusted proxy says it was called by. */
static const char *asked_host(const dl_front_t *f, const dl_req_t *req) {
  const char *host = dl_is_from_trusted(f, req) ? dl_req_header(req, "X-Forwarded-Host") : NULL;
  if (host == NULL) host = dl_req_header(req, "Host");
  return host != NULL ? host : "";
}

char *dl_forwarding_lines(const dl_front_t *f, const dl_req_t *req) {
  bool comes_from_trusted = dl_is_from_trusted(f, req);
  dl_buf_t lines;
  dl_buf_init(&lines, 128 * 1024);
  dl_buf_puts(&lines, "X-Forwarded-For: ");
  if (comes_from_trusted) dl_req_each_header(req, join_addresses, &lines);
  dl_buf_printf(&lines, "%s\r\n", dl_req_peer(req));
  if (!comes_from_trusted || dl_req_header(req, "X-Forwarded-Host") == NULL)
    dl_buf_printf(&lines, "X-Forwarded-Host: %s\r\n", asked_host(f, req));
  if (!comes_from_trusted || dl_req_header(req, "X-Forwarded-Proto") == NULL)
    dl_buf_printf(&lines, "X-Forwarded-Proto: %s\r\n", f->scheme);
  return dl_buf_take(&lines);
}

/* --- pages --- */

/* What follows "http://" or "https://" of an origin, which a browser writes in small letters. */
static const char *behind_scheme(const char *origin, const char *scheme) {
  size_t len = strlen(scheme);
  return strncmp(origin, scheme, len) == 0 && strncmp(origin + len, "://", 3) == 0 ? origin + len + 3 : NULL;
}

bool dl_origin_is_own(const dl_front_t *f, const dl_req_t *req, const char *origin) {
  const char *forwarded = dl_is_from_trusted(f, req) ? dl_req_header(req, "X-Forwarded-Proto") : NULL;
  const char *scheme = forwarded != NULL ? forwarded : f->scheme, *host = behind_scheme(origin, scheme);
  if (host == NULL && forwarded == NULL) {
    /* An https in front of us that is not listed shows in --public-url only. */
    size_t len = strcspn(f->url, ":");
    if (strncmp(origin, f->url, len) == 0 && strncmp(origin + len, "://", 3) == 0) host = origin + len + 3;
  }
  return host != NULL && *host != '\0' && strcasecmp(host, asked_host(f, req)) == 0;
}

/* A page of a sandbox's program: "3000-abc.localhost". */
static bool is_preview(const char *host, size_t len) {
  size_t digits = strspn(host, "0123456789");
  return digits > 0 && digits < len && host[digits] == '-';
}

/* A page that this machine serves. */
static bool is_loopback(const char *origin) {
  const char *host = behind_scheme(origin, "http");
  if (host == NULL) host = behind_scheme(origin, "https");
  if (host == NULL) return false;
  size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
  const char *port = host + len;
  if (*port != '\0' && (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1))) return false;
  static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
  for (size_t i = 0; i < DL_COUNT(names); i++)
    if (len == strlen(names[i]) && strncmp(host, names[i], len) == 0) return true;
  static const char end[] = ".localhost";
  size_t end_len = strlen(end);
  return len > end_len && strncmp(host + len - end_len, end, end_len) == 0 && !is_preview(host, len);
}

bool dl_origin_may_read(const dl_front_t *f, const dl_req_t *req, const char *origin) {
  for (size_t i = 0; i < f->allowed_origin_count; i++)
    if (strcmp(f->allowed_origins[i], origin) == 0) return true;
  return is_loopback(origin) || dl_origin_is_own(f, req, origin);
}

/* Reading is harmless: a page of another origin cannot look at the response. */
static bool only_reads(const dl_req_t *req) {
  const char *method = dl_req_method(req);
  bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
  return is_read && dl_req_header(req, "Upgrade") == NULL;
}

bool dl_ambient_credential_counts(const dl_front_t *f, const dl_req_t *req) {
  const char *origin = dl_req_header(req, "Origin"), *site = dl_req_header(req, "Sec-Fetch-Site");
  if (only_reads(req)) return true;
  if (origin != NULL) return dl_origin_is_own(f, req, origin);
  /* Every browser names the page for these; who does not is none, or says here that the page is the same. */
  return site == NULL || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}
