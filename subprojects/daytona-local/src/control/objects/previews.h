/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed preview tokens: each leads to one port of one sandbox for some time.
 */
#ifndef DL_PREVIEWS_H
#define DL_PREVIEWS_H

#include "control/objects/objects.h"

/* A fresh token that is good until `expires_at`, yours to free. NULL when the sandbox has too many that are good. The
 * caller saves the sandbox. */
char *dl_preview_add(dl_objects_t *o, dl_sandbox_t *sb, int64_t port, int64_t expires_at);
/* It leads nowhere any more; an unknown one is fine. The caller saves the sandbox. */
void dl_preview_remove(dl_objects_t *o, dl_sandbox_t *sb, const char *token);
/* Where it leads; NULL unless it is good for that port now. */
dl_sandbox_t *dl_preview_find(const dl_objects_t *o, const char *token, int64_t port);

#endif
