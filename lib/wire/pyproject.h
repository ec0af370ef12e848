/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dependencies that a pyproject.toml declares: project.dependencies and project.optional-dependencies.
 *
 * A reader of TOML 1.0 that keeps nothing else. Of the rest it checks the structure (brackets, strings, keys,
 * one value for each line), not that numbers and dates are valid nor that no other key comes twice.
 */
#ifndef DAYTONA_WIRE_PYPROJECT_H
#define DAYTONA_WIRE_PYPROJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"

/* Nesting of arrays and inline tables. */
#define DAYTONA__TOML_DEPTH_MAX 64

/* Groups of optional dependencies. */
#define DAYTONA__TOML_GROUPS_MAX 1000

typedef struct daytona__pyproject_list {
  const char *name; /* of the group; NULL: project.dependencies */
  const char **items;
  size_t count, room;
  bool is_bad; /* not a list of strings */
  struct daytona__pyproject_list *next;
} daytona__pyproject_list_t;

typedef struct daytona__pyproject {
  bool has_project, has_dependencies;
  bool has_bad_groups;              /* project.optional-dependencies is not a table */
  daytona__pyproject_list_t *lists; /* in the order of the file */
  unsigned line;                    /* where the problem is */
  const char *problem;              /* static */
} daytona__pyproject_t;

/*
 * Read `text`, which need not end in a NUL, with memory of `arena`. 0; DAYTONA_EINVAL with `line` and
 * `problem`: it is not TOML; DAYTONA_ENOMEM, also at the arena's limit.
 */
int daytona__pyproject_read(daytona__pyproject_t *out, daytona__arena_t *arena, const char *text,
                            size_t size);

#endif
