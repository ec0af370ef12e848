/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksums that S3 knows, fed in pieces.
 */
#ifndef DL_SUMS_H
#define DL_SUMS_H

#include "base/encode.h"

typedef enum {
  DL_SUM_CRC32,
  DL_SUM_CRC32C,
  DL_SUM_CRC64NVME,
  DL_SUM_SHA1,
  DL_SUM_SHA256,
  DL_SUM_MD5,
  DL_SUM_NONE
} dl_sum_kind_t;

#define DL_SUM_MAX 32u
#define DL_SUM_HEX_MAX (2 * DL_SUM_MAX + 1)
#define DL_SUM_BASE64_MAX 48u

typedef struct {
  dl_sum_kind_t kind;
  uint64_t crc;
  void *hash; /* of GnuTLS, for those that are no CRC */
} dl_sum_t;

/* `kind` may be DL_SUM_NONE: then the other calls do nothing. */
void dl_sum_init(dl_sum_t *s, dl_sum_kind_t kind);
void dl_sum_add(dl_sum_t *s, const void *bytes, size_t len);
/* The bytes of the sum, the highest first; returns how many. The sum is over, as after dl_sum_clear. */
size_t dl_sum_end(dl_sum_t *s, unsigned char out[DL_SUM_MAX]);
void dl_sum_clear(dl_sum_t *s);

/* How many bytes a sum has. */
size_t dl_sum_size(dl_sum_kind_t kind);
/* "x-amz-checksum-crc32", as the header and the trailer are called; NULL for MD5. */
const char *dl_sum_header(dl_sum_kind_t kind);
/* "CRC32", or "ChecksumCRC32" in documents. NULL for MD5. */
const char *dl_sum_name(dl_sum_kind_t kind);
const char *dl_sum_element(dl_sum_kind_t kind);
/* By name or header, in any case. DL_SUM_NONE: unknown. */
dl_sum_kind_t dl_sum_find(const char *name);

void dl_hex(const unsigned char *bytes, size_t len, char *out); /* 2 * len + 1 */

void dl_sha256(const void *bytes, size_t len, unsigned char out[32]);
void dl_sha256_hex(const void *bytes, size_t len, char out[65]);
void dl_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, unsigned char out[32]);

#endif
