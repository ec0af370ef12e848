/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges with the published toolbox, which lie beside the project: one file of JSON for each.
 */
#ifndef TESTS_SUPPORT_RECORDED_H
#define TESTS_SUPPORT_RECORDED_H

#include <stddef.h>

/* Their folder, an argument of the test program; NULL: not known. */
extern const char *recorded_folder;

/* One request with its response. Texts are "" where there is none. Valid until the next recorded_load(). */
typedef struct recorded_step {
  const char *verb, *target, *body;
  int status;
  const char *content_type;
  const char *answer; /* NUL-terminated; may hold NUL */
  size_t answer_size;
} recorded_step_t;

/* The steps of a file; the one behind the last has a NULL verb. Skips the test when there are no recordings: call it
   before anything is opened. */
const recorded_step_t *recorded_load(const char *name);
void recorded_free(void);

/* A member of the JSON object that a request has as its body, NULL if it is not there; in one of some static buffers. */
const char *recorded_member(const recorded_step_t *step, const char *path);

#endif
