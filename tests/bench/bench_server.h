/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the servers of the benchmarks do alike: listen on a free port of 127.0.0.1, take connections, collect
 * what comes in until it is understood, answer everything that one read brought in one write, and end when
 * standard input does. What goes wrong ends the program.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

typedef struct bench_bytes {
  char *data;
  size_t size, room;
} bench_bytes_t;

void bench_append(bench_bytes_t *to, const void *data, size_t size);
/* Room for `size` more bytes, which the caller counts. */
char *bench_reserve(bench_bytes_t *to, size_t size);

/* A whole response behind what is there. */
void bench_answer(bench_bytes_t *to, const char *status, const char *type, const char *body, size_t size);
void bench_answer_json(bench_bytes_t *to, const char *status, const char *body);

/* The one sandbox that the servers know, whose toolbox is at `toolbox`. */
void bench_answer_sandbox(bench_bytes_t *to, const char *toolbox);
void bench_answer_missing(bench_bytes_t *to);

typedef struct bench_request {
  const char *head, *body;
  size_t head_size, body_size;
} bench_request_t;

/* The request at the start of `data`; 0 if it is not whole yet, else its size. */
size_t bench_next_request(const char *data, size_t size, bench_request_t *request);

/* Whether its method and the end of its target are these. */
bool bench_target_ends(const bench_request_t *request, const char *method, const char *tail);

typedef struct bench_peer {
  uv_tcp_t tcp; /* its data is this peer */
  const struct bench_service *service;
  bench_bytes_t in; /* came in, not understood yet */
  void *state;      /* the server's own */
} bench_peer_t;

/* How one port's connections are served. */
typedef struct bench_service {
  /* Understand some of what came in, and say how much; what is put into `out` leaves in one write then. */
  size_t (*take)(bench_peer_t *peer, const char *bytes, size_t size, bench_bytes_t *out);
  void (*gone)(bench_peer_t *peer); /* optional: the connection is closed */
} bench_service_t;

void bench_peer_close(bench_peer_t *peer);

/* Copies what the socket does not take at once. */
void bench_peer_send(bench_peer_t *peer, const char *bytes, size_t size);

/* Returns the port. May be called for several. */
int bench_listen(const bench_service_t *service);

/* Serves until standard input ends. */
void bench_serve(void);

#endif
