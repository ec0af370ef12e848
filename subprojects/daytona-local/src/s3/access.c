/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Temporary credentials. Nothing is kept of them: the session token says until when they hold and carries a MAC of that
 * and the access key, and the secret follows from the same. The key of both is made at the start of the server, so that
 * a new start, with other API keys perhaps, ends them.
 */
#include "s3/internal.h"
#include "s3/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCESS_KEY_LEN 20

/* `what` tells the two apart; 64 hex digits, yours to free. */
static char *mac_of(const dl_s3_t *s, const char *what, const char *access_key, const char *expires) {
  unsigned char mac[32];
  char *text = dl_xprintf("%s\n%s\n%s\n%s", what, access_key, expires, s->opts.objects->organization_id);
  char *hex = dl_xmalloc(65);
  dl_hmac_sha256(s->secret, sizeof s->secret, text, strlen(text), mac);
  dl_hex(mac, sizeof mac, hex);
  free(text);
  return hex;
}

dl_s3_access_t dl_s3_issue(dl_s3_t *s) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  char expires[24];
  dl_s3_access_t a = {.access_key = dl_random_token(ACCESS_KEY_LEN, letters)};
  snprintf(expires, sizeof expires, "%lld", (long long)(dl_objects_now(s->opts.objects) + DL_S3_LIFETIME_MS));
  char *mac = mac_of(s, "token", a.access_key, expires);
  a.session_token = dl_xprintf("%s.%s", expires, mac);
  a.secret = mac_of(s, "secret", a.access_key, expires);
  free(mac);
  return a;
}

static void wipe(char **text) {
  if (*text) explicit_bzero(*text, strlen(*text));
  free(*text);
  *text = NULL;
}

void dl_s3_access_clear(dl_s3_access_t *a) {
  wipe(&a->access_key);
  wipe(&a->secret);
  wipe(&a->session_token);
}

dl_s3_code_t dl_s3_secret_of(dl_s3_t *s, const dl_sigv4_t *signature, char **secret) {
  const char *token = signature->token;
  if (!token) return DL_S3_InvalidAccessKeyId; /* there are no lasting keys */
  size_t len = strcspn(token, ".");
  int64_t expires_ms;
  if (len == 0 || len > 15 || token[len] != '.' || strspn(token, "0123456789") != len)
    return DL_S3_InvalidToken;
  char *expires = dl_xstrndup(token, len), *wanted = mac_of(s, "token", signature->access_key, expires);
  bool is_ours = dl_same_secret(wanted, token + len + 1) && dl_parse_int(expires, 0, INT64_MAX, &expires_ms);
  dl_s3_code_t code = DL_S3_OK;
  if (!is_ours)
    code = DL_S3_InvalidToken;
  else if (expires_ms <= dl_objects_now(s->opts.objects))
    code = DL_S3_ExpiredToken;
  else
    *secret = mac_of(s, "secret", signature->access_key, expires);
  wipe(&wanted);
  free(expires);
  return code;
}
