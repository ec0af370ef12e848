/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal: a login shell on a pseudo-terminal, and the clients that look at it.
 */
#ifndef DL_PTY_TERMINAL_H
#define DL_PTY_TERMINAL_H

#include "base/buf.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/core/websocket.h"

#define DL_PTY_SIZE_MAX 1000
/* Bytes of one message of input; a client has to split more. */
#define DL_PTY_MESSAGE_MAX (64u * 1024)

typedef struct {
  const char *id, *cwd;
  json_t *envs; /* an object of texts, or NULL; borrowed */
  unsigned cols, rows;
  bool is_lazy;
} dl_pty_opts_t;

typedef struct dl_pty {
  dl_list_t link;
  dl_toolbox_t *tb;
  char *id, *cwd;
  json_t *envs; /* with TERM */
  unsigned cols, rows;
  bool is_lazy, is_active;
  dl_tb_time_t created;
  dl_process_t shell;
  int master_fd;
  uv_poll_t terminal;
  uv_timer_t hold, pace;
  int open_handles;
  dl_list_t clients;
  dl_buf_t input;
  bool is_input_held;  /* clients wait until the program has read */
  bool is_output_held; /* the program waits until a client has read */
  bool is_output_free; /* no client reads at all: a client that is behind is dropped */
  uint64_t taken;      /* by all clients together, when the program began to wait */
  bool has_exited, is_drained, is_over;
  int status;
} dl_pty_t;

/* A terminal that is not started. The id is free. */
dl_pty_t *dl_pty_new(dl_toolbox_t *tb, const dl_pty_opts_t *opts);
/* 0, or an errno value: it stays inactive. */
int dl_pty_start(dl_pty_t *p);
/* The kernel signals the foreground program. */
void dl_pty_resize(dl_pty_t *p, unsigned cols, unsigned rows);
/* Ends everything on the terminal and tells the clients that it was killed. `p` is gone. */
void dl_pty_kill(dl_pty_t *p);
/* `ws` has just opened, and is ours now. It is sent "connected" and gets the output from here on. */
void dl_pty_attach(dl_pty_t *p, dl_ws_t *ws, bool wants_exit_message);

#endif
