/*
 * How fast an open WebSocket is, beside a bare uv_tcp that reads the same bytes from the same peer in the
 * same run: throughput down, processor time per megabyte, and the time of an echo. The peer is a process
 * of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <psa/crypto.h>

#include "net/websocket.h"
#include "support/tls_peer.h"
#include "support/ws_peer.h"

enum { FRAME = 32 << 10, TOTAL = 512 << 20, ECHOES = 20000 };

static double seconds(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* --- the peer ---------------------------------------------------------------------------------- */

/* After the first message, "go", as many frames as make up TOTAL; other messages come back. */
typedef struct flood {
  uv_write_t request;
  ws_link_t *link;
  size_t sent;
} flood_t;

static char frame[FRAME + 16];
static size_t frame_size;

static void flood_next(uv_write_t *request, int status) {
  flood_t *flood = request->data;
  if (status != 0 || flood->sent >= TOTAL) {
    free(flood);
    return;
  }
  flood->sent += FRAME;
  uv_buf_t buffer = uv_buf_init(frame, (unsigned)frame_size);
  uv_write(&flood->request, (uv_stream_t *)&flood->link->handle, &buffer, 1, flood_next);
}

static void flood_start(ws_link_t *link) {
  flood_t *flood = calloc(1, sizeof *flood);
  if (flood == NULL) abort();
  flood->link = link;
  flood->request.data = flood;
  flood_next(&flood->request, 0);
}

/* Through TLS in one go: the peer's queue holds it all, which is its business. */
static void flood_secure(ws_link_t *link) {
  for (size_t sent = 0; sent < TOTAL / 4; sent += FRAME) ws_link_send(link, frame, frame_size);
}

static void on_frame(ws_link_t *link, int opcode, const char *bytes, size_t size) {
  if (opcode != 2)
    return;
  if (size == 2)
    (link->filter_state != NULL ? flood_secure : flood_start)(link);
  else
    ws_link_frame(link, 2, true, bytes, size);
}

/* A client that does not speak WebSocket gets the flood at once. */
static void on_raw(ws_link_t *link) {
  if (link->in[0] == '!') {
    flood_start(link);
    return;
  }
  link->peer->on_raw = NULL;
  ws_link_take(link, "", 0);
}

static void serve(int out, bool is_secure) {
  uv_loop_t loop;
  ws_peer_t peer;
  tls_peer_t tls;
  uv_loop_init(&loop);
  psa_crypto_init();
  signal(SIGPIPE, SIG_IGN);
  char *payload = calloc(1, FRAME);
  frame_size = ws_frame_build(frame, 2, true, payload, FRAME);
  ws_peer_open(&peer, &loop);
  peer.on_frame = on_frame;
  if (!is_secure) peer.on_raw = on_raw;
  if (is_secure) tls_peer_open(&tls, &peer, "good", false, TLS_FAULT_NONE);
  if (write(out, &peer.port, sizeof peer.port) != sizeof peer.port) _exit(1);
  uv_run(&loop, UV_RUN_DEFAULT);
  _exit(0);
}

static pid_t start_peer(bool is_secure, int *port) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  pid_t child = fork();
  if (child == 0) serve(ends[1], is_secure);
  if (child < 0 || read(ends[0], port, sizeof *port) != sizeof *port) abort();
  close(ends[0]);
  close(ends[1]);
  return child;
}

static void end_peer(pid_t child) {
  kill(child, SIGTERM);
  waitpid(child, NULL, 0);
}

/* --- bare uv_tcp ------------------------------------------------------------------------------- */

static size_t bare_received;

static void on_bare_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  static char shared[65536];
  *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_bare_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  if (size > 0) bare_received += (size_t)size;
  if (size < 0 || bare_received >= (size_t)TOTAL / FRAME * frame_size) uv_close((uv_handle_t *)stream, NULL);
}

static void on_bare_connect(uv_connect_t *request, int status) {
  uv_buf_t go = uv_buf_init("!", 1);
  if (status != 0 || uv_try_write(request->handle, &go, 1) != 1) abort();
  uv_read_start(request->handle, on_bare_alloc, on_bare_read);
}

static void run_bare(int port, double *wall, double *cpu) {
  uv_loop_t uv;
  uv_tcp_t tcp;
  uv_connect_t request;
  struct sockaddr_in name;
  uv_loop_init(&uv);
  uv_tcp_init(&uv, &tcp);
  uv_ip4_addr("127.0.0.1", port, &name);
  uv_tcp_connect(&request, &tcp, (struct sockaddr *)&name, on_bare_connect);
  bare_received = 0;
  *wall = seconds(CLOCK_MONOTONIC);
  *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  uv_run(&uv, UV_RUN_DEFAULT);
  *wall = seconds(CLOCK_MONOTONIC) - *wall;
  *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - *cpu;
  uv_loop_close(&uv);
}

/* --- ours -------------------------------------------------------------------------------------- */

static struct {
  size_t received, wanted, echoes;
  bool is_open, is_echoing;
} seen;

static void on_open(daytona__ws_t *ws, const char *protocol) { seen.is_open = true; }

static void on_data(daytona__ws_t *ws, const daytona__ws_piece_t *piece) {
  seen.received += piece->size;
  if (!seen.is_echoing || !piece->is_final || ++seen.echoes >= ECHOES) return;
  if (daytona__ws_send(ws, false, "keypress", 8) != 0) abort();
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  fprintf(stderr, "closed: %s\n", close->message);
  abort();
}

static void set_flag(void *user) { *(bool *)user = true; }

static void run_ws(int port, bool is_secure, double *wall, double *cpu, double *echo) {
  char url[64], ca[256];
  uv_loop_t uv;
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__ws_env_t *env;
  daytona__ws_t *ws;
  daytona__net_options_t options = {.happy_eyeballs_ms = -1};
  tls_certificate_path("ca", ".pem", ca, sizeof ca);
  if (is_secure) options.tls.ca_file = ca;
  snprintf(url, sizeof url, "%s://localhost:%d/", is_secure ? "wss" : "ws", port);
  uv_loop_init(&uv);
  if (daytona__loop_new(&uv, NULL, NULL, &loop) != 0 || daytona__resolver_new(loop, &resolver) != 0 ||
      daytona__ws_env_new(loop, &options, resolver, NULL, 0, &env) != 0)
    abort();
  memset(&seen, 0, sizeof seen);
  seen.wanted = is_secure ? TOTAL / 4 : TOTAL;
  daytona__ws_opts_t opts = {.url = url, .on_open = on_open, .on_data = on_data, .on_close = on_close,
                             .max_message = SIZE_MAX / 2};
  if (daytona__ws_open(env, &opts, &ws) != 0) abort();
  while (!seen.is_open) uv_run(&uv, UV_RUN_ONCE);
  *wall = seconds(CLOCK_MONOTONIC);
  *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  daytona__ws_send(ws, false, "go", 2);
  while (seen.received < seen.wanted) uv_run(&uv, UV_RUN_ONCE);
  *wall = seconds(CLOCK_MONOTONIC) - *wall;
  *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - *cpu;
  seen.is_echoing = true;
  *echo = seconds(CLOCK_MONOTONIC);
  daytona__ws_send(ws, false, "keypress", 8);
  while (seen.echoes < ECHOES) uv_run(&uv, UV_RUN_ONCE);
  *echo = (seconds(CLOCK_MONOTONIC) - *echo) / ECHOES;
  daytona__ws_release(ws);
  bool env_closed = false, resolver_closed = false;
  daytona__ws_env_close(env, set_flag, &env_closed);
  while (!env_closed) uv_run(&uv, UV_RUN_ONCE);
  daytona__resolver_close(resolver, set_flag, &resolver_closed);
  while (!resolver_closed) uv_run(&uv, UV_RUN_ONCE);
  daytona__loop_close(loop, NULL, NULL);
  uv_run(&uv, UV_RUN_DEFAULT);
  daytona__loop_release(loop);
  if (uv_loop_close(&uv) != 0) abort();
}

int main(void) {
  const double megabytes = TOTAL / 1e6;
  double bare_wall, bare_cpu, wall, cpu, echo;
  int port;
  pid_t peer = start_peer(false, &port);
  frame_size = FRAME + 4;
  run_ws(port, false, &wall, &cpu, &echo);
  end_peer(peer);
  peer = start_peer(false, &port);
  run_bare(port, &bare_wall, &bare_cpu);
  end_peer(peer);
  printf("bench ws_throughput_mb_s %.0f MB/s\n", megabytes / wall);
  printf("bench tcp_throughput_mb_s %.0f MB/s\n", megabytes / bare_wall);
  printf("bench ws_throughput_vs_tcp %.2f ratio\n", bare_wall / wall);
  printf("bench ws_cpu_us_per_mb %.0f us\n", cpu / megabytes * 1e6);
  printf("bench tcp_cpu_us_per_mb %.0f us\n", bare_cpu / megabytes * 1e6);
  printf("bench ws_echo_us %.1f us\n", echo * 1e6);
  if (tls_certificates_make() != NULL) {
    peer = start_peer(true, &port);
    run_ws(port, true, &wall, &cpu, &echo);
    end_peer(peer);
    printf("bench wss_throughput_mb_s %.0f MB/s\n", megabytes / 4 / wall);
    printf("bench wss_cpu_us_per_mb %.0f us\n", cpu / megabytes * 4 * 1e6);
    printf("bench wss_echo_us %.1f us\n", echo * 1e6);
  } else {
    printf("# secure sockets skipped: openssl(1) is not installed\n");
  }
  tls_certificates_remove();
  return 0;
}
