/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circular intrusive list. An unlinked node points at itself, so unlinking twice is harmless.
 */
#ifndef DL_LIST_H
#define DL_LIST_H

#include "base/base.h"

typedef struct dl_list {
  struct dl_list *next, *prev;
} dl_list_t;

static inline void dl_list_init(dl_list_t *l) { l->next = l->prev = l; }
static inline bool dl_list_empty(const dl_list_t *l) { return l->next == l; }

static inline void dl_list_push(dl_list_t *head, dl_list_t *node) {
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void dl_list_unlink(dl_list_t *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  dl_list_init(node);
}

/* Everything in `from` moves to the end of `to`. Walk `to` when users can change `from`. */
static inline void dl_list_splice(dl_list_t *to, dl_list_t *from) {
  if (dl_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  dl_list_init(from);
}

#define DL_LIST_EACH(head, node) for (dl_list_t *node = (head)->next; node != (head); node = node->next)
/* The current node may be unlinked. */
#define DL_LIST_EACH_SAFE(head, node, after) \
  for (dl_list_t *node = (head)->next, *after = node->next; node != (head); node = after, after = node->next)

#endif
