/*
 * See inbox.h. Small pieces of one tag share a block, so that a program that writes byte by byte does not cost a
 * block for each.
 */
#include "api/inbox.h"

#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"

enum { BLOCK = 4096 };

void daytona__inbox_init(daytona__inbox_t *inbox, size_t max) {
  memset(inbox, 0, sizeof *inbox);
  daytona__list_init(&inbox->pieces);
  inbox->max = max;
}

static daytona__inbox_piece_t *piece_of(daytona__list_t *node) {
  return DAYTONA__CONTAINER(node, daytona__inbox_piece_t, link);
}

daytona__inbox_piece_t *daytona__inbox_take(daytona__inbox_t *inbox) {
  daytona__list_t *node = daytona__list_shift(&inbox->pieces);
  if (node == NULL) return NULL;
  inbox->size -= piece_of(node)->size - piece_of(node)->start;
  return piece_of(node);
}

void daytona__inbox_clear(daytona__inbox_t *inbox) {
  daytona__inbox_piece_t *piece;
  while ((piece = daytona__inbox_take(inbox)) != NULL) daytona__free(piece);
}

/* Throw away the oldest bytes, whole pieces as far as possible. */
static void drop(daytona__inbox_t *inbox, size_t size) {
  inbox->dropped += size;
  while (size != 0) {
    daytona__inbox_piece_t *oldest = piece_of(inbox->pieces.next);
    size_t here = oldest->size - oldest->start;
    if (here > size) {
      oldest->start += size;
      inbox->size -= size;
      return;
    }
    size -= here;
    daytona__free(daytona__inbox_take(inbox));
  }
}

int daytona__inbox_put(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size) {
  if (inbox->max != 0 && size > inbox->max) {
    inbox->dropped += size - inbox->max;
    bytes += size - inbox->max;
    size = inbox->max;
  }
  if (inbox->max != 0 && inbox->size + size > inbox->max) drop(inbox, inbox->size + size - inbox->max);
  if (!daytona__list_empty(&inbox->pieces)) {
    daytona__inbox_piece_t *newest = piece_of(inbox->pieces.prev);
    if (newest->tag == tag && newest->room - newest->size >= size) {
      memcpy(newest->bytes + newest->size, bytes, size);
      newest->size += size;
      inbox->size += size;
      return 0;
    }
  }
  size_t room = size > BLOCK ? size : BLOCK;
  daytona__inbox_piece_t *piece = daytona__alloc(sizeof *piece + room);
  if (piece == NULL) return DAYTONA_ENOMEM;
  piece->tag = tag;
  piece->start = 0;
  piece->size = size;
  piece->room = room;
  memcpy(piece->bytes, bytes, size);
  daytona__list_append(&inbox->pieces, &piece->link);
  inbox->size += size;
  return 0;
}
