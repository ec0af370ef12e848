/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a terminal, shared by its opening and its life.
 */
#ifndef DAYTONA_API_PTY_IMPL_H
#define DAYTONA_API_PTY_IMPL_H

#include <daytona/pty.h>

#include "call/inbox.h"
#include "call/op.h"
#include "call/stream_end.h"
#include "core/strbuf.h"

/* Columns or rows of a terminal; servers refuse more. */
enum { DAYTONA__PTY_SIZE_MAX = 1000 };

typedef enum daytona__pty_phase {
  DAYTONA__PTY_NEW,     /* no socket: not attached yet, or the upgrade was refused */
  DAYTONA__PTY_OPENING, /* the socket, and then the server's word that the client is attached */
  DAYTONA__PTY_ATTACHED,
  DAYTONA__PTY_LEAVING, /* our close frame is out */
  DAYTONA__PTY_ENDED,   /* the outcome is known, and waits for the output before it */
  DAYTONA__PTY_REPORTED
} daytona__pty_phase_t;

/* What an opening receives from its terminal. */
typedef struct daytona__pty_opener {
  daytona__op_t *op; /* holds a reference to the terminal; NULL: there is no opening */

  /*
   * Once, from a later turn: with a NULL error when the client is attached, or the terminal has ended already. `close`
   * is the end of a socket that did not come to that, or NULL.
   */
  void (*on_opened)(daytona__op_t *op, const daytona_error_t *error, const daytona__ws_close_t *close);
  void (*on_printed)(daytona__op_t *op, const char *bytes, size_t size);
  void (*on_ended)(daytona__op_t *op); /* the terminal has, after on_opened */
} daytona__pty_opener_t;

struct daytona_pty {
  unsigned refs;
  daytona__pty_phase_t phase;
  daytona_sandbox_t *sandbox; /* retained */
  char *id;
  daytona_output_cb on_output;
  daytona_pty_drained_cb on_drained;
  void *user, *output_user;
  daytona_destroy_cb destroy_user;

  daytona__ws_t *ws; /* from OPENING to LEAVING */
  daytona__pty_opener_t opener;
  daytona__strbuf_t text; /* of a text message that has begun */
  bool is_plain_text;     /* it is too long for a control message */

  bool stops_reading; /* with a full buffer, instead of dropping */
  size_t buffer_bytes;
  daytona__inbox_t inbox;
  size_t handed_on; /* in this turn, of what was kept */
  bool is_paused, is_ws_paused;
  bool is_fresh;     /* created here: nothing was typed before */
  size_t line_bytes; /* typed of a line that has not ended, while a fresh terminal has printed nothing */
  daytona__task_t drain;
  daytona__list_t waits;
  daytona_stream_end_t end;
  char message[256];
};

/* A terminal that is not attached yet, one reference. NULL without memory. */
daytona_pty_t *daytona__pty_new(daytona_sandbox_t *sandbox, const char *id,
                                const daytona_pty_attach_t *attach, size_t buffer);

/* Attach: open the socket that `opener->op` describes. 0, or the code of an error. */
int daytona__pty_attach(daytona_pty_t *pty, const daytona_pty_attach_t *attach, const char *const *protocols,
                        size_t protocol_count, const daytona__pty_opener_t *opener);

#endif
