/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line between two boxes: an interface in each, and a process that carries packets from one to the other. Both boxes
 * know of it, and it is there while both of them may have it: see box_network.c.
 */
#ifndef DL_RUNTIME_LINK_H
#define DL_RUNTIME_LINK_H

#include "runtime/helper.h"

typedef struct dl_link {
  dl_list_t link;      /* in the runtime's list */
  dl_box_t *ends[2];   /* NULL: that one is gone */
  uint32_t address[2]; /* of each, host order */
  unsigned number;     /* the name of its interfaces */
  dl_helper_t *helper;
  bool awaits_helper; /* it was started, and is not ready */
  bool is_stopping, has_failed;
} dl_link_t;

/* Whether it should be there. */
bool dl_link_may_run(const dl_link_t *link);
void dl_link_start(dl_link_t *link);
void dl_link_stop(dl_link_t *link);

#define DL_LINK_MTU 65000

#endif
