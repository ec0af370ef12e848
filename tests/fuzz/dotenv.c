/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a .env file: the parser must neither fall nor keep anything, must say the same twice, and may
 * only refuse what is not text or grows beyond its ceiling.
 */
#include <stdint.h>
#include <string.h>

#include <daytona/error.h>

#include "call/dotenv.h"
#include "core/limits.h"
#include "core/memory.h"
#include "fuzz/target.h"

static const char *const names[] = {"DAYTONA_X", "DAYTONA_Y", "DAYTONA_API_KEY", "DAYTONA_TARGET", "A", ""};

static int parse(daytona__dotenv_t *env, const uint8_t *data, size_t size) {
  daytona__dotenv_init(env);
  return daytona__dotenv_parse(env, (const char *)data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona__dotenv_t first, second;
  size_t blocks = daytona__alloc_count();
  int error = parse(&first, data, size);
  FUZZ_CHECK(parse(&second, data, size) == error);
  FUZZ_CHECK(error == 0 || error == DAYTONA_ELIMIT || error == DAYTONA_EINVAL);
  FUZZ_CHECK((error == DAYTONA_EINVAL) ==
             (size <= DAYTONA__DOTENV_MAX && size > 0 && memchr(data, 0, size) != NULL));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = daytona__dotenv_get(&first, names[i]),
               *again = daytona__dotenv_get(&second, names[i]);
    FUZZ_CHECK((value == NULL) == (again == NULL) && (value == NULL || strcmp(value, again) == 0));
    FUZZ_CHECK(value == NULL || (error == 0 && strncmp(names[i], "DAYTONA_", 8) == 0));
  }
  daytona__dotenv_clear(&first);
  daytona__dotenv_clear(&second);
  FUZZ_CHECK(daytona__alloc_count() == blocks);
  return 0;
}
