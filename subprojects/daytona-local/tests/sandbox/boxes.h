/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes for tests: a runtime on a loop of its own, and commands run in boxes over their sockets.
 * The program given as DL_TEST_EXE is the toolbox.
 */
#ifndef DL_TEST_BOXES_H
#define DL_TEST_BOXES_H

#include "runtime/runtime.h"

#include <jansson.h>

typedef struct {
  uv_loop_t loop;
  dl_runtime_t *rt;
  char dir[64]; /* a fresh directory of mode 0700 */
} world_t;

/* NULL, or why boxes cannot be made here (for a skip). */
const char *world_open(world_t *w, dl_runtime_opts_t opts);
/* Ends everything; the loop must be empty then. */
void world_close(world_t *w);

/* A specification with a home of its own; texts live until the next call but three. */
dl_box_spec_t box_spec(world_t *w, const char *id);
/* Start and wait; NULL and *error (static) when it failed. */
dl_box_t *box_start(world_t *w, const dl_box_spec_t *spec, const char **error);
/* As above, and the test fails when it does not start. */
dl_box_t *box_up(world_t *w, const char *id);
void box_stop(world_t *w, dl_box_t *box, bool force);

typedef struct {
  long exit_code;
  char *text; /* yours to free */
} outcome_t;

/* A request to the toolbox; `body` is JSON, or NULL. The loop turns meanwhile. What was answered as text, yours to free. */
char *box_ask(world_t *w, dl_box_t *box, const char *method, const char *path, const char *body, int *status);
/* POST /process/execute. The loop turns meanwhile. */
outcome_t box_run(world_t *w, dl_box_t *box, const char *command);
/* The output of a command that must succeed, compared and freed. */
void box_expect(world_t *w, dl_box_t *box, const char *command, const char *text);
/* A command that must not succeed. */
void box_refuses(world_t *w, dl_box_t *box, const char *command);

/* How many processes of this machine have `mark` in their command line. */
int count_processes(const char *mark);
/* So many after at most 10 s. A process that is about to run another program has no command line for a moment. */
void expect_processes(const char *mark, int count);

#endif
