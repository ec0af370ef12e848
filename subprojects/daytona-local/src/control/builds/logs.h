/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of builds: one file each, written while the build runs and read at the pace of each reader, from the beginning, as
 * often as it is asked for. Files are written and read on threads of their own.
 *
 * Everything else is on the loop's thread, and no callback is made inside the call that asked for it.
 */
#ifndef DL_LOGS_H
#define DL_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

typedef struct dl_logs dl_logs_t;
typedef struct dl_log dl_log_t;
typedef struct dl_log_reader dl_log_reader_t;

/* What a log can hold; the rest is left out, and the log says so. */
#define DL_LOG_MAX (64u * 1024 * 1024)

/* `dir` is there. NULL with errno when there are no threads. */
dl_logs_t *dl_logs_new(uv_loop_t *loop, const char *dir);
/* Every log was ended and every reader closed. Finishes what was written, then reports and frees. */
void dl_logs_close(dl_logs_t *logs, void (*on_closed)(void *user), void *user);

/* A new log; an older one of that name is gone, but for those who read it. Names are ours, without a slash. One at a time
 * of each name. */
dl_log_t *dl_log_new(dl_logs_t *logs, const char *name);
void dl_log_write(dl_log_t *log, const char *bytes, size_t len);
/* Its readers come to their end when they have read all of it. The handle is invalid. */
void dl_log_end(dl_log_t *log);
/* The file of a log that nobody writes. */
void dl_log_discard(dl_logs_t *logs, const char *name);

typedef struct {
  /* There is something to pull; or, at first, whether there is a log at all. NULL: there is none, and nothing follows. */
  void (*on_open)(dl_log_reader_t *reader, void *user);
  void (*on_more)(void *user);
} dl_log_events_t;

/* `follows`: its end is that of the build; else, what is in it now. */
void dl_log_read(dl_logs_t *logs, const char *name, bool follows, const dl_log_events_t *events, void *user);
/* As dl_pull_events_t.pull. */
ssize_t dl_log_pull(dl_log_reader_t *reader, char *out, size_t max);
void dl_log_close(dl_log_reader_t *reader);

#endif
