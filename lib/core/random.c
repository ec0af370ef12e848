/*
 * Random bytes through libuv, which asks the kernel.
 */
#include "core/random.h"

#include <stdio.h>
#include <uv.h>

#include <daytona/error.h>

int daytona__random(void *bytes, size_t size) {
  return uv_random(NULL, NULL, bytes, size, 0, NULL) == 0 ? 0 : DAYTONA_EFAILED;
}

int daytona__uuid(char text[DAYTONA__UUID_SIZE]) {
  unsigned char b[16];
  if (daytona__random(b, sizeof b) != 0) return DAYTONA_EFAILED;
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  snprintf(text, DAYTONA__UUID_SIZE,
           "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
           b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  return 0;
}
