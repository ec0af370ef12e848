/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See inbox.h. A segment in a block is a header of four bytes, its tag in the upper two bits and its size in the rest,
 * and then its bytes. A segment lies in one block: blocks are made as large as they have to be.
 */
#include "call/inbox.h"

#include <assert.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"

enum { BLOCK = 4096, HEAD = 4, TAG_SHIFT = 30 };

#define SEGMENT_MAX ((UINT32_C(1) << TAG_SHIFT) - 1)

typedef struct block {
  daytona__list_t link;
  size_t start, last, size, room; /* bytes[start .. size) are segments, and the newest begins at `last` */
  char bytes[];
} block_t;

typedef struct head {
  int tag;
  size_t size;
} head_t;

static block_t *block_of(daytona__list_t *node) { return DAYTONA__CONTAINER(node, block_t, link); }

static head_t head_at(const block_t *block, size_t at) {
  uint32_t word;
  memcpy(&word, block->bytes + at, HEAD);
  return (head_t){(int)(word >> TAG_SHIFT), word & SEGMENT_MAX};
}

static void set_head(block_t *block, size_t at, int tag, size_t size) {
  uint32_t word = (uint32_t)tag << TAG_SHIFT | (uint32_t)size;
  memcpy(block->bytes + at, &word, HEAD);
}

void daytona__inbox_init(daytona__inbox_t *inbox, size_t max) {
  memset(inbox, 0, sizeof *inbox);
  daytona__list_init(&inbox->blocks);
  inbox->max = max;
}

bool daytona__inbox_is_empty(const daytona__inbox_t *inbox) { return inbox->size == 0; }

void daytona__inbox_clear(daytona__inbox_t *inbox) {
  daytona__list_t *node;
  while ((node = daytona__list_shift(&inbox->blocks)) != NULL) daytona__free(block_of(node));
  inbox->size = 0;
}

/* --- dropping ---------------------------------------------------------------------------------- */

/* How many bytes to throw away, at least `size`, so that what stays begins with a whole character. */
static size_t to_border(const char *bytes, size_t size, size_t most) {
  while (size < most && ((unsigned char)bytes[size] & 0xC0) == 0x80) size++;
  return size;
}

/* Throw away the oldest bytes. */
static void drop(daytona__inbox_t *inbox, size_t size) {
  while (size != 0 && inbox->size != 0) {
    block_t *oldest = block_of(inbox->blocks.next);
    head_t head = head_at(oldest, oldest->start);
    size_t now = head.size < size ? head.size : size;
    if (inbox->is_text) now = to_border(oldest->bytes + oldest->start + HEAD, now, head.size);
    inbox->size -= now;
    inbox->dropped += now;
    size = now < size ? size - now : 0;
    if (now == head.size) {
      oldest->start += HEAD + now;
      if (oldest->start == oldest->size) {
        daytona__list_remove(&oldest->link);
        daytona__free(oldest);
      }
    } else { /* the header moves up to what is left */
      if (oldest->last == oldest->start) oldest->last += now;
      oldest->start += now;
      set_head(oldest, oldest->start, head.tag, head.size - now);
    }
  }
}

/* --- putting ----------------------------------------------------------------------------------- */

/* Behind what the newest block holds. False: it has no room. */
static bool append(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size) {
  if (inbox->size == 0) return false;
  block_t *newest = block_of(inbox->blocks.prev);
  size_t room = newest->room - newest->size;
  head_t head = head_at(newest, newest->last);
  if (head.tag == tag && room >= size && head.size + size <= SEGMENT_MAX) {
    set_head(newest, newest->last, tag, head.size + size);
  } else if (room >= size + HEAD) {
    newest->last = newest->size;
    set_head(newest, newest->last, tag, size);
    newest->size += HEAD;
  } else {
    return false;
  }
  memcpy(newest->bytes + newest->size, bytes, size);
  newest->size += size;
  return true;
}

static int append_block(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size) {
  size_t room = size + HEAD > BLOCK ? size + HEAD : BLOCK;
  block_t *block = daytona__alloc(sizeof *block + room);
  if (block == NULL) return DAYTONA_ENOMEM;
  block->start = block->last = 0;
  block->size = HEAD + size;
  block->room = room;
  set_head(block, 0, tag, size);
  memcpy(block->bytes + HEAD, bytes, size);
  daytona__list_append(&inbox->blocks, &block->link);
  return 0;
}

int daytona__inbox_put(daytona__inbox_t *inbox, int tag, const char *bytes, size_t size) {
  assert(tag >= 0 && tag <= 3 && size <= SEGMENT_MAX);
  if (inbox->max != 0 && size > inbox->max) {
    size_t now = size - inbox->max;
    if (inbox->is_text) now = to_border(bytes, now, size);
    drop(inbox, inbox->size); /* what stays is the newest, without a hole */
    inbox->dropped += now;
    bytes += now;
    size -= now;
  }
  if (inbox->max != 0 && inbox->size + size > inbox->max) drop(inbox, inbox->size + size - inbox->max);
  if (size == 0) return 0;
  int rc = append(inbox, tag, bytes, size) ? 0 : append_block(inbox, tag, bytes, size);
  if (rc == 0) inbox->size += size;
  return rc;
}

/* --- handing on -------------------------------------------------------------------------------- */

/* The block is in no list meanwhile, so that whatever `take` does leaves it alone. */
static daytona__inbox_next_t drain_block(block_t *block, size_t *left,
                                         daytona__inbox_next_t (*take)(void *user, int tag, const char *bytes,
                                                                       size_t size),
                                         void *user) {
  daytona__inbox_next_t next = DAYTONA__INBOX_MORE;
  while (next == DAYTONA__INBOX_MORE && block->start < block->size) {
    head_t head = head_at(block, block->start);
    const char *bytes = block->bytes + block->start + HEAD;
    block->start += HEAD + head.size;
    assert(block->start <= block->size && *left >= head.size);
    *left -= head.size;
    next = take(user, head.tag, bytes, head.size);
  }
  return next;
}

void daytona__inbox_drain(daytona__inbox_t *inbox,
                          daytona__inbox_next_t (*take)(void *user, int tag, const char *bytes, size_t size),
                          void *user) {
  daytona__inbox_next_t next = DAYTONA__INBOX_MORE;
  daytona__list_t *node;
  while (next == DAYTONA__INBOX_MORE && (node = daytona__list_shift(&inbox->blocks)) != NULL) {
    block_t *block = block_of(node);
    next = drain_block(block, &inbox->size, take, user);
    if (next == DAYTONA__INBOX_LATER && block->start < block->size)
      daytona__list_append(inbox->blocks.next, &block->link); /* to the front again */
    else
      daytona__free(block);
  }
}
