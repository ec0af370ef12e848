/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed file URLs: /files/download and /files/upload-v2 without any other credential.
 */
#ifndef DL_SIGNATURE_H
#define DL_SIGNATURE_H

#include "http/http.h"

typedef enum { DL_SIGNATURE_BAD, DL_SIGNATURE_NO_PATH, DL_SIGNATURE_GOOD } dl_signature_t;

/* `endpoint` is the path inside the toolbox. */
dl_signature_t dl_signature_check(const char *key, dl_req_t *req, const char *endpoint, int64_t now_ms);

/* The endpoint is one that takes signatures, with some method. */
bool dl_signature_is_for(const char *endpoint);

/* "v1_..." for a method and an unencoded path; yours to free. */
char *dl_signature_make(const char *key, const char *method, const char *path, const char *expires);

#endif
