/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions of a request for a file, which has a date and no entity tag.
 */
#ifndef DL_CONDITIONS_H
#define DL_CONDITIONS_H

#include <time.h>

#include "http/http.h"

/* 0, or the status that the conditions ask for: 304 or 412. */
int dl_conditions_check(dl_req_t *req, time_t modified);

/* The Range header, or NULL: there is none, or If-Range names another version, a part of which would spoil the client's. */
const char *dl_conditions_range(dl_req_t *req, time_t modified);

#endif
