/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip, a part at a time, so that a long body takes no turn of the loop for itself. libarchive does it, which is there
 * for the archives of images; its memory is malloc()'s.
 */
#ifndef DAYTONA_WIRE_GZIP_H
#define DAYTONA_WIRE_GZIP_H

#include <stddef.h>

#include "core/strbuf.h"

typedef struct daytona__gzip daytona__gzip_t;

/* `out` is borrowed until the end. NULL: there is no memory, or a libarchive without zlib. */
daytona__gzip_t *daytona__gzip_new(daytona__strbuf_t *out);

/* 0, or the code of an error. After the last part daytona__gzip_end(), which writes what is left. */
int daytona__gzip_add(daytona__gzip_t *gzip, const void *bytes, size_t size);
int daytona__gzip_end(daytona__gzip_t *gzip);

/* In any state; takes NULL. */
void daytona__gzip_free(daytona__gzip_t *gzip);

#endif
