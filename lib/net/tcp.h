/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP on the client's loop: connect to whichever of several addresses answers first, read by pulling,
 * write with a bounded queue that the owner watches.
 *
 * Reading is pulled. `on_readable` says that bytes or the end may be there; the owner calls
 * daytona__tcp_read() until it returns 0. What it leaves is kept aside and nothing more is read from the
 * socket until it is gone, so an owner that stops pulling puts the pressure on the peer.
 *
 * All connections of a client share one read buffer: an idle connection owns none.
 */
#ifndef DAYTONA_NET_TCP_H
#define DAYTONA_NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/loop.h"
#include "net/resolver.h"

/* One read from a socket, into a buffer that all sockets of a client share. */
#define DAYTONA__READ_BUFFER ((size_t)64 << 10)

typedef struct daytona__tcp daytona__tcp_t;
typedef struct daytona__tcp_socket daytona__tcp_socket_t; /* private */
typedef struct daytona__tcp_race daytona__tcp_race_t;     /* private */
typedef struct daytona__tcp_writer daytona__tcp_writer_t; /* private */

/* What the connections of one client share. Outlives all of them. */
typedef struct daytona__tcp_env {
  daytona__loop_t *loop;
  char *buffer; /* valid while one read is delivered */
} daytona__tcp_env_t;

/* From daytona__tcp_read(): the peer's end or an error came; see `end`. */
#define DAYTONA__TCP_END ((ptrdiff_t)-1)

struct daytona__tcp {
  /* Set by the owner before connecting. Each is called from a turn of the loop, never inside a call. */
  void (*on_connected)(daytona__tcp_t *tcp, int status); /* 0 or a libuv error */
  void (*on_readable)(daytona__tcp_t *tcp);
  void (*on_drained)(daytona__tcp_t *tcp); /* the write queue has become empty */
  void (*on_closed)(daytona__tcp_t *tcp);  /* no handle is left; the memory is the owner's again */

  bool
    is_background; /* set by the owner before connecting: once connected it does not keep the host's loop alive */

  int end;         /* libuv error that ended reading, UV_EOF included; 0: none yet */
  int write_errno; /* why writing has broken; 0: it has not */

  /* private */
  daytona__tcp_env_t *env;
  daytona__tcp_socket_t *socket; /* the one that connected */
  daytona__tcp_race_t *race;     /* while connecting */
  daytona__tcp_writer_t *writer; /* once the peer has been slow */
  unsigned handles;              /* open or closing */
  bool is_closing, is_reading, wants_read;
  bool is_broken; /* nothing can be sent any more */
  const char *in; /* bytes not pulled yet: in the shared buffer or in `stash` */
  size_t in_size;
  char *stash;
  size_t turn_bytes; /* read since reading last yielded to others */

  /* since the owner last stopped reading; ends with a pause in what comes */
  bool is_behind;
  size_t behind_bytes;
  int64_t resumed_ms, read_ms; /* reading went on; bytes came last */

  daytona__task_t task;
};

int daytona__tcp_env_init(daytona__tcp_env_t *env, daytona__loop_t *loop);
void daytona__tcp_env_clear(daytona__tcp_env_t *env);

void daytona__tcp_init(daytona__tcp_t *tcp, daytona__tcp_env_t *env);

/*
 * Connect to `port` at one of `addresses` (copied). Families alternate; the next address is tried when
 * one fails or `race_ms` after it was tried (negative: the default; INT64_MAX: only after a failure).
 * There is no time limit here: the owner closes.
 */
int daytona__tcp_connect(daytona__tcp_t *tcp, const daytona__addresses_t *addresses, int port,
                         int64_t race_ms);

/* Up to `size` bytes; 0: none now; DAYTONA__TCP_END. */
ptrdiff_t daytona__tcp_read(daytona__tcp_t *tcp, void *buffer, size_t size);

/* Begin or stop reading from the socket. Bytes kept aside stay; the owner that resumes also pulls. */
void daytona__tcp_set_reading(daytona__tcp_t *tcp, bool wants_read);

/*
 * Send now what the socket takes and queue a copy of the rest: 0, DAYTONA_ENOMEM, DAYTONA_EIO (no descriptor is
 * left to wait for a slow peer with) or DAYTONA_ECLOSED. Never raises SIGPIPE. A
 * connection that the peer has broken swallows the bytes; reading reports the end, after what the
 * peer sent before it.
 */
int daytona__tcp_write(daytona__tcp_t *tcp, const void *bytes, size_t size);

/*
 * Whether the connection ended while its owner had much to read yet after a pause in reading. Then the peer has perhaps
 * given up a reader that was too slow for it.
 */
bool daytona__tcp_was_behind(const daytona__tcp_t *tcp);

/* Bytes accepted and not yet handed to the system. */
size_t daytona__tcp_queued(const daytona__tcp_t *tcp);

/*
 * Whether what was sent does not get through: it waits for room, or the system repeats it because the peer's system
 * is silent. Only the former is known where the system does not say.
 */
bool daytona__tcp_is_stuck(const daytona__tcp_t *tcp);

/* Stop everything; queued writes are dropped. on_closed comes in a later turn and nothing before it. */
void daytona__tcp_close(daytona__tcp_t *tcp);

/* "connection refused" for UV_ECONNREFUSED, and so on. Static. */
const char *daytona__tcp_strerror(int status);

#endif
