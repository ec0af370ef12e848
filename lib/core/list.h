/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked list with a sentinel head. A node that is on no list points at itself, so
 * removing twice is harmless.
 */
#ifndef DAYTONA_CORE_LIST_H
#define DAYTONA_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct daytona__list {
  struct daytona__list *next, *prev;
} daytona__list_t;

#define DAYTONA__CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void daytona__list_init(daytona__list_t *node) { node->next = node->prev = node; }

static inline bool daytona__list_empty(const daytona__list_t *head) { return head->next == head; }

static inline void daytona__list_append(daytona__list_t *head, daytona__list_t *node) {
  node->next = head;
  node->prev = head->prev;
  head->prev->next = node;
  head->prev = node;
}

static inline void daytona__list_remove(daytona__list_t *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  daytona__list_init(node);
}

/* Take the first node off, or NULL. */
static inline daytona__list_t *daytona__list_shift(daytona__list_t *head) {
  if (daytona__list_empty(head)) return NULL;
  daytona__list_t *node = head->next;
  daytona__list_remove(node);
  return node;
}

/* Move all nodes of `from` to the empty head `to`: done before walking a list that callbacks change. */
static inline void daytona__list_move(daytona__list_t *from, daytona__list_t *to) {
  daytona__list_init(to);
  if (daytona__list_empty(from)) return;
  *to = *from;
  to->next->prev = to;
  to->prev->next = to;
  daytona__list_init(from);
}

#endif
