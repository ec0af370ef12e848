/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes by PSA, which all versions of mbedTLS have; see digest.h. HMAC is made of the hash (RFC 2104), because PSA wants
 * its keys in slots, which 2.28 shares between threads without a lock.
 */
#include "net/digest.h"

#include <assert.h>
#include <psa/crypto.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"
#include "net/tls.h"

enum { BLOCK = 64 }; /* of SHA-256 */

typedef psa_hash_operation_t operation_t;

_Static_assert(sizeof(operation_t) <= sizeof((daytona__digest_t *)0)->state, "room for a hash of mbedTLS");

static operation_t *operation_of(daytona__digest_t *digest) { return (operation_t *)(void *)digest->state; }

void daytona__digest_begin(daytona__digest_t *digest, daytona__digest_kind_t kind) {
  static const operation_t fresh = PSA_HASH_OPERATION_INIT;
  psa_algorithm_t algorithm = kind == DAYTONA__MD5 ? PSA_ALG_MD5 : PSA_ALG_SHA_256;
  memcpy(digest->state, &fresh, sizeof fresh);
  digest->has_failed =
    daytona__psa_init() != 0 || psa_hash_setup(operation_of(digest), algorithm) != PSA_SUCCESS;
}

void daytona__digest_add(daytona__digest_t *digest, const void *bytes, size_t size) {
  if (size == 0 || digest->has_failed) return;
  digest->has_failed = psa_hash_update(operation_of(digest), bytes, size) != PSA_SUCCESS;
}

static int end_raw(daytona__digest_t *digest, unsigned char *out, size_t room, size_t *size) {
  if (!digest->has_failed)
    digest->has_failed = psa_hash_finish(operation_of(digest), out, room, size) != PSA_SUCCESS;
  psa_hash_abort(operation_of(digest)); /* wipes what it holds */
  return digest->has_failed ? DAYTONA_EFAILED : 0;
}

int daytona__digest_end(daytona__digest_t *digest, char hex[DAYTONA__DIGEST_HEX]) {
  unsigned char bytes[DAYTONA__SHA256_SIZE];
  size_t size = 0;
  int rc = end_raw(digest, bytes, sizeof bytes, &size);
  daytona__hex(bytes, rc == 0 ? size : 0, hex);
  return rc;
}

void daytona__digest_abort(daytona__digest_t *digest) { psa_hash_abort(operation_of(digest)); }

int daytona__sha256(const void *bytes, size_t size, unsigned char out[DAYTONA__SHA256_SIZE]) {
  daytona__digest_t digest;
  size_t out_size;
  daytona__digest_begin(&digest, DAYTONA__SHA256);
  daytona__digest_add(&digest, bytes, size);
  return end_raw(&digest, out, DAYTONA__SHA256_SIZE, &out_size);
}

/* One of the two passes: the hash of the key with each byte changed, and the bytes. */
static int pass(const unsigned char key[BLOCK], unsigned char change, const void *bytes, size_t size,
                unsigned char out[DAYTONA__SHA256_SIZE]) {
  daytona__digest_t digest;
  unsigned char pad[BLOCK];
  size_t out_size;
  for (int i = 0; i < BLOCK; i++) pad[i] = key[i] ^ change;
  daytona__digest_begin(&digest, DAYTONA__SHA256);
  daytona__digest_add(&digest, pad, sizeof pad);
  daytona__digest_add(&digest, bytes, size);
  daytona__wipe(pad, sizeof pad);
  return end_raw(&digest, out, DAYTONA__SHA256_SIZE, &out_size);
}

int daytona__hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                         unsigned char out[DAYTONA__SHA256_SIZE]) {
  unsigned char block[BLOCK] = {0}, inner[DAYTONA__SHA256_SIZE];
  int rc = 0;
  if (key_size > BLOCK)
    rc = daytona__sha256(key, key_size, block);
  else if (key_size != 0)
    memcpy(block, key, key_size);
  if (rc == 0) rc = pass(block, 0x36, bytes, size, inner);
  if (rc == 0) rc = pass(block, 0x5c, inner, sizeof inner, out);
  daytona__wipe(block, sizeof block);
  daytona__wipe(inner, sizeof inner);
  return rc;
}

void daytona__hex(const unsigned char *bytes, size_t size, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    *out++ = digits[bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
  *out = '\0';
}
