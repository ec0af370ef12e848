/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upgraded connections between a client and a sandbox: passed on as they are, or with damage done on
 * purpose to what the client gets.
 */
#ifndef DL_DAMAGE_H
#define DL_DAMAGE_H

#include "http/duplex.h"

#define DL_CLOSE_REASON_MAX 123

typedef enum {
  DL_DAMAGE_END,    /* the connection ends in order, without a close frame */
  DL_DAMAGE_RESET,  /* a TCP reset */
  DL_DAMAGE_FREEZE, /* nothing passes any more, either way */
  DL_DAMAGE_CLOSE,  /* a close frame of ours instead of the rest */
  DL_DAMAGE_PONGS,  /* pongs to the client come late, or never */
  DL_DAMAGE_SPLIT,  /* cut into small writes, into fragments, or both */
  DL_DAMAGE_UNREAD, /* after some frames of the client's nothing of it is read */
} dl_damage_kind_t;

typedef struct {
  dl_damage_kind_t kind;
  /* When the first four strike, counted towards the client; one of the two, the other is -1. The last one counts
   * the client's frames. */
  int64_t after_bytes, after_frames;
  int64_t into_bytes;                  /* so many bytes of the next frame still pass, at most all of it */
  int64_t hold_ms;                     /* of a freeze, a pong or not reading; -1: for ever */
  int64_t piece_bytes, fragment_bytes; /* -1: as they come */
  int64_t pause_ms;                    /* between chunks */
  int close_code;                      /* 1005: a close frame without a code */
  char close_reason[DL_CLOSE_REASON_MAX + 1];
} dl_damage_t;

/* Both streams are taken. `damage` is copied; NULL: none. `unsent` goes to the client first.
 * `on_over` comes once, when both sides have been let go. */
void dl_relay_start(uv_loop_t *loop, dl_duplex_t *up, dl_duplex_t *down, const dl_damage_t *damage,
                    const dl_buf_t *unsent, void (*on_over)(void *user), void *user);

/* For damage.c: the same, with damage. */
void dl_damaged_start(uv_loop_t *loop, dl_duplex_t *up, dl_duplex_t *down, const dl_damage_t *damage,
                      const dl_buf_t *unsent, void (*on_over)(void *user), void *user);

#endif
