/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of the desktop: started, watched, its output kept.
 */
#ifndef DL_DESKTOP_PROCESS_H
#define DL_DESKTOP_PROCESS_H

#include "base/buf.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/toolbox.h"

/* What is kept of each stream: the newest of it. */
#define DL_DESKTOP_LOG_MAX 65536u

struct dl_log_reader;

typedef struct dl_desktop_process {
  dl_toolbox_t *tb;
  const char *name;
  dl_process_t process;
  bool is_running, was_started;
  dl_buf_t logs[2];                 /* stdout, stderr; of all starts */
  struct dl_log_reader *readers[2]; /* NULL: none */
  /* It has ended, by itself or not. */
  void (*on_end)(struct dl_desktop_process *p, int status);
} dl_desktop_process_t;

void dl_desktop_process_init(dl_desktop_process_t *p, dl_toolbox_t *tb, const char *name,
                             void (*on_end)(dl_desktop_process_t *p, int status));
/* `stdin_fd`: borrowed; -1: nothing to read. 0, or an errno value: nothing was started. The process must not run. */
int dl_desktop_process_start(dl_desktop_process_t *p, char *const *argv, const dl_environ_t *environment,
                             int stdin_fd);
/* To the process and everything below it; not when it does not run. */
void dl_desktop_process_signal(dl_desktop_process_t *p, int number);
/* The process and everything below it, at once. */
void dl_desktop_process_kill(dl_desktop_process_t *p);
/* The last line of what it has said, for messages. Yours to free. */
char *dl_desktop_process_last_words(const dl_desktop_process_t *p);
/* For the end of the toolbox: on_end does not come any more. */
void dl_desktop_process_close(dl_desktop_process_t *p);

#endif
