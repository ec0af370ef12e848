/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed fields of a body. What is wrong is added to the check; a field that is absent or null leaves everything as it is.
 */
#ifndef DL_FIELDS_H
#define DL_FIELDS_H

#include "control/routes/answer.h"

/* `ok`: it has the type that `what` names. */
bool dl_field_is(dl_check_t *k, const json_t *body, const char *key, bool ok, const char *what);
void dl_take_text(dl_check_t *k, const json_t *body, const char *key, char **slot);
void dl_take_bool(dl_check_t *k, const json_t *body, const char *key, bool *slot);

/* Generated clients send every field. What is empty asks for nothing: null, "", [], {}, and an object of such. */
bool dl_asks_for(const json_t *body, const char *key);
/* A number that is not 0. */
bool dl_has_number(const json_t *body, const char *key);

/* cpu, memory, disk: 0 asks for nothing. */
typedef struct {
  double cpu, memory, disk;
} dl_sizes_t;
void dl_take_sizes(dl_control_t *c, dl_check_t *k, const json_t *body, dl_sizes_t *slot);
/* There are none here: asking for one is a failure. */
void dl_check_gpu(dl_check_t *k, const json_t *body);

/* What buildInfo asks for, see dl_build_info; yours to release. NULL: nothing, or what is wrong is in the check. */
json_t *dl_take_build(dl_check_t *k, const json_t *body, int64_t now);

/* The one region, or the name of one that the platform has: a configured target works. */
bool dl_region_is_ours(const dl_control_t *c, const char *region);

/* Why an image cannot be made here, yours to free. NULL: it can. */
char *dl_why_no_images(const dl_control_t *c);

#endif
