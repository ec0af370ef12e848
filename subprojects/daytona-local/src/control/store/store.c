/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal. Invariants: `all` holds what the journal says once every batch is written; one
 * batch is on the writing thread at a time and `waiting` is what follows it; what one turn of the loop puts is in one batch,
 * and a commit is told what became of the last batch with something put before it; the file is only ever appended to, shortened to what it was before a write that failed, or replaced as a whole by rename.
 *
 * A file beside the journal holds room for removals: on a full disk it is given up for the batch that has one, so that what takes
 * room away can always be removed. It is made again when there is room.
 *
 * When a batch cannot be written, it and all that waits behind it (which was made on top of it) is taken back: `all` is
 * again what the file says.
 */
#include "control/store/store.h"

#include "base/buf.h"
#include "base/lane.h"
#include "control/store/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_MAX (size_t)(1u << 30)
/* Rewriting the journal is worth it from here on, when most of it is history. */
#define COMPACT_BYTES (4u << 20)
#define COMPACT_RATIO 4
/* Enough for the removal of some sandboxes with large environments; at most this part of a small disk. */
#define RESERVE_BYTES (256u << 10)
#define RESERVE_SHARE 32

typedef struct {
  dl_list_t link;
  dl_store_cb cb;
  void *user;
} commit_t;

/* What an object was before a put. */
typedef struct {
  dl_list_t link;
  char *kind, *id;
  json_t *value; /* NULL: there was none */
} earlier_t;

struct dl_store {
  dl_lane_t *lane; /* nothing else runs there: what is slow elsewhere never keeps a change from the disk */
  dl_work_t work;
  uv_idle_t turn; /* active until the turn is over in which something was committed */
  char *dir;
  int dir_fd, fd, lock_fd, reserve_fd;
  bool is_durable, is_working, is_closing;
  bool is_failing;   /* the last batch could not be written */
  bool is_uncertain; /* the file may hold what was taken back: the next batch replaces it */
  bool forgets;      /* what the file tells of the past is to go: the next batch replaces it, if it can */
  json_t *all;       /* kind -> id -> value */
  json_t *damage;    /* what could not be read at the start; NULL: nothing */
  dl_buf_t waiting;
  size_t waiting_max;
  bool is_overfull;  /* not all that was put is in `waiting` */
  bool frees_room;   /* a removal is in `waiting` */
  dl_list_t commits; /* waiting for the next batch */
  dl_list_t undo;    /* what `waiting` has changed */
  /* The batch on the writing thread. */
  struct {
    char *bytes; /* to append; NULL: there is only `whole` */
    size_t len;
    char *whole; /* a journal to replace the file; NULL: append */
    size_t whole_len;
    int error;        /* of a batch that is not written */
    bool is_refused;  /* it is not even tried */
    bool forgets;     /* it is to replace the file, or the next one is */
    bool frees_room;  /* it may have the reserve */
    bool is_replaced; /* the file is `whole` now */
    bool is_uncertain;
    bool is_decided; /* its commits are being told */
    dl_list_t commits, undo;
  } batch;
  bool has_reserve; /* of the writing thread while it works */
  size_t journal_bytes, live_bytes;
  size_t compact_at; /* how large the journal may become before rewriting it is tried again */
  dl_store_undone_cb on_undone;
  void *undone_user;
  dl_store_change_cb on_change;
  void *change_user;
  void (*on_closed)(void *user);
  void *closed_user;
};

static bool read_all(int fd, dl_buf_t *out) {
  for (;;) {
    char *at = dl_buf_reserve(out, 256 * 1024);
    if (!at) errno = EFBIG;
    if (!at) return false;
    ssize_t got = read(fd, at, 256 * 1024);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    dl_buf_grew(out, (size_t)got);
  }
}

/* --- files --- */

static int write_all(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t done = write(fd, bytes, len);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return -errno;
    bytes += done;
    len -= (size_t)done;
  }
  return 0;
}

/* A whole new journal beside the old one, which it then replaces. */
static int rewrite(dl_store_t *s, const char *bytes, size_t len) {
  int fd = openat(s->dir_fd, "journal.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  int rc = write_all(fd, bytes, len);
  if (rc == 0 && s->is_durable && fsync(fd) != 0) rc = -errno;
  if (rc == 0 && renameat(s->dir_fd, "journal.new", s->dir_fd, "journal") != 0) rc = -errno;
  if (rc != 0) {
    unlinkat(s->dir_fd, "journal.new", 0); /* on a full disk its blocks are needed */
    close(fd);
    return rc;
  }
  close(s->fd);
  s->fd = fd;
  return 0;
}

/* --- room for removals --- */

/* Best effort: without it removals fail on a full disk as everything else does. */
static void keep_reserve(dl_store_t *s) {
  struct statvfs fs;
  if (s->has_reserve || s->reserve_fd < 0 || fstatvfs(s->reserve_fd, &fs) != 0) return;
  uint64_t share = (uint64_t)fs.f_blocks * fs.f_frsize / RESERVE_SHARE;
  off_t size = share > 0 && share < RESERVE_BYTES ? (off_t)share : RESERVE_BYTES;
  s->has_reserve = posix_fallocate(s->reserve_fd, 0, size) == 0;
  if (!s->has_reserve && ftruncate(s->reserve_fd, 0) != 0) dl_warn("%s/reserve: %s", s->dir, strerror(errno));
}

/* True: there is room now that was not there before. */
static bool spend_reserve(dl_store_t *s) {
  if (!s->has_reserve || ftruncate(s->reserve_fd, 0) != 0) return false;
  s->has_reserve = false;
  return true;
}

/* The name may still be that of the old file after a crash. */
static int sync_name(dl_store_t *s) { return s->is_durable && fsync(s->dir_fd) != 0 ? -errno : 0; }

/* False when it is more than a journal may be. */
static bool serialize_all(dl_store_t *s, dl_buf_t *out) {
  const char *kind, *id;
  json_t *objects, *value;
  bool fits = true;
  json_object_foreach (s->all, kind, objects) {
    json_object_foreach (objects, id, value) {
      char *line = dl_journal_encode(kind, id, value);
      fits = fits && dl_buf_puts(out, line);
      free(line);
    }
  }
  return fits;
}

/* --- a damaged journal --- */

/* The file as it is under another name, by link or, where there are none, as a copy. NULL with errno. */
static char *keep_aside(dl_store_t *s, const dl_buf_t *text) {
  char stamp[32];
  time_t now = time(NULL);
  struct tm utc;
  strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
  for (int i = 0; i < 100; i++) {
    char *name =
      i == 0 ? dl_xprintf("journal.damaged-%s", stamp) : dl_xprintf("journal.damaged-%s-%d", stamp, i);
    if (linkat(s->dir_fd, "journal", s->dir_fd, name, 0) == 0) return name;
    int fd = errno == EEXIST ? -1 : openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int failure = errno;
    if (fd >= 0) {
      int rc = write_all(fd, text->data, text->len);
      if (rc == 0 && fsync(fd) != 0) rc = -errno;
      close(fd);
      if (rc == 0) return name;
      unlinkat(s->dir_fd, name, 0);
      failure = -rc;
    }
    free(name);
    errno = failure;
    if (failure != EEXIST) break;
  }
  return NULL;
}

/* Said once, and kept for later callers. */
static void report(dl_store_t *s, const dl_replay_t *r, const char *name) {
  const char *key;
  json_t *any, *lost = json_array();
  dl_error(
    "%s/journal was damaged: %zu records (%zu bytes) cannot be read, %zu are kept; the file as it was is "
    "%s/%s",
    s->dir, r->bad_count, r->bad_bytes, r->record_count, s->dir, name);
  json_object_foreach (r->lost, key, any) {
    const char *id = strchr(key, ' ') + 1;
    char *kind = dl_xstrndup(key, (size_t)(id - 1 - key));
    bool is_known = json_object_get(json_object_get(s->all, kind), id) != NULL;
    dl_error("%s: %s", key,
             is_known ? "a change is lost; what was written before it counts"
                      : "is lost, unless it had been removed before");
    json_array_append_new(lost, json_pack("{s:s, s:s, s:b}", "kind", kind, "id", id, "isKnown", is_known));
    free(kind);
  }
  if (r->unnamed_count > 0) dl_error("%zu of the records do not show what they were about", r->unnamed_count);
  s->damage =
    json_pack("{s:s, s:I, s:I, s:I, s:o}", "file", name, "records", (json_int_t)r->bad_count, "bytes",
              (json_int_t)r->bad_bytes, "unnamed", (json_int_t)r->unnamed_count, "lost", lost);
}

/* What can be read becomes the journal, beside the file as it was. */
static int repair(dl_store_t *s, const dl_replay_t *r, const dl_buf_t *text, char **error) {
  dl_buf_t good;
  char *name = keep_aside(s, text);
  if (!name) {
    *error = dl_xprintf("%s/journal is damaged and cannot be kept aside: %s", s->dir, strerror(errno));
    return -1;
  }
  dl_buf_init(&good, JOURNAL_MAX);
  int rc = serialize_all(s, &good) ? rewrite(s, good.data ? good.data : "", good.len) : -EFBIG;
  if (rc == 0) rc = sync_name(s);
  if (rc == 0) s->journal_bytes = s->live_bytes = good.len;
  if (rc != 0) *error = dl_xprintf("cannot repair %s/journal: %s", s->dir, strerror(-rc));
  if (rc == 0) report(s, r, name);
  dl_buf_clear(&good);
  free(name);
  return rc;
}

/* The end of a write that was cut off was never acknowledged. */
static int cut_off(dl_store_t *s, const dl_replay_t *r, char **error) {
  s->journal_bytes = r->read_bytes;
  if (r->unfinished_bytes > 0)
    dl_warn("%s/journal: dropping %zu bytes of an unfinished write", s->dir, r->unfinished_bytes);
  if ((r->unfinished_bytes == 0 || ftruncate(s->fd, (off_t)r->read_bytes) == 0) &&
      lseek(s->fd, (off_t)r->read_bytes, SEEK_SET) >= 0)
    return 0;
  *error = dl_xprintf("cannot shorten %s/journal: %s", s->dir, strerror(errno));
  return -1;
}

static int load(dl_store_t *s, char **error) {
  dl_buf_t text;
  dl_buf_init(&text, JOURNAL_MAX);
  s->fd = openat(s->dir_fd, "journal", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (s->fd < 0 || !read_all(s->fd, &text)) {
    *error = dl_xprintf("cannot read %s/journal: %s", s->dir, strerror(errno));
    dl_buf_clear(&text);
    return -1;
  }
  dl_replay_t r;
  dl_journal_replay(s->all, text.data ? text.data : "", text.len, &r);
  bool is_damaged = r.bad_bytes > 0 || r.needs_rewrite;
  int rc = is_damaged ? repair(s, &r, &text, error) : cut_off(s, &r, error);
  dl_replay_clear(&r);
  dl_buf_clear(&text);
  if (rc == 0 && s->is_durable && (fsync(s->fd) != 0 || fsync(s->dir_fd) != 0)) {
    *error = dl_xprintf("cannot sync %s/journal: %s", s->dir, strerror(errno));
    rc = -1;
  }
  return rc;
}

/* --- opening --- */

static void forget(dl_list_t *undo);

static void free_store(dl_store_t *s) {
  if (s->fd >= 0) close(s->fd);
  if (s->reserve_fd >= 0) close(s->reserve_fd);
  if (s->lock_fd >= 0) close(s->lock_fd);
  if (s->dir_fd >= 0) close(s->dir_fd);
  json_decref(s->all);
  json_decref(s->damage);
  dl_buf_clear(&s->waiting);
  forget(&s->undo);
  free(s->dir);
  free(s);
}

/* A server that was killed just now can live on for a moment in a child between fork and exec, and
 * the lock with it. */
static bool take_lock(int fd) {
  for (int tries = 20; tries > 0; tries--) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return false;
    usleep(10000);
  }
  return false;
}

static void write_batch(dl_work_t *work);
static void on_written(dl_work_t *work);

dl_store_t *dl_store_open(uv_loop_t *loop, const char *dir, bool is_durable, char **error) {
  dl_store_t *s = dl_xcalloc(1, sizeof *s);
  s->dir = dl_xstrdup(dir);
  s->is_durable = is_durable;
  s->fd = s->lock_fd = s->dir_fd = s->reserve_fd = -1;
  s->all = json_object();
  s->work.run = write_batch;
  s->work.done = on_written;
  dl_buf_init(&s->waiting, JOURNAL_MAX);
  dl_list_init(&s->commits);
  dl_list_init(&s->undo);
  dl_list_init(&s->batch.commits);
  dl_list_init(&s->batch.undo);
  s->waiting_max = JOURNAL_MAX;
  if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
    *error = dl_xprintf("cannot make the state directory %s: %s", dir, strerror(errno));
    goto out;
  }
  s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->dir_fd < 0) {
    *error = dl_xprintf("cannot open the state directory %s: %s", dir, strerror(errno));
    goto out;
  }
  s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (s->lock_fd < 0 || !take_lock(s->lock_fd)) {
    *error = dl_xprintf("the state directory %s is in use by another server", dir);
    goto out;
  }
  if (load(s, error) != 0) goto out;
  s->reserve_fd = openat(s->dir_fd, "reserve", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  keep_reserve(s);
  s->lane = dl_lane_new(loop, 1, 0);
  if (s->lane) {
    uv_idle_init(loop, &s->turn);
    return s;
  }
  *error = dl_xprintf("cannot make a thread: %s", strerror(errno));
out:
  free_store(s);
  return NULL;
}

const json_t *dl_store_damage(const dl_store_t *s) { return s->damage; }

const json_t *dl_store_all(dl_store_t *s, const char *kind) {
  json_t *objects = json_object_get(s->all, kind);
  if (!objects) {
    objects = json_object();
    json_object_set_new(s->all, kind, objects);
  }
  return objects;
}

/* --- writing --- */

static int append(dl_store_t *s, const char *bytes, size_t len) {
  int rc = write_all(s->fd, bytes, len);
  if (rc == 0 && s->is_durable && fdatasync(s->fd) != 0) rc = -errno;
  return rc;
}

/* The file as it was before a write that failed. False when that is not certain either. */
static bool shorten(dl_store_t *s) {
  if (ftruncate(s->fd, (off_t)s->journal_bytes) != 0) return false;
  if (lseek(s->fd, (off_t)s->journal_bytes, SEEK_SET) < 0) return false;
  return !s->is_durable || fdatasync(s->fd) == 0;
}

static void append_batch(dl_store_t *s) {
  s->batch.error = append(s, s->batch.bytes, s->batch.len);
  bool is_full = s->batch.error == -ENOSPC || s->batch.error == -EDQUOT;
  if (is_full && s->batch.frees_room && shorten(s) && spend_reserve(s))
    s->batch.error = append(s, s->batch.bytes, s->batch.len);
  if (s->batch.error != 0) s->batch.is_uncertain = !shorten(s);
}

/* On the writing thread. */
static void write_batch(dl_work_t *work) {
  dl_store_t *s = DL_CONTAINER(work, dl_store_t, work);
  s->batch.is_replaced = s->batch.is_uncertain = false;
  if (s->batch.is_refused) return;
  if (s->batch.whole) {
    s->batch.error = rewrite(s, s->batch.whole, s->batch.whole_len);
    s->batch.is_replaced = s->batch.error == 0;
    if (s->batch.error == 0) s->batch.error = sync_name(s);
    s->batch.is_uncertain = s->batch.is_replaced && s->batch.error != 0;
    if (s->batch.is_replaced || !s->batch.bytes) return;
  }
  append_batch(s);
  if (s->batch.error == 0) keep_reserve(s);
}

/* --- taking back --- */

static void free_earlier(earlier_t *e) {
  json_decref(e->value);
  free(e->kind);
  free(e->id);
  free(e);
}

static void forget(dl_list_t *undo) {
  DL_LIST_EACH_SAFE(undo, node, after) {
    dl_list_unlink(node);
    free_earlier(DL_CONTAINER(node, earlier_t, link));
  }
}

/* `value` is borrowed. */
static void change(dl_store_t *s, const char *kind, const char *id, json_t *value) {
  json_t *before = json_incref(json_object_get(json_object_get(s->all, kind), id));
  dl_journal_apply(s->all, kind, id, value);
  if (s->on_change) s->on_change(kind, before, value, s->change_user);
  json_decref(before);
}

/* From the last put to the first; the watcher is called when all is as it was. */
static void take_back(dl_store_t *s, dl_list_t *undo) {
  json_t *told = json_object();
  for (dl_list_t *node = undo->prev; node != undo; node = node->prev) {
    earlier_t *e = DL_CONTAINER(node, earlier_t, link);
    change(s, e->kind, e->id, e->value);
  }
  DL_LIST_EACH(undo, node) {
    earlier_t *e = DL_CONTAINER(node, earlier_t, link);
    char *key = dl_xprintf("%s %s", e->kind, e->id);
    if (s->on_undone && !json_object_get(told, key)) s->on_undone(e->kind, e->id, s->undone_user);
    json_object_set_new(told, key, json_true());
    free(key);
  }
  json_decref(told);
  forget(undo);
}

static void tell(dl_list_t *commits, dl_written_t outcome) {
  dl_list_t told;
  dl_list_init(&told);
  dl_list_splice(&told, commits);
  DL_LIST_EACH_SAFE(&told, node, after) {
    commit_t *c = DL_CONTAINER(node, commit_t, link);
    c->cb(outcome, c->user);
    free(c);
  }
}

/* The batch, and what waits: it was made on top of the batch. */
static void fail(dl_store_t *s, int error, bool is_uncertain) {
  if (!s->is_failing || is_uncertain)
    dl_error("cannot write the journal in %s: %s", s->dir, strerror(-error));
  s->is_failing = true;
  if (is_uncertain) s->is_uncertain = true;
  dl_list_t undo, commits, later;
  dl_list_init(&undo);
  dl_list_init(&commits);
  dl_list_init(&later);
  dl_list_splice(&undo, &s->batch.undo);
  dl_list_splice(&undo, &s->undo);
  dl_list_splice(&commits, &s->batch.commits);
  dl_list_splice(&later, &s->commits);
  dl_buf_reset(&s->waiting);
  s->is_overfull = s->frees_room = false;
  take_back(s, &undo);
  tell(&commits, is_uncertain ? DL_PERHAPS_WRITTEN : DL_NOT_WRITTEN);
  tell(&later, DL_NOT_WRITTEN);
}

static void succeed(dl_store_t *s) {
  if (s->is_failing) dl_warn("the journal in %s can be written again", s->dir);
  s->is_failing = false;
  if (s->batch.is_replaced) {
    s->journal_bytes = s->live_bytes = s->batch.whole_len;
    s->is_uncertain = false;
  } else {
    s->journal_bytes += s->batch.len;
    /* There was no room for a new file; there may be when much more is history. */
    if (s->batch.whole) s->compact_at = s->journal_bytes + COMPACT_BYTES;
  }
  forget(&s->batch.undo);
  tell(&s->batch.commits, DL_WRITTEN);
}

static void next_batch(dl_store_t *s);

static void on_written(dl_work_t *work) {
  dl_store_t *s = DL_CONTAINER(work, dl_store_t, work);
  assert(s->is_working); /* until all are reported: they may put and commit */
  s->batch.is_decided = true;
  if (s->batch.forgets && !s->batch.is_replaced) s->forgets = true;
  if (s->batch.error == 0)
    succeed(s);
  else
    fail(s, s->batch.error, s->batch.is_uncertain);
  free(s->batch.bytes);
  free(s->batch.whole);
  s->batch.bytes = s->batch.whole = NULL;
  s->is_working = false;
  next_batch(s);
}

static void on_turn_closed(uv_handle_t *turn) {
  dl_store_t *s = DL_CONTAINER(turn, dl_store_t, turn);
  void (*on_closed)(void *) = s->on_closed;
  void *closed_user = s->closed_user;
  free_store(s);
  if (on_closed) on_closed(closed_user);
}

static void on_lane_closed(void *user) {
  dl_store_t *s = user;
  uv_close((uv_handle_t *)&s->turn, on_turn_closed);
}

/* What replaces the file, where that is due; 0, or why it cannot be. */
static int prepare_whole(dl_store_t *s, bool is_due) {
  dl_buf_t whole;
  if (!is_due) return 0;
  dl_buf_init(&whole, JOURNAL_MAX);
  bool fits = serialize_all(s, &whole);
  s->batch.whole_len = whole.len;
  if (fits) s->batch.whole = dl_buf_take(&whole);
  dl_buf_clear(&whole);
  return fits ? 0 : -EFBIG;
}

static void next_batch(dl_store_t *s) {
  if (s->is_working) return;
  if (s->waiting.len == 0 && !s->is_overfull && dl_list_empty(&s->commits)) {
    if (s->is_closing) dl_lane_close(s->lane, on_lane_closed, s);
    return;
  }
  bool is_history = s->journal_bytes > COMPACT_BYTES && s->journal_bytes > s->live_bytes * COMPACT_RATIO &&
                    s->journal_bytes > s->compact_at;
  is_history = is_history || s->forgets;
  s->batch.forgets = s->forgets;
  s->forgets = false;
  bool is_needed = s->is_uncertain || s->journal_bytes + s->waiting.len > JOURNAL_MAX;
  int rc = s->is_overfull ? -EFBIG : prepare_whole(s, is_history || is_needed);
  s->batch.is_refused = rc != 0 && (s->is_overfull || is_needed);
  s->batch.error = rc;
  s->batch.frees_room = s->frees_room;
  s->is_overfull = s->frees_room = false;
  s->batch.len = s->waiting.len;
  s->batch.bytes = dl_buf_take(&s->waiting);
  if (is_needed) {
    free(s->batch.bytes);
    s->batch.bytes = NULL;
  }
  dl_list_splice(&s->batch.commits, &s->commits);
  dl_list_splice(&s->batch.undo, &s->undo);
  s->is_working = true;
  s->batch.is_decided = false;
  dl_lane_add(s->lane, &s->work);
}

static void remember(dl_store_t *s, const char *kind, const char *id) {
  earlier_t *e = dl_xcalloc(1, sizeof *e);
  *e = (earlier_t){.kind = dl_xstrdup(kind),
                   .id = dl_xstrdup(id),
                   .value = json_incref(json_object_get(json_object_get(s->all, kind), id))};
  dl_list_push(&s->undo, &e->link);
}

void dl_store_put(dl_store_t *s, const char *kind, const char *id, json_t *value) {
  remember(s, kind, id);
  change(s, kind, id, value);
  char *line = dl_journal_encode(kind, id, value);
  /* From here on it cannot be written any more, and neither can what follows. */
  if (s->waiting.len + strlen(line) > s->waiting_max || !dl_buf_puts(&s->waiting, line))
    s->is_overfull = true;
  if (value == NULL) s->frees_room = true;
  free(line);
  json_decref(value);
}

void dl_store_put_ending(dl_store_t *s, const char *kind, const char *id, json_t *value) {
  dl_store_put(s, kind, id, value);
  s->frees_room = true;
}

void dl_store_forget_history(dl_store_t *s) { s->forgets = true; }

bool dl_store_is_failing(const dl_store_t *s) { return s->is_failing; }

void dl_store_watch(dl_store_t *s, dl_store_undone_cb on_undone, void *user) {
  s->on_undone = on_undone;
  s->undone_user = user;
}

void dl_store_on_change(dl_store_t *s, dl_store_change_cb on_change, void *user) {
  s->on_change = on_change;
  s->change_user = user;
}

void dl_store_set_waiting_max(dl_store_t *s, size_t max) { s->waiting_max = max; }

static void on_turn(uv_idle_t *turn) {
  uv_idle_stop(turn);
  next_batch(DL_CONTAINER(turn, dl_store_t, turn));
}

/* Nothing was put since the batch that is on the writing thread. */
static bool adds_nothing(const dl_store_t *s) {
  return s->is_working && !s->batch.is_decided && dl_list_empty(&s->undo) && dl_list_empty(&s->commits) &&
         !s->forgets;
}

void dl_store_commit(dl_store_t *s, dl_store_cb cb, void *user) {
  commit_t *c = dl_xcalloc(1, sizeof *c);
  c->cb = cb;
  c->user = user;
  if (adds_nothing(s)) {
    dl_list_push(&s->batch.commits, &c->link);
    return;
  }
  dl_list_push(&s->commits, &c->link);
  uv_idle_start(&s->turn, on_turn); /* what else this turn puts stands or falls with it */
}

void dl_store_close(dl_store_t *s, void (*on_closed)(void *user), void *user) {
  s->is_closing = true;
  s->on_closed = on_closed;
  s->closed_user = user;
  next_batch(s);
}
