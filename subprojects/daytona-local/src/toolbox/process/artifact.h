/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts that programs print among their output.
 */
#ifndef DL_ARTIFACT_H
#define DL_ARTIFACT_H

#include "base/buf.h"
#include "base/jsonx.h"

#include <jansson.h>

#define DL_ARTIFACT_PREFIX "dtn_artifact_k39fd2:"

/* Lines of `output` that begin with the prefix are left out of `rest`, which is initialised here;
 * their charts, as far as they make sense, are in *charts (a new array, NULL if there is none). */
void dl_artifacts_take(const char *output, size_t len, dl_buf_t *rest, json_t **charts);

/* The chart as it is sent to clients, or NULL if `value` does not fit. A new reference. */
json_t *dl_artifact_chart(const json_t *value);

#endif
