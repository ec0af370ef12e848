/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls at once against a peer that does anything, with limits that run out and cancels at any time: each
 * call ends exactly once or was cancelled, and neither a descriptor nor a block is left. The dice are seeded, so a
 * failure comes again; the order of the kernel's events is not ours, and that is the point.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_scene.h"
#include "support/check.h"

enum { CALLS = 400, STEPS = 6000 };

static scene_t scene;
static uint32_t dice_state;

static uint32_t dice(uint32_t sides) {
  dice_state ^= dice_state << 13;
  dice_state ^= dice_state >> 17;
  dice_state ^= dice_state << 5;
  return dice_state % sides;
}

static size_t open_descriptors(void) {
  size_t count = 0;
  DIR *dir = opendir("/proc/self/fd");
  assert_non_null(dir);
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count;
}

/* --- the peer ----------------------------------------------------------------------------------- */

static char large[70000];

static void do_anything(peer_conn_t *conn, const char *request, size_t size) {
  static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "nonsense\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
  };
  uint32_t what = dice(20);
  if (what < 11) peer_puts(conn, answers[what]);
  if (what == 11) peer_send(conn, large, sizeof large);
  if (what == 12) peer_reset(conn);
  if (what >= 6 && what <= 10) peer_end(conn);
  if (what >= 15) peer_puts(conn, scene_ok);
  if (what == 19) peer_end(conn); /* after a whole response: the pooled connection dies */
}

static void maybe_refuse(peer_conn_t *conn) {
  if (dice(20) == 0) peer_reset(conn);
}

/* --- the calls ---------------------------------------------------------------------------------- */

typedef struct victim {
  request_t request; /* first */
  bool is_live, is_cancelled, waits;
  size_t given;
} victim_t;

static size_t take_some(daytona__http_call_t *call, const char *bytes, size_t size) {
  uint32_t what = dice(8);
  if (what == 0) return size / 2;
  if (what == 1) call->user_error = DAYTONA_EIO;
  return size;
}

static ptrdiff_t give_some(daytona__http_call_t *call, char *buffer, size_t size) {
  victim_t *victim = (victim_t *)call;
  if ((victim->waits = dice(3) == 0)) return DAYTONA__HTTP_SOURCE_WAIT;
  if (victim->given >= 100000) return 0;
  if (size > 30000) size = 30000;
  memset(buffer, 'x', size);
  victim->given += size;
  return (ptrdiff_t)size;
}

static void ended(request_t *request) {
  victim_t *victim = (victim_t *)request;
  assert_true(victim->is_live && !victim->is_cancelled && request->done == 1);
  victim->is_live = false;
}

static void begin(victim_t *victim) {
  static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"};
  char *url = malloc(64);
  static int dead_port;
  if (dead_port == 0) dead_port = peer_dead_port();
  if (url == NULL) abort();
  snprintf(url, 64, "http://%s:%d/", dice(2) != 0 ? "127.0.0.1" : "a.localhost",
           dice(15) == 0 ? dead_port : scene.peer.port);
  scene_prepare(&scene, &victim->request, methods[dice(6)], url);
  daytona__http_call_t *call = &victim->request.call;
  victim->request.then = ended;
  victim->is_live = true;
  victim->is_cancelled = false;
  victim->given = 0;
  if (dice(3) == 0) call->total_timeout_ms = 1 + dice(3000);
  if (dice(3) == 0) call->idle_timeout_ms = 1 + dice(1000);
  call->counts_queue_time = dice(2) != 0;
  if (dice(3) == 0) call->sink = take_some;
  if (dice(5) == 0) {
    call->source = give_some;
    call->source_size = -1;
    call->method = "POST";
  }
  scene_start(&victim->request);
}

static void give_up(victim_t *victim) {
  if (!victim->is_live) return;
  daytona__http_cancel(&victim->request.call);
  victim->is_live = false;
  victim->is_cancelled = true;
}

static void clear(victim_t *victim) {
  if (victim->request.call.url == NULL) return;
  scene_clear(&victim->request);
  free((char *)victim->request.call.url);
  victim->request.call.url = NULL;
}

static void step(victim_t *victims) {
  victim_t *victim = &victims[dice(CALLS)];
  switch (dice(10)) {
    case 0: give_up(victim); break;
    case 1: daytona__http_resume_receive(&victim->request.call); break;
    case 2: daytona__http_resume_send(&victim->request.call); break;
    case 3: daytona__http_pause_receive(&victim->request.call); break;
    case 4: daytona__loop_advance(scene.stage.loop, dice(400)); break;
    default:
      if (!victim->is_live) {
        clear(victim);
        begin(victim);
      }
  }
}

static void run_chaos(uint32_t seed) {
  static victim_t victims[CALLS];
  size_t descriptors = open_descriptors();
  dice_state = seed;
  memset(victims, 0, sizeof victims);
  scene_open(&scene);
  scene.options.max_connections = 40;
  scene.options.rate_limit_wait_ms = 1500;
  scene_reopen(&scene);
  scene.peer.on_request = do_anything;
  scene.peer.on_accept = maybe_refuse;
  for (int i = 0; i < STEPS; i++) {
    step(victims);
    if (dice(2) != 0) uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  }
  size_t in_flight, waiting;
  for (int i = 0; i < CALLS; i++) {
    give_up(&victims[i]);
    clear(&victims[i]);
  }
  daytona__http_counts(scene.http, &in_flight, &waiting);
  assert_int_equal(in_flight + waiting, 0);
  scene_close(&scene);
  assert_int_equal(open_descriptors(), descriptors);
}

static void everything_ends_once(void **state) {
  int head = snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\nContent-Length: 69900\r\n\r\n");
  memset(large + head, 'l', sizeof large - (size_t)head);
  scene_open(&scene); /* what the process opens once and keeps: not ours to count */
  scene_close(&scene);
  for (uint32_t seed = 1; seed <= 8; seed++) run_chaos(seed * 2654435761u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(everything_ends_once),
  };
  return cmocka_run_group_tests_name("http_chaos", tests, NULL, NULL);
}
