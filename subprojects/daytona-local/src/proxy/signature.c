/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed file URLs. The signature covers method, unencoded path and time of expiry:
 * "v1_" + base64url(HMAC-SHA256(key, "v1:files:METHOD:PATH:EXPIRES")), without padding.
 */
#include "proxy/signature.h"

#include "http/url.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

char *dl_signature_make(const char *key, const char *method, const char *path, const char *expires) {
  unsigned char digest[32];
  char *text = dl_xprintf("v1:files:%s:%s:%s", method, path, expires);
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, strlen(key), text, strlen(text), digest);
  free(text);
  gnutls_datum_t in = {digest, sizeof digest}, out = {0};
  gnutls_base64_encode2(&in, &out);
  char *signature = dl_xprintf("v1_%.*s", (int)out.size, (const char *)out.data);
  gnutls_free(out.data);
  for (char *c = signature + 3; *c; c++) {
    if (*c == '+') *c = '-';
    if (*c == '/') *c = '_';
    if (*c == '=') *c = '\0';
  }
  return signature;
}

/* The method a signature for this endpoint was made for; NULL when it takes none. */
static const char *signed_method(const char *method, const char *endpoint) {
  bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
  if (strcmp(endpoint, "/files/download") == 0) return is_read ? "GET" : NULL;
  if (strcmp(endpoint, "/files/upload-v2") == 0) return strcmp(method, "POST") == 0 ? "POST" : NULL;
  return NULL;
}

bool dl_signature_is_for(const char *endpoint) {
  return signed_method("GET", endpoint) != NULL || signed_method("POST", endpoint) != NULL;
}

/* Whoever carries the request out reads the query by rules of its own, for instance when a path is no UTF-8. With
 * more than one path it might take another than the one that was signed. */
static bool has_one_path(const char *raw) {
  size_t count = 0;
  for (const char *at = raw; *at != '\0';) {
    size_t len = strcspn(at, "&");
    const char *equals = memchr(at, '=', len);
    char *key = dl_url_decode(at, equals ? (size_t)(equals - at) : len, true);
    if (key != NULL && strcmp(key, "path") == 0) count++;
    free(key);
    at += len + (at[len] == '&');
  }
  return count == 1;
}

dl_signature_t dl_signature_check(const char *key, dl_req_t *req, const char *endpoint, int64_t now_ms) {
  const dl_query_t *q = dl_req_query(req);
  const char *method = signed_method(dl_req_method(req), endpoint), *path = dl_query_get(q, "path");
  const char *expires = dl_query_get(q, "expires"), *signature = dl_query_get(q, "signature");
  int64_t seconds;
  if (!method || !expires || !signature || !dl_parse_int(expires, 0, INT64_C(253402300799), &seconds))
    return DL_SIGNATURE_BAD;
  if (!path || !*path) return DL_SIGNATURE_NO_PATH;
  if (!has_one_path(dl_req_raw_query(req))) return DL_SIGNATURE_BAD;
  char *expected = dl_signature_make(key, method, path, expires);
  bool is_good = dl_same_secret(expected, signature) && (seconds == 0 || seconds * 1000 > now_ms);
  free(expected);
  return is_good ? DL_SIGNATURE_GOOD : DL_SIGNATURE_BAD;
}
