/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes through libuv, which asks the kernel.
 */
#include "core/random.h"

#include <string.h>
#include <uv.h>

#include <daytona/error.h>

int daytona__random(void *bytes, size_t size) {
  return uv_random(NULL, NULL, bytes, size, 0, NULL) == 0 ? 0 : DAYTONA_EFAILED;
}

/* Each byte is given out once and wiped. */
static int take(daytona__entropy_t *entropy, unsigned char *bytes, size_t size) {
  if (entropy->left < size) {
    if (daytona__random(entropy->bytes, sizeof entropy->bytes) != 0) return DAYTONA_EFAILED;
    entropy->left = sizeof entropy->bytes;
  }
  entropy->left -= size;
  memcpy(bytes, entropy->bytes + entropy->left, size);
  memset(entropy->bytes + entropy->left, 0, size);
  return 0;
}

int daytona__uuid(daytona__entropy_t *entropy, char text[DAYTONA__UUID_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  unsigned char b[16];
  if (take(entropy, b, sizeof b) != 0) return DAYTONA_EFAILED;
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *text++ = '-';
    *text++ = digits[b[i] >> 4];
    *text++ = digits[b[i] & 15];
  }
  *text = '\0';
  return 0;
}
