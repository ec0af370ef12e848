/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that waits because its stream is paused: bytes in order, each with a tag, and a ceiling above which the
 * oldest go. A stream that stops reading instead needs room only for what was already on its way, and sets no
 * ceiling of its own.
 *
 * Bytes of one tag that follow each other are one segment; segments share blocks, so that a log that changes its
 * stream with every byte costs five bytes for each and not a block.
 */
#ifndef DAYTONA_CALL_INBOX_H
#define DAYTONA_CALL_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"

typedef struct daytona__inbox {
  daytona__list_t blocks;
  size_t size;      /* bytes held */
  size_t max;       /* 0: no dropping; the stream has stopped reading */
  bool is_text;     /* what is put in is whole characters, and what is dropped is, too */
  uint64_t dropped; /* bytes */
} daytona__inbox_t;

void daytona__inbox_init(daytona__inbox_t *inbox, size_t max);
void daytona__inbox_clear(daytona__inbox_t *inbox);
bool daytona__inbox_is_empty(const daytona__inbox_t *inbox);

/* Copied. `tag` is 0 to 3. 0 or DAYTONA_ENOMEM. */
int daytona__inbox_put(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size);

typedef enum daytona__inbox_next {
  DAYTONA__INBOX_MORE,  /* go on */
  DAYTONA__INBOX_LATER, /* stop; the rest stays */
  DAYTONA__INBOX_OVER   /* stop; the inbox was cleared, or is to be */
} daytona__inbox_next_t;

/*
 * Hand everything on, oldest first. `take` gets one segment, or the rest of one, and may do anything but put or
 * drain; clearing the inbox is allowed if it then reports the end.
 */
void daytona__inbox_drain(daytona__inbox_t *inbox,
                          daytona__inbox_next_t (*take)(void *user, int tag, const char *bytes, size_t size),
                          void *user);

#endif
