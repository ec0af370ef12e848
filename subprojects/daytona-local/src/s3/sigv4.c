/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4. The request is written anew in the one form that both sides know (path and query decoded and
 * encoded again, the signed headers trimmed, the hash of the body), and the signature of that must be the one that came.
 */
#include "s3/sigv4.h"

#include "http/url.h"
#include "s3/sums.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define CANONICAL_MAX (1024u * 1024)
#define EXPIRES_MAX_S (7 * 24 * 3600)
#define CREDENTIAL_MAX 512u
#define TOKEN_MAX 4096u

const char *dl_sigv4_header(const dl_sigv4_request_t *r, const char *name) {
  for (size_t i = 0; i < r->field_count; i++)
    if (strcasecmp(r->fields[i].name, name) == 0) return r->fields[i].value;
  return NULL;
}

/* --- reading --- */

/* 20261130T154212Z */
static bool read_stamp(const char *text, char out[17], int64_t *ms) {
  static const char form[] =
    "dddddddd"
    "T"
    "dddddd"
    "Z";
  struct tm tm = {0};
  if (strlen(text) != 16) return false;
  for (int i = 0; i < 16; i++)
    if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i]) return false;
  int n[14], at = 0;
  for (int i = 0; i < 16; i++)
    if (form[i] == 'd') n[at++] = text[i] - '0';
  tm.tm_year = n[0] * 1000 + n[1] * 100 + n[2] * 10 + n[3] - 1900;
  tm.tm_mon = n[4] * 10 + n[5] - 1;
  tm.tm_mday = n[6] * 10 + n[7];
  tm.tm_hour = n[8] * 10 + n[9];
  tm.tm_min = n[10] * 10 + n[11];
  tm.tm_sec = n[12] * 10 + n[13];
  if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
      tm.tm_min > 59 || tm.tm_sec > 60)
    return false;
  memcpy(out, text, 17);
  *ms = (int64_t)timegm(&tm) * 1000;
  return true;
}

static bool read_signature(const char *text, char out[65]) {
  if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64) return false;
  memcpy(out, text, 65);
  return true;
}

/* KEY/20261130/REGION/s3/aws4_request; the key may hold no slash. */
static dl_s3_code_t read_credential(dl_sigv4_t *s, const char *text, const char *region,
                                    const char **detail) {
  size_t key_len = strcspn(text, "/");
  if (key_len == 0 || text[key_len] != '/' || strlen(text) > CREDENTIAL_MAX)
    return DL_S3_AuthorizationHeaderMalformed;
  char *wanted = dl_xprintf("%.8s/%s/s3/aws4_request", s->stamp, region);
  const char *scope = text + key_len + 1;
  bool is_same = strcmp(scope, wanted) == 0;
  free(wanted);
  if (!is_same) {
    *detail =
      "the scope of the credential must be the date of the request, the region that comes with the "
      "credentials, s3, and aws4_request";
    return DL_S3_AuthorizationHeaderMalformed;
  }
  s->access_key = dl_xstrndup(text, key_len);
  s->scope = dl_xstrdup(scope);
  return DL_S3_OK;
}

/* Small letters, sorted, each once; host is among them. */
static bool check_signed_headers(const char *list) {
  const char *before = "";
  size_t before_len = 0;
  bool has_host = false;
  for (const char *at = list;;) {
    size_t len = strcspn(at, ";");
    if (len == 0) return false;
    for (size_t i = 0; i < len; i++)
      if (isupper((unsigned char)at[i]) || (unsigned char)at[i] <= ' ') return false;
    int order = strncmp(before, at, before_len < len ? before_len : len);
    if (order > 0 || (order == 0 && before_len >= len)) return false;
    has_host = has_host || (len == 4 && memcmp(at, "host", 4) == 0);
    before = at;
    before_len = len;
    if (at[len] == '\0') return has_host;
    at += len + 1;
  }
}

/* The value of `name` in "ALGORITHM name=value, name=value"; yours to free. NULL: missing, or there twice. */
static char *authorization_part(const char *text, const char *name) {
  size_t name_len = strlen(name);
  char *found = NULL;
  for (const char *at = text; *at != '\0';) {
    at += strspn(at, " ,");
    size_t len = strcspn(at, ",");
    if (len > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
      size_t value_len = len - name_len - 1;
      while (value_len > 0 && at[name_len + value_len] == ' ') value_len--;
      if (found) {
        free(found);
        return NULL;
      }
      found = dl_xstrndup(at + name_len + 1, value_len);
    }
    at += len;
  }
  return found;
}

static dl_s3_code_t read_header(dl_sigv4_t *s, const dl_sigv4_request_t *r, const char *region,
                                const char **detail) {
  const char *text = dl_sigv4_header(r, "Authorization") + strlen(ALGORITHM);
  const char *stamp = dl_sigv4_header(r, "X-Amz-Date"), *token = dl_sigv4_header(r, "X-Amz-Security-Token");
  const char *payload = dl_sigv4_header(r, "X-Amz-Content-SHA256");
  if (*text != ' ') return DL_S3_AuthorizationHeaderMalformed;
  if (!stamp || !read_stamp(stamp, s->stamp, &s->stamp_ms)) {
    *detail = "x-amz-date is missing, or not of the form 20261130T154212Z";
    return DL_S3_AccessDenied;
  }
  if (!payload) {
    *detail = "x-amz-content-sha256 is missing";
    return DL_S3_InvalidRequest;
  }
  s->payload = dl_xstrdup(payload);
  if (token) s->token = dl_xstrdup(token);
  char *credential = authorization_part(text, "Credential"),
       *signature = authorization_part(text, "Signature");
  s->signed_headers = authorization_part(text, "SignedHeaders");
  dl_s3_code_t code = DL_S3_AuthorizationHeaderMalformed;
  if (credential && signature && s->signed_headers && read_signature(signature, s->signature) &&
      check_signed_headers(s->signed_headers))
    code = read_credential(s, credential, region, detail);
  free(credential);
  free(signature);
  return code;
}

/* One value of each, or NULL. */
static const char *query_one(const dl_query_t *q, const char *name) {
  const char *found = NULL;
  for (size_t i = 0; i < q->count; i++) {
    if (strcmp(q->pairs[i].key, name) != 0) continue;
    if (found) return NULL;
    found = q->pairs[i].value;
  }
  return found;
}

static dl_s3_code_t read_query(dl_sigv4_t *s, const dl_sigv4_request_t *r, const dl_query_t *q,
                               const char *region, const char **detail) {
  const char *algorithm = query_one(q, "X-Amz-Algorithm"), *credential = query_one(q, "X-Amz-Credential");
  const char *stamp = query_one(q, "X-Amz-Date"), *expires = query_one(q, "X-Amz-Expires");
  const char *headers = query_one(q, "X-Amz-SignedHeaders"), *signature = query_one(q, "X-Amz-Signature");
  const char *token = query_one(q, "X-Amz-Security-Token");
  const char *payload = dl_sigv4_header(r, "X-Amz-Content-SHA256");
  int64_t seconds;
  s->is_presigned = true;
  if (!algorithm || strcmp(algorithm, ALGORITHM) != 0 || !credential || !stamp || !expires || !headers ||
      !signature || !read_stamp(stamp, s->stamp, &s->stamp_ms) ||
      !dl_parse_int(expires, 1, EXPIRES_MAX_S, &seconds) || !read_signature(signature, s->signature) ||
      !check_signed_headers(headers))
    return DL_S3_AuthorizationQueryParametersError;
  s->expires_ms = s->stamp_ms + seconds * 1000;
  s->signed_headers = dl_xstrdup(headers);
  s->payload = dl_xstrdup(payload ? payload : "UNSIGNED-PAYLOAD");
  if (token) s->token = dl_xstrdup(token);
  dl_s3_code_t code = read_credential(s, credential, region, detail);
  return code == DL_S3_OK ? code : DL_S3_AuthorizationQueryParametersError;
}

dl_s3_code_t dl_sigv4_read(dl_sigv4_t *s, const dl_sigv4_request_t *r, const char *region,
                           const char **detail) {
  const char *authorization = dl_sigv4_header(r, "Authorization");
  dl_s3_code_t code = DL_S3_AccessDenied;
  dl_query_t q;
  *s = (dl_sigv4_t){0};
  dl_query_parse(&q, r->query);
  bool is_query = query_one(&q, "X-Amz-Signature") != NULL || query_one(&q, "X-Amz-Algorithm") != NULL;
  if (is_query && authorization) {
    *detail = "there is a signature in the query and in a header";
    code = DL_S3_InvalidArgument;
  } else if (is_query) {
    code = read_query(s, r, &q, region, detail);
  } else if (authorization && dl_starts_with(authorization, ALGORITHM)) {
    code = read_header(s, r, region, detail);
  } else {
    *detail = "the request is not signed with " ALGORITHM;
  }
  dl_query_clear(&q);
  if (code == DL_S3_OK && s->token && strlen(s->token) > TOKEN_MAX) code = DL_S3_InvalidToken;
  if (code != DL_S3_OK) dl_sigv4_clear(s);
  return code;
}

void dl_sigv4_clear(dl_sigv4_t *s) {
  free(s->access_key);
  free(s->token);
  free(s->signed_headers);
  free(s->payload);
  free(s->scope);
  *s = (dl_sigv4_t){0};
}

dl_s3_code_t dl_sigv4_check_time(const dl_sigv4_t *s, int64_t now_ms) {
  if (s->stamp_ms > now_ms + DL_SIGV4_SKEW_MS) return DL_S3_RequestTimeTooSkewed;
  if (s->is_presigned) return now_ms > s->expires_ms ? DL_S3_AccessDenied : DL_S3_OK;
  return s->stamp_ms < now_ms - DL_SIGV4_SKEW_MS ? DL_S3_RequestTimeTooSkewed : DL_S3_OK;
}

/* --- writing it anew --- */

static void put_encoded(dl_buf_t *out, const char *text, bool keeps_slash) {
  for (const char *c = text; *c != '\0'; c++) {
    if (isalnum((unsigned char)*c) || strchr("-._~", *c) || (keeps_slash && *c == '/'))
      dl_buf_append(out, c, 1);
    else
      dl_buf_printf(out, "%%%02X", (unsigned char)*c);
  }
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* "name=value" with both encoded; NULL when it cannot be decoded. */
static char *encoded_pair(const char *text, size_t len) {
  const char *equals = memchr(text, '=', len);
  size_t name_len = equals ? (size_t)(equals - text) : len;
  char *name = dl_url_decode(text, name_len, true);
  char *value = equals ? dl_url_decode(equals + 1, len - name_len - 1, true) : dl_xstrdup("");
  char *pair = NULL;
  if (name && value) {
    dl_buf_t out;
    dl_buf_init(&out, CANONICAL_MAX);
    put_encoded(&out, name, false);
    dl_buf_puts(&out, "=");
    put_encoded(&out, value, false);
    pair = dl_buf_take(&out);
  }
  free(name);
  free(value);
  return pair;
}

/* Sorted by what is before and behind the '=', which sorts below everything that can be in a name. */
static bool put_query(dl_buf_t *out, const char *raw) {
  char *pairs[DL_QUERY_MAX];
  size_t count = 0;
  bool ok = true;
  while (ok && *raw != '\0') {
    size_t len = strcspn(raw, "&");
    if (len > 0 && !dl_starts_with(raw, "X-Amz-Signature=")) {
      pairs[count] = count + 1 < DL_COUNT(pairs) ? encoded_pair(raw, len) : NULL;
      ok = pairs[count] != NULL;
      count += ok;
    }
    raw += len + (raw[len] == '&');
  }
  /* '-', '.' and '%' sort below '=': names are compared alone. */
  for (size_t i = 0; i < count; i++) *strchr(pairs[i], '=') = '\1';
  qsort(pairs, count, sizeof *pairs, by_text);
  for (size_t i = 0; i < count; i++) {
    *strchr(pairs[i], '\1') = '=';
    dl_buf_printf(out, "%s%s", i > 0 ? "&" : "", pairs[i]);
    free(pairs[i]);
  }
  return ok;
}

/* Trimmed, and runs of blanks are one. */
static void put_value(dl_buf_t *out, const char *value) {
  value += strspn(value, " \t");
  size_t len = strlen(value);
  while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) len--;
  for (size_t i = 0; i < len; i++)
    if (value[i] != ' ' || value[i + 1] != ' ') dl_buf_append(out, value + i, 1);
}

static bool put_header(dl_buf_t *out, const dl_sigv4_request_t *r, const char *name, size_t len) {
  const char *value = NULL;
  if (len == 4 && memcmp(name, "host", 4) == 0) {
    value = r->host;
  } else {
    for (size_t i = 0; i < r->field_count; i++) {
      if (strlen(r->fields[i].name) != len || strncasecmp(r->fields[i].name, name, len) != 0) continue;
      if (value) return false;
      value = r->fields[i].value;
    }
  }
  if (!value) return false;
  dl_buf_append(out, name, len);
  dl_buf_puts(out, ":");
  put_value(out, value);
  dl_buf_puts(out, "\n");
  return true;
}

static bool is_signed(const dl_sigv4_t *s, const char *name) {
  size_t len = strlen(name);
  for (const char *at = s->signed_headers;; at++) {
    size_t part = strcspn(at, ";");
    if (part == len && strncasecmp(at, name, len) == 0) return true;
    at += part;
    if (*at == '\0') return false;
  }
}

/* What says what is to be done is signed: nobody on the way can add to it. Only the hash of a presigned body need not. */
static bool all_signed(const dl_sigv4_t *s, const dl_sigv4_request_t *r) {
  for (size_t i = 0; i < r->field_count; i++) {
    const char *name = r->fields[i].name;
    if (strncasecmp(name, "x-amz-", 6) == 0 && !is_signed(s, name)) return false;
  }
  return true;
}

char *dl_sigv4_canonical(const dl_sigv4_t *s, const dl_sigv4_request_t *r, const char **detail) {
  dl_buf_t out;
  dl_buf_init(&out, CANONICAL_MAX);
  char *path = dl_url_decode(r->path, strlen(r->path), false);
  bool ok = path != NULL;
  *detail = ok ? NULL : "the path cannot be decoded";
  dl_buf_printf(&out, "%s\n", r->method);
  if (ok) put_encoded(&out, path, true);
  free(path);
  dl_buf_puts(&out, "\n");
  if (ok && !put_query(&out, r->query)) ok = false, *detail = "the query cannot be decoded";
  dl_buf_puts(&out, "\n");
  for (const char *at = s->signed_headers; ok;) {
    size_t len = strcspn(at, ";");
    if (!put_header(&out, r, at, len)) ok = false, *detail = "a signed header is missing, or comes twice";
    if (at[len] == '\0') break;
    at += len + 1;
  }
  if (ok && !all_signed(s, r)) ok = false, *detail = "an x-amz- header of the request is not signed";
  dl_buf_printf(&out, "\n%s\n%s", s->signed_headers, s->payload);
  char *text = dl_buf_take(&out);
  if (ok) return text;
  free(text);
  return NULL;
}

/* --- signing --- */

void dl_sigv4_key(const dl_sigv4_t *s, const char *secret, unsigned char key[32]) {
  char *first = dl_xprintf("AWS4%s", secret);
  size_t len = strlen(first);
  dl_hmac_sha256(first, len, s->scope, 8, key);
  explicit_bzero(first, len);
  free(first);
  for (const char *at = s->scope + 8; *at == '/';) {
    size_t part = strcspn(++at, "/");
    dl_hmac_sha256(key, 32, at, part, key);
    at += part;
  }
}

void dl_sigv4_sign(const dl_sigv4_t *s, const unsigned char key[32], const char *suffix, const char *rest,
                   char out[65]) {
  unsigned char mac[32];
  char *text = dl_xprintf(ALGORITHM "%s\n%s\n%s\n%s", suffix, s->stamp, s->scope, rest);
  dl_hmac_sha256(key, 32, text, strlen(text), mac);
  dl_hex(mac, sizeof mac, out);
  free(text);
}

dl_s3_code_t dl_sigv4_check(const dl_sigv4_t *s, const dl_sigv4_request_t *r, const unsigned char key[32],
                            const char **detail) {
  char hash[65], wanted[65];
  char *canonical = dl_sigv4_canonical(s, r, detail);
  if (!canonical) return DL_S3_AccessDenied;
  dl_sha256_hex(canonical, strlen(canonical), hash);
  free(canonical);
  dl_sigv4_sign(s, key, "", hash, wanted);
  bool is_good = dl_same_secret(wanted, s->signature);
  explicit_bzero(wanted, sizeof wanted);
  return is_good ? DL_S3_OK : DL_S3_SignatureDoesNotMatch;
}
