/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox that an example works in: one that the user names, or a fresh one which is deleted afterwards.
 *
 * A fresh one is made so that the server deletes it when it has been idle for a while: whatever happens to
 * this program, nothing is left for long.
 */
#ifndef EXAMPLES_BOX_H
#define EXAMPLES_BOX_H

#include <stdbool.h>

#include <uv.h>

#include <daytona/daytona.h>

typedef struct box box_t;

/* It is there, or `problem` says why it is not. */
typedef void (*box_opened_cb)(box_t *box, const char *problem, void *user);
/* It was left; `problem` tells what could not be deleted, or is NULL. */
typedef void (*box_closed_cb)(box_t *box, const char *problem, void *user);

struct box {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox; /* set once it is open */
  bool keeps;
  bool is_fresh, is_opening, is_closing;
  uv_timer_t awake; /* an idle prompt must not have its sandbox stopped */
  box_opened_cb on_opened;
  box_closed_cb on_closed;
  void *user;
};

/* `id_or_name` NULL: make one, and delete it at the end unless `keeps`. on_opened comes from a later turn. */
void box_open(box_t *box, daytona_client_t *client, const char *id_or_name, bool keeps,
              box_opened_cb on_opened, box_closed_cb on_closed, void *user);

/* Leave it. While it is still being opened, that is waited for, because what has been created must be
   deleted; on_opened does not come then. on_closed may come at once. */
void box_close(box_t *box);

/* What the user would call it; "" before it is open. */
const char *box_name(const box_t *box);

/* For on_closed: say on stderr what was left behind, or kept. */
void box_tell_left(const box_t *box, const char *program, const char *problem);

#endif
