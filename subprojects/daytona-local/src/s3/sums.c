/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums. The three CRCs are reflected ones of up to 64 bits and share one loop, eight bytes a step: table k holds
 * what a byte comes to when k more follow it.
 */
#include "s3/sums.h"

#include <assert.h>
#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CRC_COUNT 3

static const struct {
  const char *name, *header, *element;
  size_t size;
  gnutls_digest_algorithm_t digest;
  uint64_t polynomial, all_ones;
} kinds[] = {
  [DL_SUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, 0, 0xedb88320u, 0xffffffffu},
  [DL_SUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, 0, 0x82f63b78u, 0xffffffffu},
  [DL_SUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8, 0,
                        UINT64_C(0x9a6c9329ac4bc9b5), UINT64_MAX},
  [DL_SUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, GNUTLS_DIG_SHA1, 0, 0},
  [DL_SUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, GNUTLS_DIG_SHA256, 0, 0},
  [DL_SUM_MD5] = {NULL, NULL, NULL, 16, GNUTLS_DIG_MD5, 0, 0},
  [DL_SUM_NONE] = {0},
};

/* --- CRC --- */

static uint64_t tables[CRC_COUNT][8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill_tables(void) {
  for (int kind = 0; kind < CRC_COUNT; kind++) {
    for (unsigned byte = 0; byte < 256; byte++) {
      uint64_t crc = byte;
      for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? kinds[kind].polynomial : 0);
      tables[kind][0][byte] = crc;
    }
    for (int step = 1; step < 8; step++)
      for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t before = tables[kind][step - 1][byte];
        tables[kind][step][byte] = before >> 8 ^ tables[kind][0][before & 0xff];
      }
  }
}

static uint64_t crc_add(int kind, uint64_t crc, const unsigned char *at, size_t len) {
  for (; len >= 8; at += 8, len -= 8) {
    for (int i = 0; i < 8; i++) crc ^= (uint64_t)at[i] << 8 * i;
    uint64_t next = 0;
    for (int i = 0; i < 8; i++) next ^= tables[kind][7 - i][crc >> 8 * i & 0xff];
    crc = next;
  }
  for (; len > 0; at++, len--) crc = crc >> 8 ^ tables[kind][0][(crc ^ *at) & 0xff];
  return crc;
}

/* --- sums --- */

static bool is_crc(dl_sum_kind_t kind) { return kind < CRC_COUNT; }

void dl_sum_init(dl_sum_t *s, dl_sum_kind_t kind) {
  *s = (dl_sum_t){.kind = kind, .crc = kinds[kind].all_ones};
  if (kind == DL_SUM_NONE) return;
  if (is_crc(kind)) {
    pthread_once(&tables_once, fill_tables);
    return;
  }
  gnutls_hash_hd_t hash = NULL;
  int rc = gnutls_hash_init(&hash, kinds[kind].digest);
  if (
    rc <
    0) { /* a machine that allows approved algorithms only; MD5 is no protection here, it is what S3 calls ETag */
    gnutls_fips140_set_mode(GNUTLS_FIPS140_LAX, GNUTLS_FIPS140_SET_MODE_THREAD);
    rc = gnutls_hash_init(&hash, kinds[kind].digest);
  }
  if (rc < 0) {
    dl_error("the TLS library lacks a hash that S3 needs: %s", gnutls_strerror(rc));
    abort();
  }
  s->hash = hash;
}

void dl_sum_add(dl_sum_t *s, const void *bytes, size_t len) {
  if (s->kind == DL_SUM_NONE || len == 0) return;
  if (is_crc(s->kind))
    s->crc = crc_add((int)s->kind, s->crc, bytes, len);
  else
    gnutls_hash(s->hash, bytes, len);
}

size_t dl_sum_end(dl_sum_t *s, unsigned char out[DL_SUM_MAX]) {
  size_t size = kinds[s->kind].size;
  uint64_t crc = s->crc ^ kinds[s->kind].all_ones;
  if (s->kind != DL_SUM_NONE && is_crc(s->kind))
    for (size_t i = 0; i < size; i++) out[i] = (unsigned char)(crc >> 8 * (size - 1 - i));
  else if (s->kind != DL_SUM_NONE)
    gnutls_hash_deinit(s->hash, out);
  *s = (dl_sum_t){.kind = DL_SUM_NONE};
  return size;
}

void dl_sum_clear(dl_sum_t *s) {
  unsigned char unused[DL_SUM_MAX];
  dl_sum_end(s, unused);
}

size_t dl_sum_size(dl_sum_kind_t kind) { return kinds[kind].size; }
const char *dl_sum_header(dl_sum_kind_t kind) { return kinds[kind].header; }
const char *dl_sum_name(dl_sum_kind_t kind) { return kinds[kind].name; }
const char *dl_sum_element(dl_sum_kind_t kind) { return kinds[kind].element; }

dl_sum_kind_t dl_sum_find(const char *name) {
  for (int i = 0; i < DL_SUM_MD5; i++)
    if (strcasecmp(kinds[i].name, name) == 0 || strcasecmp(kinds[i].header, name) == 0)
      return (dl_sum_kind_t)i;
  return DL_SUM_NONE;
}

/* --- texts --- */

void dl_hex(const unsigned char *bytes, size_t len, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    *out++ = digits[bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
  *out = '\0';
}

void dl_sha256(const void *bytes, size_t len, unsigned char out[32]) {
  gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, len, out);
}

void dl_sha256_hex(const void *bytes, size_t len, char out[65]) {
  unsigned char sum[32];
  dl_sha256(bytes, len, sum);
  dl_hex(sum, sizeof sum, out);
}

void dl_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, unsigned char out[32]) {
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, bytes, len, out);
}
