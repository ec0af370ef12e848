/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting processes and learning of their end.
 *
 * The toolbox is the first process of its box (or a subreaper without isolation), so orphans
 * become its children too. One reaper therefore waits for everything; uv_spawn must not be used
 * beside it.
 */
#ifndef DL_SPAWN_H
#define DL_SPAWN_H

#include "base/list.h"
#include "toolbox/core/environ.h"

#include <sys/types.h>
#include <uv.h>

typedef struct dl_reaper dl_reaper_t;

/* `data_max`: RLIMIT_DATA of everything started, 0 for none; the toolbox itself goes without. */
dl_reaper_t *dl_reaper_new(uv_loop_t *loop, int64_t data_max);
void dl_reaper_close(dl_reaper_t *r, void (*on_closed)(void *user), void *user);

/* `cb` is called before a process is started, and after some have ended; NULL: nobody is. */
void dl_reaper_watch(dl_reaper_t *r, void (*cb)(bool starts, void *user), void *user);

/* Embed one per process. `on_exit` comes once, with a wait(2) status, from the loop. */
typedef struct dl_process {
  dl_list_t link;
  pid_t pid;
  void (*on_exit)(struct dl_process *p, int status);
} dl_process_t;

typedef struct {
  const char *file; /* Required, unless `run` is there. A path; see dl_process_find */
  char *const *argv;
  char *const *envp;
  int (*run)(
    void); /* Optional. Is called instead, in a copy of this process that holds 0, 1 and 2 alone; its exit status. Ours */
  const char *cwd;
  int fds[3];        /* become 0, 1, 2; borrowed */
  bool is_session;   /* a session of its own, with fds[0] as its terminal if it is one; else only a group */
  bool is_subreaper; /* orphans below it stay below it while it lives */
  bool is_ours;      /* a program of the server's, which bounds its own memory: without the limit of data */
} dl_process_opts_t;

/* Starts `p`, whose on_exit is set. 0, or an errno value: nothing was started. */
int dl_process_start(dl_reaper_t *r, dl_process_t *p, const dl_process_opts_t *opts);
/* The exit is no longer of interest; harmless when it was reported already. */
void dl_process_forget(dl_process_t *p);
/* SIGKILL for the process, its group and everything below it. Only before its exit was reported. */
void dl_process_kill_tree(dl_process_t *p);

/* The program `name` on the PATH of `e`, or the path that it is; yours to free, NULL if there is none. */
char *dl_process_find(const dl_environ_t *e, const char *name);
/* The shell of commands: what /etc/shells allows in the daemon's order of preference. */
char *dl_process_shell(const dl_environ_t *e);

#endif
