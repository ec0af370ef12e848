/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an image file: a format with its size, or none.
 */
#include <stdbool.h>

#include "fuzz/target.h"
#include "wire/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona__picture_t picture = daytona__picture_read((const char *)data, size);
  FUZZ_CHECK(picture.width >= 0 && picture.height >= 0);
  FUZZ_CHECK((picture.width == 0) == (picture.height == 0));
  FUZZ_CHECK(picture.format != NULL || picture.width == 0);
  return 0;
}
