/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4; see s3_sign.h. Three texts, each with the hash or signature of the one before:
 *
 *   the canonical request -> the string to sign -> the Authorization header
 *
 * The key is derived from the secret for one day, region and service, and wiped.
 */
#include "wire/s3_sign.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "net/digest.h"

/* "20130524T000000Z", and the day alone. */
enum { DATE_ROOM = 17, DAY_SIZE = 8 };

/* The canonical request: the URL and headers, some of which are tokens of a few KiB. */
#define CANONICAL_MAX ((size_t)256 << 10)

enum { HEADERS_MAX = DAYTONA__S3_EXTRA_HEADERS_MAX + DAYTONA__S3_SIGNED_HEADERS };

static const char algorithm[] = "AWS4-HMAC-SHA256";

const char daytona__s3_unsigned_payload[] = "UNSIGNED-PAYLOAD";
const char daytona__s3_empty_payload[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

typedef struct signing {
  const daytona__s3_identity_t *identity;
  const daytona__s3_request_t *request;
  char date[DATE_ROOM];
  daytona_header_t headers[HEADERS_MAX]; /* in the order of their names */
  size_t header_count;
  char names[512]; /* of the signed headers, with ";" between them */
  char canonical[DAYTONA__DIGEST_HEX], signature[DAYTONA__DIGEST_HEX];
} signing_t;

/* --- encoding ---------------------------------------------------------------------------------- */

static bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("-._~", c) != NULL);
}

void daytona__s3_encode(daytona__strbuf_t *out, const char *text, bool keeps_slashes) {
  for (; *text != '\0'; text++) {
    if (is_plain(*text) || (keeps_slashes && *text == '/'))
      daytona__strbuf_putc(out, *text);
    else
      daytona__strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
  }
}

/* --- the parts --------------------------------------------------------------------------------- */

static int write_date(int64_t time_s, char date[DATE_ROOM]) {
  time_t time = (time_t)time_s;
  struct tm utc;
  if (gmtime_r(&time, &utc) == NULL || utc.tm_year < 0 || utc.tm_year + 1900 > 9999) return DAYTONA_EINVAL;
  return strftime(date, DATE_ROOM, "%Y%m%dT%H%M%SZ", &utc) == DATE_ROOM - 1 ? 0 : DAYTONA_EINVAL;
}

/* Put a header in its place among the others. */
static void add_header(signing_t *self, const char *name, const char *value) {
  size_t at = self->header_count++;
  assert(at < HEADERS_MAX);
  for (; at > 0 && strcmp(self->headers[at - 1].name, name) > 0; at--)
    self->headers[at] = self->headers[at - 1];
  self->headers[at] = (daytona_header_t){name, value};
}

static void collect_headers(signing_t *self) {
  const daytona__s3_request_t *request = self->request;
  const char *token = self->identity->session_token;
  add_header(self, "host", request->host);
  add_header(self, "x-amz-content-sha256", request->payload);
  add_header(self, "x-amz-date", self->date);
  if (token != NULL && *token != '\0') add_header(self, "x-amz-security-token", token);
  for (size_t i = 0; i < request->header_count; i++)
    add_header(self, request->headers[i].name, request->headers[i].value);
}

static int name_headers(signing_t *self) {
  size_t used = 0;
  for (size_t i = 0; i < self->header_count; i++) {
    int size = snprintf(self->names + used, sizeof self->names - used, "%s%s", i != 0 ? ";" : "",
                        self->headers[i].name);
    used += (size_t)size;
    if (used >= sizeof self->names) return DAYTONA_ELIMIT;
  }
  return 0;
}

static int hash_text(daytona__strbuf_t *text, char hex[DAYTONA__DIGEST_HEX]) {
  unsigned char hash[DAYTONA__SHA256_SIZE];
  int rc = text->error;
  if (rc == 0) rc = daytona__sha256(text->data, text->size, hash);
  if (rc == 0) daytona__hex(hash, sizeof hash, hex);
  if (text->data != NULL) daytona__wipe(text->data, text->size); /* the session token is in it */
  daytona__strbuf_clear(text);
  return rc;
}

static int hash_request(signing_t *self) {
  const daytona__s3_request_t *request = self->request;
  daytona__strbuf_t text;
  daytona__strbuf_init(&text, CANONICAL_MAX);
  daytona__strbuf_printf(&text, "%s\n%s\n%s\n", request->verb, request->path, request->query);
  for (size_t i = 0; i < self->header_count; i++) {
    daytona__strbuf_puts(&text, self->headers[i].name);
    daytona__strbuf_putc(&text, ':');
    daytona__strbuf_puts(&text, self->headers[i].value);
    daytona__strbuf_putc(&text, '\n');
  }
  daytona__strbuf_putc(&text, '\n');
  daytona__strbuf_puts(&text, self->names);
  daytona__strbuf_putc(&text, '\n');
  daytona__strbuf_puts(&text, request->payload);
  return hash_text(&text, self->canonical);
}

/* --- the signature ----------------------------------------------------------------------------- */

static int chain(unsigned char key[DAYTONA__SHA256_SIZE], const char *text, size_t size) {
  return daytona__hmac_sha256(key, DAYTONA__SHA256_SIZE, text, size, key);
}

static int derive_key(const signing_t *self, unsigned char key[DAYTONA__SHA256_SIZE]) {
  daytona__strbuf_t secret;
  daytona__strbuf_init(&secret, 4096);
  daytona__strbuf_puts(&secret, "AWS4");
  daytona__strbuf_puts(&secret, self->identity->secret);
  int rc = secret.error;
  if (rc == 0) rc = daytona__hmac_sha256(secret.data, secret.size, self->date, DAY_SIZE, key);
  if (secret.data != NULL) daytona__wipe(secret.data, secret.size);
  daytona__strbuf_clear(&secret);
  if (rc == 0) rc = chain(key, self->identity->region, strlen(self->identity->region));
  if (rc == 0) rc = chain(key, "s3", 2);
  return rc != 0 ? rc : chain(key, "aws4_request", 12);
}

static int sign_text(signing_t *self) {
  unsigned char key[DAYTONA__SHA256_SIZE];
  daytona__strbuf_t text;
  daytona__strbuf_init(&text, 4096);
  daytona__strbuf_printf(&text, "%s\n%s\n%.*s/%s/s3/aws4_request\n%s", algorithm, self->date, DAY_SIZE,
                         self->date, self->identity->region, self->canonical);
  int rc = text.error;
  if (rc == 0) rc = derive_key(self, key);
  if (rc == 0) rc = daytona__hmac_sha256(key, sizeof key, text.data, text.size, key);
  if (rc == 0) daytona__hex(key, sizeof key, self->signature);
  daytona__wipe(key, sizeof key);
  daytona__strbuf_clear(&text);
  return rc;
}

int daytona__s3_sign(daytona__arena_t *arena, const daytona__s3_identity_t *identity,
                     const daytona__s3_request_t *request, daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS],
                     size_t *count) {
  signing_t self = {.identity = identity, .request = request};
  assert(request->path[0] == '/' && request->query != NULL && request->payload != NULL);
  if (request->header_count > DAYTONA__S3_EXTRA_HEADERS_MAX) return DAYTONA_ELIMIT;
  int rc = write_date(request->time_s, self.date);
  if (rc != 0) return rc;
  collect_headers(&self);
  rc = name_headers(&self);
  if (rc == 0) rc = hash_request(&self);
  if (rc == 0) rc = sign_text(&self);
  if (rc != 0) return rc;
  const char *date = daytona__arena_strdup(arena, self.date);
  const char *authorization = daytona__arena_printf(
    arena, "%s Credential=%s/%.*s/%s/s3/aws4_request,SignedHeaders=%s,Signature=%s", algorithm,
    identity->access_key, DAY_SIZE, self.date, identity->region, self.names, self.signature);
  if (date == NULL || authorization == NULL) return DAYTONA_ENOMEM;
  *count = 0;
  out[(*count)++] = (daytona_header_t){"x-amz-date", date};
  out[(*count)++] = (daytona_header_t){"x-amz-content-sha256", request->payload};
  out[(*count)++] = (daytona_header_t){"Authorization", authorization};
  if (identity->session_token != NULL && *identity->session_token != '\0')
    out[(*count)++] = (daytona_header_t){"x-amz-security-token", identity->session_token};
  return 0;
}
