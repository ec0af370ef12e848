/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a pyproject.toml: the reader must neither fall nor keep anything, must say the same twice, and
 * what it keeps is text that stands in the file.
 */
#include <stdint.h>
#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/memory.h"
#include "fuzz/target.h"
#include "wire/pyproject.h"

static void check_lists(const daytona__pyproject_t *project, size_t size) {
  size_t bytes = 0, lists = 0;
  for (const daytona__pyproject_list_t *list = project->lists; list != NULL; list = list->next, lists++) {
    FUZZ_CHECK(list->name == NULL || daytona__utf8_is_valid(list->name, strlen(list->name)));
    for (size_t i = 0; i < list->count; i++) {
      FUZZ_CHECK(daytona__utf8_is_valid(list->items[i], strlen(list->items[i])));
      bytes += strlen(list->items[i]) + 2;
    }
  }
  FUZZ_CHECK(bytes <= size && lists <= DAYTONA__TOML_GROUPS_MAX + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona__pyproject_t first, second;
  daytona__arena_t arena;
  size_t blocks = daytona__alloc_count(), lines = 1;
  for (size_t i = 0; i < size; i++) lines += data[i] == '\n';
  daytona__arena_init(&arena, 0);
  int rc = daytona__pyproject_read(&first, &arena, (const char *)data, size);
  FUZZ_CHECK(daytona__pyproject_read(&second, &arena, (const char *)data, size) == rc);
  FUZZ_CHECK(rc == 0 || rc == DAYTONA_EINVAL);
  FUZZ_CHECK((rc != 0) == (first.problem != NULL) && first.problem == second.problem);
  FUZZ_CHECK(rc == 0 || (first.line >= 1 && first.line <= lines && first.line == second.line));
  check_lists(&first, size);
  daytona__arena_clear(&arena);
  FUZZ_CHECK(daytona__alloc_count() == blocks);
  return 0;
}
