/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same bytes over a bare uv_tcp_t, the bar for streams:
 *
 *   tcp_bench PORT terminal|log|typed|echo COUNT
 *   tcp_bench PORT terminal-echo|log-echo COUNT   it sends the bytes itself, in chunks of ECHO_SIZE, and gets them back
 *
 * Does what stream_bench does in its modes of these names, at the server's second port, which speaks no protocol:
 * it counts what comes, and looks at nothing. Prints the same line of JSON.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "measure.h"
#include "stream_blocks.h"

static uv_tcp_t tcp;
static uv_connect_t connecting;
static bool is_typing, is_echoing;
static uint64_t typed, got, wanted;
static size_t step = TYPED_SIZE;
static char room[64 * 1024], text[ECHO_SIZE];

static void must(int status, const char *what) {
  if (status >= 0) return;
  fprintf(stderr, "tcp_bench: %s: %s\n", what, uv_strerror(status));
  exit(1);
}

static void on_written(uv_write_t *request, int status) {
  must(status, "write");
  free(request);
}

static void put(char *bytes, size_t size) {
  uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size);
  int sent = uv_try_write((uv_stream_t *)&tcp, &buffer, 1);
  if (sent == (int)size) return;
  if (sent < 0) sent = 0;
  buffer = uv_buf_init(bytes + sent, (unsigned)(size - (size_t)sent)); /* static, as the caller's are */
  uv_write_t *request = malloc(sizeof *request);
  must(request != NULL ? 0 : UV_ENOMEM, "write");
  must(uv_write(request, (uv_stream_t *)&tcp, &buffer, 1, on_written), "write");
}

static void type_more(void) {
  while (typed < wanted && typed - got < TYPED_WINDOW) {
    size_t size = wanted - typed < step ? (size_t)(wanted - typed) : step;
    typed += size;
    put(text, size);
  }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle, (void)suggested;
  *buffer = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  (void)stream, (void)buffer;
  must((int)size, "read");
  got += (uint64_t)size;
  if (is_typing)
    type_more();
  else if (is_echoing && got < wanted)
    put(text, 1);
}

static void on_connect(uv_connect_t *request, int status) {
  (void)request;
  must(status, "connect");
  uv_tcp_nodelay(&tcp, 1);
  must(uv_read_start((uv_stream_t *)&tcp, on_alloc, on_read), "read");
}

/* What is to come back, or to come. */
static void set_mode(const char *mode, uint64_t number) {
  bool is_log = strncmp(mode, "log", 3) == 0, is_typed = strcmp(mode, "typed") == 0;
  bool comes_back = strstr(mode, "-echo") != NULL;
  is_typing = is_typed || comes_back;
  is_echoing = strcmp(mode, "echo") == 0;
  if (comes_back) step = ECHO_SIZE;
  wanted = is_echoing ? number
                      : number * (uint64_t)(is_typed ? TERMINAL_BYTES
                                            : is_log ? LOG_WIRE
                                                     : TERMINAL_WIRE);
}

int main(int count, char **arguments) {
  static char order[64];
  uv_loop_t *loop = uv_default_loop();
  struct sockaddr_in address;
  if (count != 4) {
    fprintf(stderr, "usage: tcp_bench PORT terminal|log|typed|echo|terminal-echo|log-echo COUNT\n");
    return 2;
  }
  const char *mode = arguments[2];
  uint64_t number = measure_number(arguments[3]);
  set_mode(mode, number);
  uv_ip4_addr("127.0.0.1", (int)measure_number(arguments[1]), &address);
  uv_tcp_init(loop, &tcp);
  must(uv_tcp_connect(&connecting, &tcp, (const struct sockaddr *)&address, on_connect), "connect");
  while (!uv_is_active((uv_handle_t *)&tcp) || connecting.handle == NULL ||
         !uv_is_readable((uv_stream_t *)&tcp))
    uv_run(loop, UV_RUN_ONCE);
  if (is_typing || is_echoing)
    snprintf(order, sizeof order, "echo\n");
  else
    snprintf(order, sizeof order, "%s %llu\n", mode, (unsigned long long)number);
  double cpu_s = measure_cpu_now(), wall_s = measure_wall_now();
  put(order, strlen(order));
  if (is_typing) type_more();
  if (is_echoing) put(text, 1);
  while (got < wanted) uv_run(loop, UV_RUN_ONCE);
  printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", (unsigned long long)got,
         measure_wall_now() - wall_s, measure_cpu_now() - cpu_s);
  uv_close((uv_handle_t *)&tcp, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop);
}
