/*
 * What an idle WebSocket costs: bytes of resident memory and of heap per connection, at 1,000 and 10,000
 * plain ones and 1,000 secure ones; how many of 1,000 handshakes at once fail and how long they take; and
 * the processor time of idling. The peer runs in a process of its own, so that only the client's side is
 * measured.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <psa/crypto.h>

#include "net/websocket.h"
#include "support/tls_peer.h"
#include "support/ws_peer.h"

enum { WAVE = 1000 };

static struct {
  size_t opened, failed, closed;
} seen;

static void on_open(daytona__ws_t *ws, const char *protocol) { seen.opened++; }

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  if (!close->was_open && seen.failed++ < 3) fprintf(stderr, "failed: %s\n", close->message);
  seen.closed++;
}

static size_t resident_bytes(void) {
  size_t total = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%zu %zu", &total, &resident) != 2) abort();
  fclose(file);
  return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static double seconds(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* The peer: tells its port through the pipe and serves until it is ended. */
static void serve(int out, bool is_secure) {
  uv_loop_t loop;
  ws_peer_t peer;
  tls_peer_t tls;
  uv_loop_init(&loop);
  psa_crypto_init();
  ws_peer_open(&peer, &loop);
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

static void set_flag(void *user) { *(bool *)user = true; }

static void on_timer(uv_timer_t *timer) { uv_close((uv_handle_t *)timer, NULL); }

static void print_idle_cpu(const char *name, uv_loop_t *uv) {
  uv_timer_t timer;
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), begin = seconds(CLOCK_MONOTONIC);
  uv_timer_init(uv, &timer);
  uv_timer_start(&timer, on_timer, 3000, 0);
  while (uv_is_active((uv_handle_t *)&timer)) uv_run(uv, UV_RUN_ONCE);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf("bench %s_idle_cpu_percent %.2f percent\n", name,
         cpu / (seconds(CLOCK_MONOTONIC) - begin) * 100);
  uv_run(uv, UV_RUN_NOWAIT); /* the timer's close */
}

/* Open `count` sockets, let them idle, and print what they cost under `name`. */
static void measure(const char *name, size_t count, bool is_secure) {
  int port;
  char url[64], ca[256];
  pid_t child = start_peer(is_secure, &port);
  uv_loop_t uv;
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__ws_env_t *env;
  daytona__net_options_t options = {.happy_eyeballs_ms = -1, .connect_timeout_ms = 60000};
  tls_certificate_path("ca", ".pem", ca, sizeof ca);
  if (is_secure) options.tls.ca_file = ca;
  snprintf(url, sizeof url, "%s://localhost:%d/", is_secure ? "wss" : "ws", port);
  uv_loop_init(&uv);
  if (daytona__loop_new(&uv, NULL, NULL, &loop) != 0 || daytona__resolver_new(loop, &resolver) != 0 ||
      daytona__ws_env_new(loop, &options, resolver, NULL, 0, &env) != 0)
    abort();
  daytona__ws_t **sockets = calloc(count, sizeof *sockets);
  memset(&seen, 0, sizeof seen);
  /* One socket first: it pays for what all of them share. */
  daytona__ws_opts_t opts = {.url = url, .on_open = on_open, .on_close = on_close};
  daytona__ws_t *first;
  if (daytona__ws_open(env, &opts, &first) != 0) abort();
  while (seen.opened + seen.failed < 1) uv_run(&uv, UV_RUN_ONCE);
  malloc_trim(0);
  size_t resident = resident_bytes(), heap = heap_bytes();
  double begin = seconds(CLOCK_MONOTONIC), burst = 0;
  for (size_t i = 0; i < count; i++) {
    if (daytona__ws_open(env, &opts, &sockets[i]) != 0) abort();
    if ((i + 1) % WAVE != 0 && i + 1 != count) continue;
    while (seen.opened + seen.failed < i + 2) uv_run(&uv, UV_RUN_ONCE);
    if (burst == 0) burst = seconds(CLOCK_MONOTONIC) - begin;
  }
  size_t failures = seen.failed;
  size_t grown = resident_bytes() - resident, held = heap_bytes() - heap;
  printf("bench %s_idle_bytes_c%zu %zu bytes\n", name, count, grown / count);
  printf("bench %s_idle_heap_bytes_c%zu %zu bytes\n", name, count, held / count);
  if (count == WAVE) {
    printf("bench %s_burst_failures %zu count\n", name, failures);
    printf("bench %s_burst_per_second %.0f handshakes/s\n", name, (double)WAVE / burst);
    print_idle_cpu(name, &uv);
  }
  fflush(stdout);
  daytona__ws_release(first);
  for (size_t i = 0; i < count; i++) daytona__ws_release(sockets[i]);
  free(sockets);
  bool env_closed = false, resolver_closed = false;
  daytona__ws_env_close(env, set_flag, &env_closed);
  while (!env_closed) uv_run(&uv, UV_RUN_ONCE);
  daytona__resolver_close(resolver, set_flag, &resolver_closed);
  while (!resolver_closed) uv_run(&uv, UV_RUN_ONCE);
  daytona__loop_close(loop, NULL, NULL);
  uv_run(&uv, UV_RUN_DEFAULT);
  daytona__loop_release(loop);
  if (uv_loop_close(&uv) != 0) abort();
  kill(child, SIGTERM);
  waitpid(child, NULL, 0);
}

int main(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  measure("ws", WAVE, false);
  if (limit.rlim_max > 10100)
    measure("ws", 10 * WAVE, false);
  else
    printf("# 10,000 sockets skipped: the limit of descriptors is %llu\n",
           (unsigned long long)limit.rlim_max);
  if (tls_certificates_make() != NULL)
    measure("wss", WAVE, true);
  else
    printf("# secure sockets skipped: openssl(1) is not installed\n");
  tls_certificates_remove();
  return seen.failed != 0;
}
