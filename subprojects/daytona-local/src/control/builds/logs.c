/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of builds. Invariants: one block of a log is at the disk at a time, what comes meanwhile waits in memory, which
 * is bounded by DL_LOG_MAX; a reader has one block, which is either being filled on a thread or being taken from.
 *
 * A reader that has read all there is sleeps until the log grows or ends. `written` counts what the disk has.
 */
#include "control/builds/logs.h"

#include "base/buf.h"
#include "base/lane.h"
#include "base/map.h"
#include "http/http.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Readers share them; a disk that does not answer must not take the only one. */
#define READ_THREADS 4
#define BLOCK (16u * 1024)

static const char cut_note[] = "\n[the log is longer than the server keeps; the rest is left out]\n";

struct dl_logs {
  char *dir;
  dl_lane_t *writing, *reading;
  dl_map_t open; /* name -> dl_log_t, those that are written */
  size_t log_count, reader_count;
  int open_lanes;
  void (*on_closed)(void *user);
  void *closed_user;
};

struct dl_log {
  dl_logs_t *logs;
  char *name, *path;
  dl_work_t work;
  dl_buf_t waiting;
  char *block; /* at the disk */
  size_t block_len;
  int fd; /* -1 before the first block, or where it could not be made */
  bool is_working, is_ended;
  bool is_there;           /* its file is the new one */
  bool is_made, is_broken; /* of the writing thread: it has begun; the disk refused it */
  size_t taken;            /* bytes of it so far, written or waiting */
  dl_list_t readers;
};

struct dl_log_reader {
  dl_list_t link; /* in its log's, while that is written */
  dl_logs_t *logs;
  char *path;
  dl_work_t work;
  int fd; /* -1: not opened yet */
  char *block;
  size_t at, len;
  off_t offset;
  bool is_reading, is_closed;
  bool is_told;  /* on_open was called */
  bool is_over;  /* the end of the file is that of the log */
  bool is_grown; /* what was read last may not be the end any more */
  bool is_at_end;
  bool was_over; /* when the block was asked for */
  int error;
  dl_log_events_t events;
  void *user;
};

/* --- the room as a whole --- */

dl_logs_t *dl_logs_new(uv_loop_t *loop, const char *dir) {
  dl_logs_t *logs = dl_xcalloc(1, sizeof *logs);
  logs->writing = dl_lane_new(loop, 1, 0);
  logs->reading = logs->writing ? dl_lane_new(loop, READ_THREADS, 0) : NULL;
  if (!logs->reading) {
    if (logs->writing) dl_lane_close(logs->writing, NULL, NULL);
    free(logs);
    return NULL;
  }
  logs->open_lanes = 2;
  logs->dir = dl_xstrdup(dir);
  return logs;
}

static void on_lane_closed(void *user) {
  dl_logs_t *logs = user;
  if (--logs->open_lanes > 0) return;
  void (*on_closed)(void *) = logs->on_closed;
  void *closed_user = logs->closed_user;
  dl_map_clear(&logs->open);
  free(logs->dir);
  free(logs);
  on_closed(closed_user);
}

static void close_when_idle(dl_logs_t *logs) {
  if (!logs->on_closed || logs->log_count > 0 || logs->reader_count > 0) return;
  dl_lane_close(logs->writing, on_lane_closed, logs);
  dl_lane_close(logs->reading, on_lane_closed, logs);
}

void dl_logs_close(dl_logs_t *logs, void (*on_closed)(void *user), void *user) {
  assert(!logs->on_closed);
  logs->on_closed = on_closed;
  logs->closed_user = user;
  close_when_idle(logs);
}

/* --- readers --- */

static void free_reader(dl_log_reader_t *r) {
  dl_logs_t *logs = r->logs;
  assert(!r->is_reading);
  dl_list_unlink(&r->link);
  if (r->fd >= 0) close(r->fd);
  logs->reader_count--;
  free(r->block);
  free(r->path);
  free(r);
  close_when_idle(logs);
}

/* On a reading thread. */
static void fill(dl_work_t *work) {
  dl_log_reader_t *r = DL_CONTAINER(work, dl_log_reader_t, work);
  r->error = 0;
  r->len = 0;
  if (r->fd < 0) r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (r->fd < 0) {
    r->error = errno;
    return;
  }
  ssize_t got;
  do got = pread(r->fd, r->block, BLOCK, r->offset);
  while (got < 0 && errno == EINTR);
  if (got < 0) r->error = errno;
  if (got > 0) r->len = (size_t)got;
}

static void start_filling(dl_log_reader_t *r) {
  assert(!r->is_reading && r->at == r->len);
  r->at = r->len = 0;
  r->is_reading = true;
  r->is_grown = false;
  r->was_over = r->is_over;
  dl_lane_add(r->logs->reading, &r->work);
}

static void on_filled(dl_work_t *work) {
  dl_log_reader_t *r = DL_CONTAINER(work, dl_log_reader_t, work);
  r->is_reading = false;
  if (r->is_closed) {
    free_reader(r);
    return;
  }
  r->offset += (off_t)r->len;
  /* A file that cannot be read any further is as good as ended. */
  r->is_at_end = r->len == 0 && (r->was_over || r->error != 0);
  if (!r->is_told) {
    r->is_told = true;
    bool is_there = r->fd >= 0;
    r->events.on_open(is_there ? r : NULL, r->user);
    if (!is_there) free_reader(r);
    return;
  }
  if (r->len > 0 || r->is_at_end)
    r->events.on_more(r->user);
  else if (r->is_grown)
    start_filling(r);
}

void dl_log_read(dl_logs_t *logs, const char *name, bool follows, const dl_log_events_t *events, void *user) {
  dl_log_reader_t *r = dl_xcalloc(1, sizeof *r);
  dl_log_t *log = dl_map_get(&logs->open, name);
  assert(!strchr(name, '/'));
  r->logs = logs;
  r->path = dl_xprintf("%s/%s", logs->dir, name);
  r->block = dl_xmalloc(BLOCK);
  r->fd = -1;
  r->events = *events;
  r->user = user;
  r->work = (dl_work_t){.run = fill, .done = on_filled};
  /* The last bytes of a log that has ended may be on their way still; nobody shall miss them. */
  r->is_over = !log || (!follows && !log->is_ended);
  dl_list_init(&r->link);
  logs->reader_count++;
  if (log) dl_list_push(&log->readers, &r->link);
  /* What lies there before may be an older log. */
  if (!log || log->is_there) start_filling(r);
}

ssize_t dl_log_pull(dl_log_reader_t *r, char *out, size_t max) {
  assert(!r->is_closed);
  if (r->is_reading) return DL_PULL_LATER;
  if (r->at < r->len) {
    size_t len = r->len - r->at < max ? r->len - r->at : max;
    memcpy(out, r->block + r->at, len);
    r->at += len;
    return (ssize_t)len;
  }
  if (r->is_at_end) return DL_PULL_END;
  /* Nothing was there and nothing has come since: the log will say when. */
  bool is_waiting = r->len == 0 && !r->is_grown && r->is_over == r->was_over;
  if (!is_waiting) start_filling(r);
  return DL_PULL_LATER;
}

void dl_log_close(dl_log_reader_t *r) {
  assert(!r->is_closed);
  r->is_closed = true;
  dl_list_unlink(&r->link);
  if (!r->is_reading) free_reader(r);
}

/* The log has grown, or is over. A reader that sleeps reads again. */
static void wake(dl_log_reader_t *r) {
  bool is_asleep = !r->is_reading && r->len == 0 && !r->is_at_end;
  r->is_grown = true;
  if (is_asleep) start_filling(r);
}

/* --- writing --- */

/* On the writing thread. */
static void write_block(dl_work_t *work) {
  dl_log_t *log = DL_CONTAINER(work, dl_log_t, work);
  if (!log->is_made) {
    unlink(log->path); /* who reads the old one keeps it */
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    log->is_made = true;
    log->is_broken = log->fd < 0;
  }
  for (size_t at = 0; !log->is_broken && at < log->block_len;) {
    ssize_t done = write(log->fd, log->block + at, log->block_len - at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0)
      log->is_broken = true;
    else
      at += (size_t)done;
  }
}

static void free_log(dl_log_t *log) {
  dl_logs_t *logs = log->logs;
  assert(dl_list_empty(&log->readers));
  if (log->fd >= 0) close(log->fd);
  dl_buf_clear(&log->waiting);
  logs->log_count--;
  if (dl_map_get(&logs->open, log->name) == log) dl_map_remove(&logs->open, log->name);
  free(log->name);
  free(log->path);
  free(log);
  close_when_idle(logs);
}

static void write_next(dl_log_t *log) {
  if (log->is_working) return;
  log->block_len = log->waiting.len;
  log->block = dl_buf_take(&log->waiting);
  log->is_working = true;
  dl_lane_add(log->logs->writing, &log->work);
}

static void on_written(dl_work_t *work) {
  dl_log_t *log = DL_CONTAINER(work, dl_log_t, work);
  bool is_over = log->is_ended && log->waiting.len == 0;
  free(log->block);
  log->block = NULL;
  log->is_working = false;
  log->is_there = true;
  DL_LIST_EACH_SAFE(&log->readers, node, after) {
    dl_log_reader_t *r = DL_CONTAINER(node, dl_log_reader_t, link);
    if (is_over) {
      r->is_over = true;
      dl_list_unlink(&r->link);
    }
    wake(r);
  }
  if (is_over)
    free_log(log);
  else if (log->waiting.len > 0)
    write_next(log);
}

dl_log_t *dl_log_new(dl_logs_t *logs, const char *name) {
  dl_log_t *older = dl_map_get(&logs->open, name); /* its last bytes are on their way, before ours */
  assert((!older || older->is_ended) && !strchr(name, '/'));
  dl_log_t *log = dl_xcalloc(1, sizeof *log);
  log->logs = logs;
  log->name = dl_xstrdup(name);
  log->path = dl_xprintf("%s/%s", logs->dir, name);
  log->fd = -1;
  log->work = (dl_work_t){.run = write_block, .done = on_written};
  dl_buf_init(&log->waiting, DL_LOG_MAX + sizeof cut_note);
  dl_list_init(&log->readers);
  dl_map_put(&logs->open, name, log);
  logs->log_count++;
  write_next(log); /* an empty file, so that it can be read from now on */
  return log;
}

void dl_log_write(dl_log_t *log, const char *bytes, size_t len) {
  assert(!log->is_ended);
  if (len == 0 || log->taken >= DL_LOG_MAX) return;
  size_t fits = DL_LOG_MAX - log->taken < len ? DL_LOG_MAX - log->taken : len;
  dl_buf_append(&log->waiting, bytes, fits);
  log->taken += fits;
  if (log->taken >= DL_LOG_MAX) dl_buf_puts(&log->waiting, cut_note);
  write_next(log);
}

void dl_log_end(dl_log_t *log) {
  assert(!log->is_ended);
  log->is_ended = true;
  write_next(log); /* its end frees the log, also where nothing is left to write */
}

/* --- removing --- */

typedef struct {
  dl_work_t work;
  dl_logs_t *logs;
  char *path;
} removal_t;

static void remove_file(dl_work_t *work) { unlink(DL_CONTAINER(work, removal_t, work)->path); }

static void on_removed(dl_work_t *work) {
  removal_t *r = DL_CONTAINER(work, removal_t, work);
  dl_logs_t *logs = r->logs;
  logs->log_count--;
  free(r->path);
  free(r);
  close_when_idle(logs);
}

void dl_log_discard(dl_logs_t *logs, const char *name) {
  assert(!strchr(name, '/'));
  dl_log_t *log = dl_map_get(&logs->open, name);
  if (log && !log->is_ended) return;
  removal_t *r = dl_xcalloc(1, sizeof *r);
  *r = (removal_t){{.run = remove_file, .done = on_removed}, logs, dl_xprintf("%s/%s", logs->dir, name)};
  logs->log_count++;
  dl_lane_add(logs->writing, &r->work);
}
