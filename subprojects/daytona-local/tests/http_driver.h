/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw HTTP client on the loop of a test: sends given bytes, collects what comes back.
 */
#ifndef DL_TEST_HTTP_DRIVER_H
#define DL_TEST_HTTP_DRIVER_H

#include "http/http.h"

typedef struct {
  uv_loop_t *loop;
  dl_duplex_t *stream;
  dl_buf_t got;
  bool is_ended;
  int error;
} raw_client_t;

void raw_open(raw_client_t *c, uv_loop_t *loop, int port);
void raw_send(raw_client_t *c, const char *text);
/* Turn the loop until `text` has arrived; false if the connection ended before. */
bool raw_until(raw_client_t *c, const char *text);
/* Turn the loop until the connection has ended. */
void raw_until_end(raw_client_t *c);
void raw_close(raw_client_t *c);
void turn_until_closed(uv_loop_t *loop, dl_http_t *h);

#endif
