/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python process of an interpreter context: lines in, lines out.
 */
#ifndef DL_WORKER_H
#define DL_WORKER_H

#include "toolbox/core/spawn.h"
#include "toolbox/core/toolbox.h"

typedef struct dl_worker dl_worker_t;

/* The longest line that a worker may say. */
#define DL_WORKER_LINE_MAX (1024u * 1024)

typedef struct {
  /* One line, without its end; borrowed. */
  void (*on_line)(void *user, const char *line, size_t len);
  /* The process is gone, or talks nonsense and was killed. The last event; the worker is gone. */
  void (*on_end)(void *user);
} dl_worker_events_t;

/* 0 and *out, or an errno value; ENOENT when there is no Python. */
int dl_worker_start(dl_toolbox_t *tb, const char *cwd, const dl_worker_events_t *events, void *user,
                    dl_worker_t **out);
/* Copied; a line end is added. */
void dl_worker_send(dl_worker_t *w, const char *line);
void dl_worker_interrupt(dl_worker_t *w);
/* Lines wait, or come again. */
void dl_worker_pause(dl_worker_t *w);
void dl_worker_resume(dl_worker_t *w);
/* Ends it with everything it has started. No event follows. NULL is fine. */
void dl_worker_kill(dl_worker_t *w);

#endif
