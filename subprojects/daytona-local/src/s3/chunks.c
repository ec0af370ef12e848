/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws-chunked, read strictly:
 *
 *     SIZE[;chunk-signature=HEX] CRLF data CRLF ... 0[;chunk-signature=HEX] CRLF [name:value CRLF
 *     [x-amz-trailer-signature:HEX CRLF]] CRLF
 *
 * Data is handed on before the signature of its chunk was checked, as a chunk may be of any size: whoever takes it
 * must not use it before dl_chunks_end has said DL_S3_OK.
 */
#include "s3/chunks.h"

#include <string.h>
#include <strings.h>

bool dl_chunks_is(const char *payload, bool *is_signed, bool *has_trailer) {
  static const struct {
    const char *name;
    bool is_signed, has_trailer;
  } kinds[] = {{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false},
               {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true},
               {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, true}};
  for (size_t i = 0; i < DL_COUNT(kinds); i++) {
    if (strcmp(kinds[i].name, payload) != 0) continue;
    *is_signed = kinds[i].is_signed;
    *has_trailer = kinds[i].has_trailer;
    return true;
  }
  return false;
}

void dl_chunks_init(dl_chunks_t *c, bool is_signed, bool has_trailer, const dl_sigv4_t *signature,
                    const unsigned char key[32], dl_sum_kind_t trailer) {
  *c = (dl_chunks_t){.is_signed = is_signed, .has_trailer = has_trailer, .trailer = trailer};
  dl_sum_init(&c->sum, DL_SUM_NONE);
  if (!is_signed) return;
  c->signature = signature;
  memcpy(c->key, key, sizeof c->key);
  memcpy(c->before, signature->signature, sizeof c->before);
}

void dl_chunks_clear(dl_chunks_t *c) {
  dl_sum_clear(&c->sum);
  explicit_bzero(c->key, sizeof c->key);
}

static void fail(dl_chunks_t *c, dl_s3_code_t code, const char *detail) {
  if (c->error != DL_S3_OK) return;
  c->error = code;
  c->detail = detail;
}

static void bad(dl_chunks_t *c) {
  fail(c, DL_S3_InvalidRequest, "the chunks of the body are not well formed");
}

/* --- signatures --- */

/* `wanted` against `c->claimed`, which the next one is made on. */
static void compare(dl_chunks_t *c, const char *wanted) {
  if (!dl_same_secret(wanted, c->claimed)) {
    fail(c, DL_S3_SignatureDoesNotMatch, "the signature of a chunk is not the one that it needs");
    return;
  }
  memcpy(c->before, c->claimed, sizeof c->before);
}

static void check_chunk(dl_chunks_t *c) {
  static const char nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  unsigned char sum[DL_SUM_MAX];
  char rest[3 * 65 + 1], hash[65], wanted[65];
  if (!c->is_signed) return;
  dl_hex(sum, dl_sum_end(&c->sum, sum), hash);
  snprintf(rest, sizeof rest, "%s\n%s\n%s", c->before, nothing, hash);
  dl_sigv4_sign(c->signature, c->key, "-PAYLOAD", rest, wanted);
  compare(c, wanted);
}

static void check_trailer(dl_chunks_t *c) {
  char rest[2 * 65 + 1], wanted[65];
  if (!c->is_signed) return;
  snprintf(rest, sizeof rest, "%s\n%s", c->before, c->trailer_hash);
  dl_sigv4_sign(c->signature, c->key, "-TRAILER", rest, wanted);
  compare(c, wanted);
}

static bool read_claim(dl_chunks_t *c, const char *text) {
  if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64) return false;
  memcpy(c->claimed, text, sizeof c->claimed);
  return true;
}

/* --- lines --- */

static void read_size(dl_chunks_t *c) {
  static const char extension[] = ";chunk-signature=";
  size_t digits = strspn(c->line, "0123456789abcdefABCDEF");
  const char *rest = c->line + digits;
  if (digits == 0 || digits > 15) {
    bad(c);
    return;
  }
  int64_t size = 0;
  for (size_t i = 0; i < digits; i++) {
    char d = c->line[i];
    size = size << 4 | (d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
  }
  if (c->is_signed) {
    bool has_claim = dl_starts_with(rest, extension) && read_claim(c, rest + sizeof extension - 1);
    if (!has_claim) {
      bad(c);
      return;
    }
    dl_sum_init(&c->sum, DL_SUM_SHA256);
  } else if (*rest != '\0' && *rest != ';') {
    bad(c);
    return;
  }
  c->left = size;
  c->state = size > 0 ? DL_CHUNKS_DATA : DL_CHUNKS_TRAILER;
  if (size == 0) check_chunk(c);
}

/* The one checksum that was promised, then its signature, then an empty line. */
static void read_trailer(dl_chunks_t *c) {
  static const char signature[] = "x-amz-trailer-signature:";
  char *colon = strchr(c->line, ':');
  bool is_signature = strncasecmp(c->line, signature, sizeof signature - 1) == 0;
  if (c->line[0] == '\0') {
    bool lacks_sum = c->trailer != DL_SUM_NONE && c->trailer_value[0] == '\0';
    bool lacks_signature =
      c->has_trailer && c->is_signed && c->trailer_value[0] != '\0' && c->trailer_hash[0] != '\0';
    if (lacks_sum || lacks_signature)
      fail(c, DL_S3_InvalidRequest, "the trailer lacks the checksum or its signature");
    c->state = DL_CHUNKS_DONE;
  } else if (is_signature && c->is_signed && c->trailer_hash[0] != '\0') {
    const char *value = c->line + sizeof signature - 1;
    if (!read_claim(c, value + strspn(value, " "))) {
      bad(c);
      return;
    }
    check_trailer(c);
    c->trailer_hash[0] = '\0'; /* it is signed */
  } else if (c->has_trailer && colon && c->trailer_value[0] == '\0' && c->trailer != DL_SUM_NONE) {
    *colon = '\0';
    const char *value = colon + 1 + strspn(colon + 1, " ");
    if (strcasecmp(c->line, dl_sum_header(c->trailer)) != 0 || strlen(value) >= sizeof c->trailer_value ||
        *value == '\0') {
      bad(c);
      return;
    }
    snprintf(c->trailer_value, sizeof c->trailer_value, "%s", value);
    char text[128];
    int len = snprintf(text, sizeof text, "%s:%s\n", dl_sum_header(c->trailer), value);
    dl_sha256_hex(text, (size_t)len, c->trailer_hash);
  } else {
    bad(c);
  }
}

static void take_line(dl_chunks_t *c) {
  c->line[c->line_len] = '\0';
  bool has_nul = strlen(c->line) != c->line_len;
  c->line_len = 0;
  if (has_nul)
    bad(c);
  else if (c->state == DL_CHUNKS_SIZE)
    read_size(c);
  else if (c->state == DL_CHUNKS_TRAILER)
    read_trailer(c);
  else if (c->line[0] != '\0')
    bad(c);
  else
    c->state = DL_CHUNKS_SIZE;
}

/* A line ends in CR LF, and holds no other of them. */
static void put_in_line(dl_chunks_t *c, char byte) {
  bool had_cr = c->line_len > 0 && c->line[c->line_len - 1] == '\r';
  if (++c->overhead > DL_CHUNKS_OVERHEAD_MAX + c->total / 8) {
    fail(c, DL_S3_InvalidRequest, "the chunks of the body are too small");
  } else if (byte == '\n') {
    if (!had_cr) {
      bad(c);
      return;
    }
    c->line_len--;
    take_line(c);
  } else if (had_cr || c->line_len == DL_CHUNKS_LINE_MAX) {
    bad(c);
  } else {
    c->line[c->line_len++] = byte;
  }
}

/* --- data --- */

void dl_chunks_feed(dl_chunks_t *c, const char *bytes, size_t len) {
  while (len > 0 && c->error == DL_S3_OK) {
    if (c->state == DL_CHUNKS_DONE) {
      bad(c); /* something behind the end */
      return;
    }
    if (c->state != DL_CHUNKS_DATA) {
      put_in_line(c, *bytes++);
      len--;
      continue;
    }
    size_t part = (int64_t)len < c->left ? len : (size_t)c->left;
    dl_sum_add(&c->sum, bytes, part);
    c->on_data(c->user, bytes, part);
    c->total += (int64_t)part;
    c->left -= (int64_t)part;
    bytes += part;
    len -= part;
    if (c->left > 0) continue;
    c->state = DL_CHUNKS_DATA_END;
    check_chunk(c);
  }
}

dl_s3_code_t dl_chunks_end(dl_chunks_t *c) {
  if (c->state != DL_CHUNKS_DONE) fail(c, DL_S3_IncompleteBody, NULL);
  return c->error;
}
