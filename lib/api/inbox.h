/*
 * Output that waits because its stream is paused: pieces in order, each with a tag, and a ceiling above which the
 * oldest go. A stream that stops reading instead needs room only for what was already on its way, and sets no
 * ceiling of its own.
 */
#ifndef DAYTONA_API_INBOX_H
#define DAYTONA_API_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include "core/list.h"

typedef struct daytona__inbox {
  daytona__list_t pieces;
  size_t size;      /* bytes held */
  size_t max;       /* 0: no dropping; the stream has stopped reading */
  uint64_t dropped; /* bytes */
} daytona__inbox_t;

typedef struct daytona__inbox_piece {
  daytona__list_t link;
  int tag;
  size_t start, size, room; /* bytes[start .. size) wait */
  char bytes[];
} daytona__inbox_piece_t;

void daytona__inbox_init(daytona__inbox_t *inbox, size_t max);
void daytona__inbox_clear(daytona__inbox_t *inbox);

/* Copied. 0 or DAYTONA_ENOMEM. */
int daytona__inbox_put(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size);

/* The oldest piece, which is the caller's to free; NULL when there is none. */
daytona__inbox_piece_t *daytona__inbox_take(daytona__inbox_t *inbox);

#endif
