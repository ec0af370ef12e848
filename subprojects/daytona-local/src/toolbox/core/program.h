/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that somebody talks to while it runs: on a terminal of its own, or with a pipe each for input, output and
 * errors. Output comes as events and can be held; input waits in a buffer and is reported when the program has taken it.
 *
 * Events come from the loop, never from inside a call. An event's handler may call anything here, dl_program_close
 * included.
 */
#ifndef DL_TOOLBOX_PROGRAM_H
#define DL_TOOLBOX_PROGRAM_H

#include "toolbox/core/toolbox.h"

typedef struct dl_program dl_program_t;

typedef struct {
  /* Borrowed for the call. On a terminal `is_error` is always false. */
  void (*on_output)(dl_program_t *p, bool is_error, const char *bytes, size_t len, void *user);
  /* So much of the input is gone: taken, or dropped because nobody reads it any more. */
  void (*on_taken)(dl_program_t *p, size_t len, void *user);
  /* It has ended, with a wait(2) status. What it wrote itself was given before; others that hold its pipes may still
   * write. Once. */
  void (*on_exit)(dl_program_t *p, int status, void *user);
  /* And nothing more can come. The last event; `p` is gone after it. */
  void (*on_end)(dl_program_t *p, void *user);
} dl_program_events_t;

typedef struct {
  const char *file; /* or `run`, see spawn.h */
  int (*run)(void);
  char *const *argv;
  const dl_environ_t *environment;
  const char *cwd;
  bool has_terminal;
  unsigned columns, rows; /* of the terminal; 0: 80 and 24 */
} dl_program_opts_t;

/* NULL and *error (an errno value) when it cannot be started: no event comes then. The options are borrowed for the call. */
dl_program_t *dl_program_start(dl_toolbox_t *tb, const dl_program_opts_t *opts,
                               const dl_program_events_t *events, void *user, int *error);
/* Copied. Not after dl_program_end_input. */
void dl_program_write(dl_program_t *p, const char *bytes, size_t len);
/* No more input: the pipe is closed when the rest was taken; a terminal is typed its end-of-file character. */
void dl_program_end_input(dl_program_t *p);
/* Output stays where it is meanwhile, and the program waits at last. */
void dl_program_hold(dl_program_t *p, bool is_held);
/* The kernel signals the foreground program. Nothing happens without a terminal. */
void dl_program_resize(dl_program_t *p, unsigned columns, unsigned rows);
/* To its process group, and on a terminal to the foreground's. */
void dl_program_signal(dl_program_t *p, int number);
/* Whoever talked to it has gone: pipes and terminal are closed and the program is hung up (SIGHUP), which leaves alone
 * what was made to stay. No event follows. */
void dl_program_close(dl_program_t *p);

/* A terminal of that size; both ends close on exec, and the master does not block. 0, or an errno value. */
int dl_terminal_open(unsigned columns, unsigned rows, int *master_fd, int *slave_fd);

/* Shells of terminals ignore SIGTERM: this ends them in order. */
void dl_programs_hang_up(dl_toolbox_t *tb);

#endif
