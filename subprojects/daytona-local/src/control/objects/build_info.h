/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image is built from, and the name that follows from it: the same Dockerfile with the same contexts is the same
 * build, whoever asks for it.
 */
#ifndef DL_BUILD_INFO_H
#define DL_BUILD_INFO_H

#include "base/jsonx.h"

/* "daytona-<sha256>:daytona", yours to free. `hashes`: an array of texts, in any order; NULL: none. */
char *dl_build_ref(const char *dockerfile, const json_t *hashes);

/* {dockerfileContent, contextHashes, createdAt, updatedAt, snapshotRef}, as it is kept and shown. Yours to release. */
json_t *dl_build_info(const char *dockerfile, const json_t *hashes, int64_t now);

/* What the image of a build is called in the store: no registry can have one of that name. Yours to free. */
char *dl_build_image_name(const char *ref);

#endif
