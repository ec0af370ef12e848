/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets and proxies; see proxy.h.
 *
 * libcurl parses the same URL again. What is accepted here must therefore mean the same to both, which is
 * why a host is letters, digits, '-', '.', '_' and '~' or an address in its one usual form, and nothing else.
 */
#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "core/memory.h"

/* --- addresses ---------------------------------------------------------------------------------- */

typedef struct address {
  int bits; /* 0: not an address, else 32 or 128 */
  unsigned char bytes[16];
} address_t;

static address_t address_parse(const char *text) {
  address_t address = {0};
  if (strchr(text, '%') != NULL) return address; /* libuv would skip a zone */
  if (uv_inet_pton(AF_INET, text, address.bytes) == 0)
    address.bits = 32;
  else if (uv_inet_pton(AF_INET6, text, address.bytes) == 0)
    address.bits = 128;
  return address;
}

static bool same_network(const address_t *a, const address_t *b, int bits) {
  if (a->bits == 0 || a->bits != b->bits || bits > a->bits) return false;
  int whole = bits / 8, rest = bits % 8;
  if (memcmp(a->bytes, b->bytes, (size_t)whole) != 0) return false;
  return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

/* --- hosts and ports ---------------------------------------------------------------------------- */

static bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Whether a name ends in a label that URL parsers take for a number: "127.1", "0x7f000001", "1". */
static bool looks_numeric(const char *host) {
  size_t size = strlen(host);
  if (size != 0 && host[size - 1] == '.') size--;
  size_t start = size;
  while (start > 0 && host[start - 1] != '.') start--;
  if (start == size) return true; /* an empty last label */
  if (host[start] == '0' && host[start + 1] == 'x') return true;
  for (size_t i = start; i < size; i++)
    if (host[i] < '0' || host[i] > '9') return false;
  return true;
}

/* Decimal, 1 to 65535; -1 otherwise. */
static int port_parse(const char *text, size_t size) {
  if (size == 0 || size > 5) return -1;
  int port = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    port = port * 10 + (text[i] - '0');
  }
  return port >= 1 && port <= 65535 ? port : -1;
}

/* "host", "host:port", "[v6]:port" of `size` bytes. `*port` stays as it is when none is given. */
static int authority_parse(const char *text, size_t size, char host[DAYTONA__HOST_ROOM], int *port,
                           bool *is_literal) {
  bool has_brackets = size != 0 && text[0] == '[';
  const char *end = has_brackets ? memchr(text, ']', size) : memchr(text, ':', size);
  if (has_brackets && end == NULL) return DAYTONA_EINVAL;
  const char *start = has_brackets ? text + 1 : text;
  size_t host_size = end != NULL ? (size_t)(end - start) : size;
  const char *rest = start + host_size + (has_brackets ? 1 : 0);
  size_t rest_size = size - (size_t)(rest - text);
  if (host_size == 0 || host_size >= DAYTONA__HOST_ROOM) return DAYTONA_EINVAL;
  for (size_t i = 0; i < host_size; i++) host[i] = daytona__to_lower(start[i]);
  host[host_size] = '\0';
  address_t address = address_parse(host);
  *is_literal = address.bits != 0;
  if (has_brackets != (address.bits == 128)) return DAYTONA_EINVAL;
  for (size_t i = 0; !has_brackets && i < host_size; i++)
    if (!is_host_char(host[i])) return DAYTONA_EINVAL;
  if (address.bits == 0 && looks_numeric(host)) return DAYTONA_EINVAL;
  if (rest_size == 0) return 0;
  int given = rest[0] == ':' ? port_parse(rest + 1, rest_size - 1) : -1;
  if (given < 0) return DAYTONA_EINVAL;
  *port = given;
  return 0;
}

/* The scheme's name, if `url` starts with "name://". */
static bool has_scheme(const char *url, const char *name, const char **after) {
  size_t size = strlen(name);
  if (strncasecmp(url, name, size) != 0 || strncmp(url + size, "://", 3) != 0) return false;
  *after = url + size + 3;
  return true;
}

int daytona__target_parse(const char *url, daytona__target_t *out, const char **path) {
  daytona__target_t target = {0};
  const char *authority;
  if (url == NULL) return DAYTONA_EINVAL;
  if (has_scheme(url, "https", &authority) || has_scheme(url, "wss", &authority))
    target.is_secure = true;
  else if (!has_scheme(url, "http", &authority) && !has_scheme(url, "ws", &authority))
    return DAYTONA_EINVAL;
  target.port = target.is_secure ? 443 : 80;
  size_t size = strcspn(authority, "/?#");
  int error = authority_parse(authority, size, target.host, &target.port, &target.is_literal);
  if (error != 0) return error;
  /* Blanks and line breaks would end the request line; a peer must never see them. */
  for (const char *at = authority + size; *at != '\0'; at++)
    if ((unsigned char)*at <= ' ' || *at == 0x7f) return DAYTONA_EINVAL;
  *out = target;
  if (path != NULL) *path = authority + size;
  return 0;
}

/* --- proxies ------------------------------------------------------------------------------------ */

/* Percent-decoding in place into a new string; a broken or NUL escape is an error. */
static int decode(const char *text, size_t size, char **out) {
  char *copy = daytona__strndup(text, size);
  if (copy == NULL) return DAYTONA_ENOMEM;
  size_t used = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '%') {
      copy[used++] = text[i];
      continue;
    }
    int high = i + 2 < size ? daytona__hex_digit(text[i + 1]) : -1;
    int low = high >= 0 ? daytona__hex_digit(text[i + 2]) : -1;
    if (low < 0 || high * 16 + low == 0) {
      daytona__free(copy);
      return DAYTONA_EINVAL;
    }
    copy[used++] = (char)(high * 16 + low);
    i += 2;
  }
  copy[used] = '\0';
  *out = copy;
  return 0;
}

static int credentials_parse(const char *text, size_t size, daytona__proxy_t *proxy) {
  const char *colon = memchr(text, ':', size);
  size_t user_size = colon != NULL ? (size_t)(colon - text) : size;
  int error = decode(text, user_size, &proxy->user);
  if (error != 0 || colon == NULL) return error;
  return decode(colon + 1, size - user_size - 1, &proxy->password);
}

static const struct {
  const char *name;
  daytona__proxy_kind_t kind;
  int port;
} proxy_schemes[] = {
  {"http", DAYTONA__PROXY_HTTP, 1080},     {"https", DAYTONA__PROXY_HTTPS, 443},
  {"socks4", DAYTONA__PROXY_SOCKS4, 1080}, {"socks4a", DAYTONA__PROXY_SOCKS4, 1080},
  {"socks5", DAYTONA__PROXY_SOCKS5, 1080}, {"socks5h", DAYTONA__PROXY_SOCKS5, 1080},
  {"socks", DAYTONA__PROXY_SOCKS5, 1080},
};

int daytona__proxy_parse(const char *url, daytona__proxy_t *out) {
  daytona__proxy_t proxy = {.kind = DAYTONA__PROXY_HTTP, .port = 1080};
  const char *authority = url;
  bool is_known = strstr(url, "://") == NULL, is_literal;
  for (size_t i = 0; !is_known && i < sizeof proxy_schemes / sizeof proxy_schemes[0]; i++) {
    if (!has_scheme(url, proxy_schemes[i].name, &authority)) continue;
    proxy.kind = proxy_schemes[i].kind;
    proxy.port = proxy_schemes[i].port;
    is_known = true;
  }
  if (!is_known) return DAYTONA_EINVAL;
  size_t size = strcspn(authority, "/?#");
  size_t user_size = size;
  while (user_size > 0 && authority[user_size - 1] != '@') user_size--;
  int error = 0;
  if (user_size > 0) error = credentials_parse(authority, user_size - 1, &proxy);
  if (error == 0)
    error = authority_parse(authority + user_size, size - user_size, proxy.host, &proxy.port, &is_literal);
  if (error != 0)
    daytona__proxy_clear(&proxy);
  else
    *out = proxy;
  return error;
}

void daytona__proxy_clear(daytona__proxy_t *proxy) {
  if (proxy->user != NULL) daytona__wipe(proxy->user, strlen(proxy->user));
  if (proxy->password != NULL) daytona__wipe(proxy->password, strlen(proxy->password));
  daytona__free(proxy->user);
  daytona__free(proxy->password);
  proxy->user = proxy->password = NULL;
}

/* --- exceptions --------------------------------------------------------------------------------- */

/* `name` itself or something under it; dots at the ends do not count. */
static bool is_host_under(const char *host, const char *name) {
  size_t host_size = strlen(host), size = strlen(name);
  if (host_size != 0 && host[host_size - 1] == '.') host_size--;
  if (size != 0 && name[size - 1] == '.') size--;
  if (size != 0 && name[0] == '.') {
    name++;
    size--;
  }
  if (size == 0 || size > host_size) return false;
  const char *tail = host + host_size - size;
  return strncasecmp(tail, name, size) == 0 && (tail == host || tail[-1] == '.');
}

/* Cut ":port" and brackets off an entry. False: the entry is for another port, or malformed. */
static bool entry_strip(char *entry, char **host, int port) {
  char *rest = NULL;
  *host = entry;
  if (entry[0] == '[') {
    char *end = strchr(entry, ']');
    if (end == NULL) return false;
    *host = entry + 1;
    *end = '\0';
    rest = end + 1;
    if (*rest == '/') { /* "[fd00::]/8" */
      memmove(end, rest, strlen(rest) + 1);
      return true;
    }
  } else {
    char *colon = strchr(entry, ':');
    if (colon != NULL && strchr(colon + 1, ':') == NULL) rest = colon;
  }
  if (rest == NULL || *rest == '\0') return true;
  bool is_port = *rest == ':' && port_parse(rest + 1, strlen(rest + 1)) == port;
  *rest = '\0';
  return is_port;
}

static bool entry_matches(char *entry, const char *host, const address_t *address, int port) {
  char *name;
  if (strcmp(entry, "*") == 0) return true;
  if (!entry_strip(entry, &name, port)) return false;
  if (address->bits == 0) return is_host_under(host, name);
  char *slash = strchr(name, '/');
  int bits = address->bits;
  if (slash != NULL) {
    *slash = '\0';
    char *end;
    long given = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end != '\0' || given < 0 || given > 128) return false;
    bits = (int)given;
  }
  address_t network = address_parse(name);
  return same_network(&network, address, bits);
}

bool daytona__no_proxy_matches(const char *no_proxy, const char *host, int port) {
  if (no_proxy == NULL) return false;
  address_t address = address_parse(host);
  while (*no_proxy != '\0') {
    size_t size = strcspn(no_proxy, ", \t\r\n");
    char entry[DAYTONA__HOST_ROOM + 16];
    if (size != 0 && size < sizeof entry) {
      memcpy(entry, no_proxy, size);
      entry[size] = '\0';
      if (entry_matches(entry, host, &address, port)) return true;
    }
    no_proxy += size;
    no_proxy += strspn(no_proxy, ", \t\r\n");
  }
  return false;
}

bool daytona__host_is_loopback(const char *host) {
  static const address_t v4 = {32, {127}}, v6 = {128, {[15] = 1}}, mapped = {128, {[10] = 0xff, 0xff, 127}};
  address_t address = address_parse(host);
  if (address.bits == 0) return is_host_under(host, "localhost");
  return same_network(&v4, &address, 8) || same_network(&v6, &address, 128) ||
         same_network(&mapped, &address, 104);
}

const char *daytona__proxy_pick(const daytona__proxy_options_t *options, const daytona__target_t *target) {
  const char *url = target->is_secure ? options->https_proxy : options->http_proxy;
  if (url == NULL || *url == '\0') return NULL;
  if (options->spares_loopback && daytona__host_is_loopback(target->host)) return NULL;
  return daytona__no_proxy_matches(options->no_proxy, target->host, target->port) ? NULL : url;
}
