/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked sandboxes: one that is made with `linkedSandbox` reaches that sandbox, its owner, by name and address, and is
 * reached by it at its own address. Addresses are given when they are first needed, and stay as long as the server runs.
 */
#ifndef DL_LINKS_H
#define DL_LINKS_H

#include "control/objects/objects.h"
#include "runtime/runtime.h"

/* Lines of /etc/hosts for the box of a sandbox; NULL: none. Yours to free. */
char *dl_links_hosts(dl_objects_t *o, dl_sandbox_t *sb);
/* Its box begins: links it with the boxes that there are. */
void dl_links_make(dl_objects_t *o, dl_sandbox_t *sb);
/* NULL, or why no sandbox can be linked to this one (yours to free). */
char *dl_links_refused(const dl_sandbox_t *owner);

#endif
