/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipes of one running command: its output goes into its log, line by line, and input goes in.
 */
#ifndef DL_SESSION_RUN_H
#define DL_SESSION_RUN_H

#include "toolbox/core/toolbox.h"

typedef struct dl_session_run dl_session_run_t;

typedef struct {
  void (*on_output)(void *user);  /* the log has grown */
  void (*on_drained)(void *user); /* the shell is done and both pipes are closed; once */
} dl_session_run_events_t;

/* Makes the FIFOs in `dir` and opens the log there. NULL with errno set when it cannot. */
dl_session_run_t *dl_session_run_new(dl_toolbox_t *tb, const char *dir, const dl_session_run_events_t *events,
                                     void *user);
/* The same for a program that we start: pipes without names, no input. `ends`: where it writes its output and its
 * errors, yours to close; both -1 when NULL is returned. */
dl_session_run_t *dl_session_run_new_unnamed(dl_toolbox_t *tb, const char *dir,
                                             const dl_session_run_events_t *events, void *user, int ends[2]);
/* The shell has come back from the command; on_drained follows, perhaps at once. */
void dl_session_run_done(dl_session_run_t *run);
/* To the standard input of a command with FIFOs, in order. False: too much is waiting already. */
bool dl_session_run_input(dl_session_run_t *run, const char *bytes, size_t len);
/* As a record of stdout, where the output stands now. */
void dl_session_run_echo(dl_session_run_t *run, const char *bytes, size_t len);
/* The FIFOs go; nothing is reported any more. */
void dl_session_run_close(dl_session_run_t *run);

#endif
