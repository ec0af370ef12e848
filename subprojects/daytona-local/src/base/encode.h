/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 and SHA-1, for the toolbox as well, which goes without GnuTLS. SHA-1 is here for the handshake of WebSockets
 * (RFC 6455), where nothing depends on its strength.
 */
#ifndef DL_ENCODE_H
#define DL_ENCODE_H

#include "base/base.h"

/* What dl_base64 writes for `len` bytes, with its NUL. */
#define DL_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* With padding. `out` has room for DL_BASE64_SIZE(len). */
void dl_base64(const unsigned char *bytes, size_t len, char *out);
/* Strict, with padding, and exactly `len` bytes. */
bool dl_base64_read(const char *text, unsigned char *out, size_t len);

void dl_sha1(const void *bytes, size_t len, unsigned char out[20]);

#endif
