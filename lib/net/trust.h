/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates that a TLS stack was given, read on the thread pool and again when their files have changed.
 *
 * A bundle holds some 140 certificates, which take about 20 ms to parse: far too long for a turn of the loop. Whoever
 * is about to connect waits here. The files are looked at, on the pool as well, unless that was done within the last
 * second, and read if they are not those that were read before. What was made of them belongs to the owner of this
 * structure from then on; connections that use an older one keep that.
 *
 * Files that can no longer be used leave what was read before in force, with a line in the log: a renewal that is
 * half done must not stop everything.
 */
#ifndef DAYTONA_NET_TRUST_H
#define DAYTONA_NET_TRUST_H

#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

#include <daytona/error.h>

#include "core/list.h"
#include "core/loop.h"

typedef struct daytona__trust daytona__trust_t;
typedef struct daytona__trust_waiter daytona__trust_waiter_t;

struct daytona__trust_waiter {
  daytona__list_t link;
  /* 0, or a code and a message that is borrowed for the call. From a turn of the loop. */
  void (*on_ready)(daytona__trust_waiter_t *waiter, int code, const char *message);
};

enum { DAYTONA__TRUST_FILES = 4 };

/* What distinguishes one version of a file, or of the entries of a folder, from another. */
typedef struct daytona__trust_version {
  struct timespec modified, changed;
  uint64_t device, inode, size;
} daytona__trust_version_t;

struct daytona__trust {
  /* --- the owner's; borrowed until `closed` --- */
  const char *files[DAYTONA__TRUST_FILES]; /* NULL: none */
  /*
   * Read everything. On a thread of the pool, so malloc() is all that may be called for memory. What it returns goes to
   * `use` or `drop`; NULL is a failure, with `code` and `message` set.
   */
  void *(*load)(daytona__trust_t *trust);
  int (*use)(daytona__trust_t *trust, void *loaded); /* on the loop; DAYTONA_ENOMEM: it was dropped */
  void (*drop)(void *loaded);                        /* on the loop; nobody wants it any more */
  bool stays_on_loop; /* `load` must not run in another thread: it blocks the loop then */

  /* --- set by `load` --- */
  int code;
  char message[256];

  /* --- private --- */
  daytona__loop_t *loop;
  bool is_working, is_loaded, is_closing;
  int64_t looked_ms; /* when the files were last looked at; -1: look again */
  daytona__trust_version_t versions[DAYTONA__TRUST_FILES], seen[DAYTONA__TRUST_FILES];
  void *fresh; /* what `load` has made */
  daytona__list_t waiters;
  uv_work_t work;
  daytona__task_t notify;
  void (*closed)(void *user);
  void *closed_user;
};

/* `trust` is zero but for the owner's part. */
void daytona__trust_init(daytona__trust_t *trust, daytona__loop_t *loop);

/* Whether everything was read, and looked at so recently that nobody need wait. */
bool daytona__trust_is_fresh(const daytona__trust_t *trust);

/* Report to `waiter` in a later turn. Cancelling is harmless after the report. */
void daytona__trust_wait(daytona__trust_t *trust, daytona__trust_waiter_t *waiter);
void daytona__trust_cancel(daytona__trust_waiter_t *waiter);

/* What was read last is lost: it is read again before it is reported as ready. */
void daytona__trust_forget(daytona__trust_t *trust);

/* A handshake has failed: the next connection looks at the files in any case. */
void daytona__trust_doubt(daytona__trust_t *trust);

/* Nobody may wait any more. `closed` comes in a later turn, when no thread is at work. */
void daytona__trust_close(daytona__trust_t *trust, void (*closed)(void *user), void *user);

/*
 * Where this system keeps its certificates, in `path` of `size` bytes: where libcurl was configured to look when it was built,
 * or where distributions put them. `*is_folder`: a hashed folder. False: nowhere.
 */
bool daytona__trust_of_system(char *path, size_t size, bool *is_folder);

#endif
