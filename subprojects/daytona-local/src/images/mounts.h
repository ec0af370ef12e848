/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build step may mount. A Dockerfile names sources of mounts (`RUN --mount`), and buildah 1.28 follows `..` and
 * links in them out of where they belong: to all that is in the jail, which has the images of others and the credentials of
 * registries. So where each mount really comes from is looked up, by the runtime, before the step begins.
 */
#ifndef DL_IMAGE_MOUNTS_H
#define DL_IMAGE_MOUNTS_H

#include <jansson.h>

/* NULL: every mount of the container `config` is of the build. Else what is wrong, to be released. In the jail only. */
char *dl_image_mounts_check(const json_t *config);

#endif
