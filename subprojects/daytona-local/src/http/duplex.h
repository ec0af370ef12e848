/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream in both directions over a non-blocking socket: an upgraded HTTP connection, or
 * a connection to a sandbox. Reading can be paused; writing queues up to a ceiling and reports
 * when the queue is empty again, which together give back-pressure across a relay.
 */
#ifndef DL_DUPLEX_H
#define DL_DUPLEX_H

#include "base/buf.h"

#include <uv.h>

typedef struct dl_duplex dl_duplex_t;

typedef struct {
  /* Bytes arrived; borrowed for the call. */
  void (*on_data)(dl_duplex_t *d, const char *bytes, size_t len, void *user);
  /* The peer sent its end (error 0; writing may still work), or the stream broke (a negative uv
   * error). Each comes at most once, a break is the last event, and its user must then close. */
  void (*on_end)(dl_duplex_t *d, int error, void *user);
  /* Everything written has left. Optional. */
  void (*on_drain)(dl_duplex_t *d, void *user);
  /* With dl_duplex_watch_hangup: the peer sends nothing more than what has come and was not read yet. Once.
   * Optional; without it that is a break, and what was not read is lost. */
  void (*on_hangup)(dl_duplex_t *d, void *user);
} dl_duplex_events_t;

/* How a stream gets rid of its descriptor; by default close(2). */
typedef void (*dl_duplex_release_cb)(int fd, void *owner);

/* `fd` is taken. `is_connecting`: a connect is under way; writes wait for it. Reading is on. */
dl_duplex_t *dl_duplex_new(uv_loop_t *loop, int fd, bool is_connecting, dl_duplex_release_cb release,
                           void *owner);
void dl_duplex_listen(dl_duplex_t *d, const dl_duplex_events_t *events, void *user);

/* Bytes that were read already come first in on_data. Copied. */
void dl_duplex_unread(dl_duplex_t *d, const void *bytes, size_t len);
void dl_duplex_read_pause(dl_duplex_t *d);
void dl_duplex_read_resume(dl_duplex_t *d);
/* Copied. False when the queue is past its ceiling: the stream is then broken (on_end follows). */
bool dl_duplex_write(dl_duplex_t *d, const void *bytes, size_t len);
size_t dl_duplex_queued(const dl_duplex_t *d);
/* Bytes that have left so far: what distinguishes a slow reader from one that does not read. */
uint64_t dl_duplex_sent(const dl_duplex_t *d);
/* The end, at once: no event follows, queued bytes are dropped, memory continues a later turn. */
void dl_duplex_close(dl_duplex_t *d);
/* As close, but lets what is queued leave first, for at most `limit_ms`. */
void dl_duplex_close_flushed(dl_duplex_t *d, unsigned limit_ms);
/* Break the stream from outside: its user gets on_end with `error`. True if the user closed it. */
bool dl_duplex_fail(dl_duplex_t *d, int error);
/* While reading is paused, report that the peer has hung up. */
void dl_duplex_watch_hangup(dl_duplex_t *d, bool is_on);
/* After its end, a peer is either gone or only sends no more. Tell as a break that nothing reaches it any more, which
 * shows at once on a Unix socket, and on TCP when something was sent to it. */
void dl_duplex_watch_break(dl_duplex_t *d);
/* on_drain comes in the next turn, also when nothing is queued. */
void dl_duplex_ask_drain(dl_duplex_t *d);
int dl_duplex_fd(const dl_duplex_t *d);

/* --- for damage on purpose --- */

/* The TCP connection itself, where the stream is only a pipe to TLS. Taken. */
void dl_duplex_set_wire(dl_duplex_t *d, int fd);
int dl_duplex_wire(const dl_duplex_t *d);
/* All bytes are on their way; or all have come into the peer's own queue. */
bool dl_duplex_is_sent(const dl_duplex_t *d);
bool dl_duplex_is_delivered(const dl_duplex_t *d);
/* No more bytes from us; reading continues. Only when it is delivered. */
void dl_duplex_shutdown(dl_duplex_t *d);
/* Break the connection with a reset. Close it afterwards. */
void dl_duplex_reset(dl_duplex_t *d);

/* Whether all that was written to `fd` has come into the client's queue; `wire`: the client's socket, may be `fd`. */
bool dl_socket_is_delivered(int fd, int wire);
/* Break a TCP connection with a reset, no matter who owns the descriptor. */
void dl_socket_reset(int fd);

/* A writer that stops here keeps memory per stream small. */
#define DL_DUPLEX_HIGH (256u * 1024)
#define DL_DUPLEX_MAX (4u * 1024 * 1024)

#endif
