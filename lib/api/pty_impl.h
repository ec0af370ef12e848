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

struct daytona_pty {
  unsigned refs;
  daytona_sandbox_t *sandbox; /* retained */
  char *id;
  daytona_pty_output_cb on_output;
  daytona_pty_drained_cb on_drained;
  void *user, *output_user;

  daytona__ws_t *ws;
  daytona__op_t *opening; /* until the handshake is done; it holds a reference */
  void (*opened)(daytona_pty_t *pty, const daytona_error_t *error, bool was_missing);
  daytona__strbuf_t text; /* of a text message that has begun */
  bool is_plain_text;     /* it is too long for a control message */

  bool stops_reading; /* with a full buffer, instead of dropping */
  size_t buffer_bytes;
  daytona__inbox_t inbox;
  size_t handed_on; /* in this turn, of what was kept */
  bool is_paused, is_ws_paused, is_disconnecting;
  bool is_ended, is_told;
  daytona__task_t drain;
  daytona__list_t waits;
  daytona_stream_end_t end;
  char message[256];
};

/* A terminal that is not attached yet, one reference. NULL without memory. */
daytona_pty_t *daytona__pty_new(daytona_sandbox_t *sandbox, const char *id,
                                const daytona_pty_attach_t *attach, size_t buffer);

/*
 * Attach: open the socket that `op` describes. `opened` comes from a later turn, once: with a NULL error when the
 * client is attached, or the terminal has ended already; `was_missing` says that the server knows no such resource.
 */
int daytona__pty_attach(daytona_pty_t *pty, daytona__op_t *op, const daytona_pty_attach_t *attach,
                        const char *const *protocols, size_t protocol_count,
                        void (*opened)(daytona_pty_t *pty, const daytona_error_t *error, bool was_missing));

#endif
