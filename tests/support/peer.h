/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted TCP server on the test's own loop: it does exactly what the test says and nothing else, in an
 * order that the test decides. Listens on a free port of 127.0.0.1.
 *
 * By default each complete HTTP/1 request (headers, and a body by Content-Length or chunks) is answered
 * with `answer`. A test that wants more sets callbacks and calls peer_send(), peer_end(), peer_reset().
 */
#ifndef TESTS_SUPPORT_PEER_H
#define TESTS_SUPPORT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

typedef struct peer peer_t;
typedef struct peer_conn peer_conn_t;

struct peer_conn {
  uv_tcp_t tcp;
  peer_t *peer;
  peer_conn_t *next, *previous;
  size_t index;         /* the how-manieth connection, from 0 */
  size_t request_count; /* complete requests on this one */
  char *in;             /* bytes that are not yet a complete request; NUL-terminated */
  size_t in_size, in_room;
  bool is_raw; /* give bytes to on_bytes instead of looking for requests */
  bool is_closing;
  void *user;
};

struct peer {
  uv_tcp_t listener;
  int port;
  size_t accepted, open, requests; /* so far; now; complete requests so far */
  size_t bytes;                    /* received so far */
  char last_request[8192];         /* the latest one, NUL-terminated, cut */
  peer_conn_t *conns;

  /* the script */
  const char *answer; /* for every request when there is no on_request; NULL: silence */
  size_t answer_size; /* 0: strlen(answer) */
  bool ends_after_answer;
  bool accepts_raw; /* new connections begin with is_raw */
  void (*on_accept)(peer_conn_t *conn);
  void (*on_request)(peer_conn_t *conn, const char *request, size_t size);
  void (*on_bytes)(peer_conn_t *conn, const char *bytes, size_t size);
  void *user;
};

/* Zeroes the script; set it afterwards. */
void peer_open(peer_t *peer, uv_loop_t *uv);

/* Stop listening and drop all connections; the loop must turn once more for the memory. */
void peer_close(peer_t *peer);

void peer_send(peer_conn_t *conn, const char *bytes, size_t size); /* copied */
void peer_puts(peer_conn_t *conn, const char *text);
void peer_end(peer_conn_t *conn);   /* orderly: after what was sent */
void peer_reset(peer_conn_t *conn); /* RST */
void peer_leave(
  peer_conn_t *conn); /* close with what was not read yet: what was sent arrives, and then RST */
void peer_stop_reading(peer_conn_t *conn);
void peer_start_reading(peer_conn_t *conn);

/* "http://127.0.0.1:PORT" and `path`, in one of a few static buffers. */
const char *peer_url(const peer_t *peer, const char *path);

/* A port of 127.0.0.1 on which nobody listens. */
int peer_dead_port(void);

/* A port of 127.0.0.1 whose queue is full: connecting to it takes for ever. Ended by peer_deaf_end(). */
typedef struct peer_deaf {
  int port;
  int fds[3];
} peer_deaf_t;
void peer_deaf_begin(peer_deaf_t *deaf);
void peer_deaf_end(peer_deaf_t *deaf);

#endif
