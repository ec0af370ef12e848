/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the terminal example share: the state, the end, and what is typed.
 */
#ifndef EXAMPLES_TERMINAL_H
#define EXAMPLES_TERMINAL_H

#include "shared/options.h"
#include "shared/stage.h"

enum { LOST = 255 };

typedef struct terminal {
  stage_t stage;
  daytona_pty_t *pty;
  daytona_future_t *attach; /* borrowed, until its callback came */
  daytona_future_t *wait;   /* for its outcome */
  /* what was asked for */
  const char *pty_id, *command, *cwd;
  option_pairs_t env;
  /* this side */
  local_input_t input;
  uv_signal_t winch, stop;
  bool is_tty, is_new_line, has_tilde;
  /* input on its way */
  char typed[LOCAL_BLOCK + 1];
  size_t typed_size;
  /* the size over there, and whether a change is under way */
  int cols, rows;
  bool is_resizing;
  bool is_ending, is_quitting;
} terminal_t;

/* Once, whatever comes first. `is_hasty`: output that the local terminal does not take is given up. */
void terminal_end(void *user, int status, bool is_hasty);

/* The size of the window goes to the sandbox when it changes; SIGTSTP, or an escape, suspends. */
void window_open(terminal_t *self);
void window_close(terminal_t *self);
void window_read(int *cols, int *rows);
void window_follow(terminal_t *self);
void window_suspend(terminal_t *self);

/* Read stdin and send it, or send the command; then as the sandbox takes it. Escapes are for us. */
void typing_open(terminal_t *self);
void typing_send(terminal_t *self);

#endif
