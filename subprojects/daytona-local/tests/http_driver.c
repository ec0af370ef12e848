/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw client of http_driver.h, over the same dl_duplex_t as everything else.
 */
#include "http_driver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void on_data(dl_duplex_t *d, const char *bytes, size_t len, void *user) {
  (void)d;
  raw_client_t *c = user;
  dl_buf_append(&c->got, bytes, len);
}

static void on_end(dl_duplex_t *d, int error, void *user) {
  (void)d;
  raw_client_t *c = user;
  c->is_ended = true;
  c->error = error;
}

static const dl_duplex_events_t events = {on_data, on_end, NULL};

void raw_open(raw_client_t *c, uv_loop_t *loop, int port) {
  *c = (raw_client_t){.loop = loop};
  dl_buf_init(&c->got, 64 * 1024 * 1024);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int rc = connect(fd, (struct sockaddr *)&addr, sizeof addr);
  assert(rc == 0 || errno == EINPROGRESS);
  (void)rc;
  c->stream = dl_duplex_new(loop, fd, true, NULL, NULL);
  dl_duplex_listen(c->stream, &events, c);
}

void raw_send(raw_client_t *c, const char *text) { dl_duplex_write(c->stream, text, strlen(text)); }

bool raw_until(raw_client_t *c, const char *text) {
  while (!c->got.data || !memmem(c->got.data, c->got.len, text, strlen(text))) {
    if (c->is_ended) return false;
    uv_run(c->loop, UV_RUN_ONCE);
  }
  return true;
}

void raw_until_end(raw_client_t *c) {
  while (!c->is_ended) uv_run(c->loop, UV_RUN_ONCE);
}

void raw_close(raw_client_t *c) {
  dl_duplex_close(c->stream);
  dl_buf_clear(&c->got);
}

static void set_flag(void *user) { *(bool *)user = true; }

void turn_until_closed(uv_loop_t *loop, dl_http_t *h) {
  bool is_closed = false;
  dl_http_close(h, set_flag, &is_closed);
  while (!is_closed) uv_run(loop, UV_RUN_ONCE);
  uv_run(loop, UV_RUN_DEFAULT);
}
