/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting with the event socket: when it is there and when not, that an event is only a hint, that polling goes on
 * beside it, and everything that a server may do to it. No wait ends wrongly, or later than it would without.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/stats.h>

#include "call/events.h"
#include "call/sandbox_object.h"
#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/stream_scene.h"
#include "wire/event_packet.h"

static const char poll[] = "GET /api/sandbox/sb-2";
static const char hello[] = "0{\"sid\":\"e\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
static const char accepted[] = "40{\"sid\":\"s\"}";
static const char credential[] = "40{\"token\":\"key\"}";

static stream_scene_t scene;

static void say(const char *text) { stream_send(&scene, 1, text, strlen(text)); }

static void say_state(const char *noun, const char *id, const char *state) {
  char text[512];
  snprintf(text, sizeof text,
           "42[\"%s.state.updated\",{\"%s\":{\"id\":\"%s\",\"state\":\"%s\"},\"oldState\":\"x\",\"newState\":"
           "\"%s\"}]",
           noun, noun, id, state, state);
  say(text);
}

static void on_message(stream_scene_t *from, int opcode, const char *bytes, size_t size) {
  if (size == strlen(credential) && memcmp(bytes, credential, size) == 0) say(accepted);
}

/* What each of the next sockets says by itself; none is more than `hello`. */
static void play(const char *text) {
  stream_script_t script = {0};
  if (text != NULL) stream_frame(&script, 1, text, strlen(text));
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  stream_script_clear(&script);
}

/* A scene whose server accepts `sockets` event sockets in a row, and a sandbox in `state` that is not known further. */
static daytona_sandbox_t *begin(const char *state, int sockets) {
  stream_open_bare(&scene);
  scene.api.config.waiting = DAYTONA_WAITING_EVENTS;
  stream_client(&scene);
  scene.on_message = on_message;
  for (int i = 0; i < sockets; i++) play(hello);
  daytona_sandbox_t *sandbox = api_sandbox(&scene.api, "sb-2", state);
  api_forget(&scene.api, poll);
  scene.api.request_count = 0;
  return sandbox;
}

static void end(daytona_sandbox_t *sandbox) {
  daytona_sandbox_release(sandbox);
  stream_close(&scene);
}

static void answer(const char *state) {
  api_forget(&scene.api, poll);
  api_answer(&scene.api, poll, 200, api_sandbox_json(&scene.api, "sb-2", state, ""));
}

static size_t polls(void) { return api_count(&scene.api, poll); }

static bool is_live(void *user) { return daytona__events_pace(scene.api.client) != 0; }
static bool is_down(void *user) { return daytona__events_pace(scene.api.client) == 0; }

static bool has_upgraded(void *user) { return scene.upgrades >= (size_t) * (int *)user; }

static void until_live(void) { api_until(&scene.api, is_live, NULL); }

static void until_upgrades(int count) { api_until(&scene.api, has_upgraded, &count); }

/* A wait for the sandbox to be started, with its socket up. */
static daytona_future_t *waiting(daytona_sandbox_t *sandbox) {
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DAYTONA_NO_TIMEOUT};
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, &opts);
  until_live();
  api_settle(&scene.api);
  return future;
}

static int64_t passed_ms; /* in polls_in(): what the test has let pass, and what has passed by itself */

/* Let time pass in steps; how many polls came. */
static size_t polls_in(int64_t ms, int64_t step_ms) {
  size_t before = polls();
  int64_t began = api_now(&scene.api);
  for (int64_t passed = 0; passed < ms; passed += step_ms) {
    api_settle(&scene.api);
    api_advance(&scene.api, step_ms);
    api_spin(&scene.api, 4);
  }
  api_settle(&scene.api);
  passed_ms = api_now(&scene.api) - began;
  return polls() - before;
}

/* As many as one in each `pace_ms`, or a few less or more. */
static void assert_paced(size_t count, int64_t pace_ms) {
  int64_t most = passed_ms / pace_ms + 3, least = passed_ms * 6 / 10 / pace_ms;
  assert_in_range(count, (size_t)least, (size_t)most);
}

/* --- the use of it ------------------------------------------------------------------------------- */

static void an_event_ends_a_wait_at_once(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  size_t before = polls();
  answer("started");
  int64_t began = api_now(&scene.api);
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  assert_in_range(polls() - before, 1, 2);
  assert_true(api_now(&scene.api) - began < 1000);
  assert_in_range(before, 1, 3);
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  end(sandbox);
}

static void without_the_option_there_is_no_socket(void **state) {
  stream_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene.api, "sb-2", "starting");
  answer("started");
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL));
  assert_int_equal(scene.upgrades, 0);
  end(sandbox);
}

static void nothing_waited_for_opens_nothing(void **state) {
  daytona_sandbox_t *sandbox = begin("started", 1);
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL)); /* it is that already */
  api_answer(&scene.api, "POST /api/sandbox/sb-2/autostop/5", 200,
             api_sandbox_json(&scene.api, "sb-2", "started", ""));
  api_done(daytona_sandbox_set_autostop_interval(sandbox, 5, NULL));
  api_spin(&scene.api, 10);
  assert_int_equal(scene.upgrades, 0);
  end(sandbox);
}

static void it_asks_as_the_official_clients_do(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  const char *line =
    "GET /api/socket.io/?EIO=4&transport=websocket&source=sdk-c&sdkVersion=0.205.1 HTTP/1.1\r\n";
  assert_memory_equal(scene.upgrade, line, strlen(line));
  assert_string_equal(scene.received, credential);
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void a_token_names_its_organization(void **state) {
  stream_open_bare(&scene);
  scene.api.config.waiting = DAYTONA_WAITING_EVENTS;
  scene.api.config.api_key = NULL;
  scene.api.config.jwt_token = "a\"b";
  scene.api.config.organization_id = "org-1";
  stream_client(&scene);
  play(hello);
  daytona_sandbox_t *sandbox = api_sandbox(&scene.api, "sb-2", "starting");
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
  until_upgrades(1);
  while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  assert_non_null(strstr(scene.upgrade, "organizationId=org-1&"));
  assert_string_equal(scene.received, "40{\"token\":\"a\\\"b\"}");
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void pings_are_answered(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  scene.received_size = 0;
  say("2");
  while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  assert_string_equal(scene.received, "3");
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void all_waits_share_one_socket(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 3);
  daytona_future_t *futures[20];
  for (int i = 0; i < 20; i++) futures[i] = waiting(sandbox);
  assert_int_equal(scene.upgrades, 1);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  for (int i = 0; i < 20; i++) api_done(futures[i]);
  assert_int_equal(scene.upgrades, 1);
  end(sandbox);
}

static void volumes_are_waited_for_with_it_too(void **state) {
  daytona_sandbox_t *sandbox = begin("started", 1);
  api_answer(&scene.api, "GET /api/volumes/by-name/v", 200,
             "{\"id\":\"v-1\",\"name\":\"v\",\"state\":\"creating\"}");
  api_answer(&scene.api, "GET /api/volumes/v-1", 200,
             "{\"id\":\"v-1\",\"name\":\"v\",\"state\":\"creating\"}");
  daytona_future_t *future =
    daytona_volume_get(scene.api.client, "v", &(daytona_volume_get_opts_t){.waits = true});
  until_live();
  api_settle(&scene.api);
  api_forget(&scene.api, "GET /api/volumes/v-1");
  api_answer(&scene.api, "GET /api/volumes/v-1", 200, "{\"id\":\"v-1\",\"name\":\"v\",\"state\":\"ready\"}");
  say_state("sandbox", "v-1", "ready"); /* of another kind */
  say_state("volume", "v-1", "ready");
  api_done(future);
  end(sandbox);
}

/* --- hints ---------------------------------------------------------------------------------------- */

/* The socket has been there all the time, so only the state that counts is asked for. */
static void on_a_proven_socket_a_stop_is_two_requests(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  api_answer(&scene.api, "POST /api/sandbox/sb-2/stop", 200,
             api_sandbox_json(&scene.api, "sb-2", "stopping", ""));
  size_t before = polls();
  future = daytona_sandbox_stop(sandbox, NULL);
  say_state("sandbox", "sb-2", "stopping");
  while (api_count(&scene.api, "POST /api/sandbox/sb-2/stop") == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  api_settle(&scene.api);
  polls_in(300, 30);
  assert_int_equal(polls(), before);
  answer("stopped");
  say_state("sandbox", "sb-2", "stopped");
  api_done(future);
  assert_int_equal(polls(), before + 1);
  end(sandbox);
}

/* What nobody could read may have been the state that is waited for. */
static void an_answer_without_news_is_followed_by_a_poll(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  api_answer(&scene.api, "POST /api/sandbox/sb-2/resize", 200, "rubbish");
  int64_t began = api_now(&scene.api);
  api_done(daytona_sandbox_resize(sandbox, &(daytona_sandbox_resize_opts_t){.cpu = daytona_int(2)}));
  assert_true(api_now(&scene.api) - began < 1500); /* the pace is slower */
  end(sandbox);
}

/* It came before the response to the request that it is about. */
static void an_early_event_is_not_forgotten(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  api_answer(&scene.api, "POST /api/sandbox/sb-2/stop", 0, api_silence);
  future = daytona_sandbox_stop(sandbox, NULL);
  while (api_count(&scene.api, "POST /api/sandbox/sb-2/stop") == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  peer_conn_t *asking = NULL;
  for (peer_conn_t *conn = scene.api.peer.conns; conn != NULL; conn = conn->next)
    if (!conn->is_raw) asking = conn;
  say_state("sandbox", "sb-2", "stopped");
  say("2");
  scene.received_size = 0;
  while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  answer("stopped");
  const char *old = api_sandbox_json(&scene.api, "sb-2", "stopping", "");
  char text[4096];
  snprintf(text, sizeof text,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(old),
           old);
  int64_t began = api_now(&scene.api);
  peer_puts(asking, text);
  api_done(future);
  assert_true(api_now(&scene.api) - began < 1500);
  end(sandbox);
}

static void events_of_others_cause_no_poll(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  polls_in(200, 50); /* the last one of the old pace */
  size_t before = polls();
  for (int i = 0; i < 100; i++) {
    say_state("sandbox", "sb-2", "starting"); /* of no interest */
    say_state("sandbox", "sb-22", "started");
    say_state("volume", "sb-2", "ready");
    say("42[\"sandbox.desired-state.updated\",{\"sandbox\":{\"id\":\"sb-2\"}}]");
    say("42[\"sandbox\",{\"id\":\"sb-2\"}]");
    api_spin(&scene.api, 2);
  }
  assert_int_equal(polls(), before);
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

/* It may be an old one, or a lie. */
static void an_event_alone_ends_no_wait(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  size_t before = polls();
  say_state("sandbox", "sb-2", "started");
  while (polls() == before) uv_run(&scene.api.uv, UV_RUN_ONCE);
  api_settle(&scene.api);
  assert_false(daytona_future_is_settled(future));
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void an_event_during_a_poll_causes_another(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  api_forget(&scene.api, poll);
  api_answer(&scene.api, poll, 0, api_silence);
  size_t before = polls();
  say_state("sandbox", "sb-2", "started");
  while (polls() == before) uv_run(&scene.api.uv, UV_RUN_ONCE);
  peer_conn_t *asking = NULL;
  for (peer_conn_t *conn = scene.api.peer.conns; conn != NULL; conn = conn->next)
    if (!conn->is_raw) asking = conn;
  say_state("sandbox", "sb-2", "started");
  api_spin(&scene.api, 10);
  assert_int_equal(polls(), before + 1); /* one at a time */
  answer("started");
  const char *old = api_sandbox_json(&scene.api, "sb-2", "starting", "");
  char text[4096];
  snprintf(text, sizeof text,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(old),
           old);
  peer_puts(asking, text); /* what was true when it was asked */
  api_done(future);
  assert_int_equal(polls(), before + 2);
  end(sandbox);
}

static void a_flood_of_events_is_a_few_polls(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  size_t before = polls();
  int64_t began = api_now(&scene.api);
  for (int i = 0; i < 2000; i++) {
    say_state("sandbox", "sb-2", "started");
    if (i % 10 == 0) api_spin(&scene.api, 1);
  }
  while (polls() == before) uv_run(&scene.api.uv, UV_RUN_ONCE);
  api_settle(&scene.api);
  assert_in_range(polls() - before, 1, (size_t)(api_now(&scene.api) - began) / 25 + 2);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  end(sandbox);
}

static void rubbish_is_passed_over(void **state) {
  static const char *const rubbish[] = {
    "",
    "4",
    "42",
    "42[]",
    "42{}",
    "42[\"sandbox.state.updated\"]",
    "42[\"sandbox.state.updated\",7]",
    "42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"sb-2\"}}",
    "42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"sb-2\"}}]x",
    "42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":7}}]",
    "42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"\"}}]",
    "9",
    "43[]",
    "45-[\"x\"]",
    "0{}",
    "40{\"sid\":\"again\"}",
    "42/admin,[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"sb-2\"}}]"};
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  polls_in(200, 50);
  size_t before = polls();
  for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) say(rubbish[i]);
  stream_send(&scene, 2, "\0\1\2\3", 4); /* not text */
  api_spin(&scene.api, 20);
  assert_int_equal(polls(), before);
  assert_int_equal(scene.upgrades, 1);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  end(sandbox);
}

/* In whatever frames it comes; and one that is too long is none. */
static void events_may_be_long(void **state) {
  enum { HUGE_SIZE = (1 << 20) + 4096 };
  static const char end_of_it[] = "\",\"id\":\"sb-2\"}}]";
  static const char start_of_it[] = "42[\"sandbox.state.updated\",{\"sandbox\":{\"x\":\"";
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  polls_in(200, 50);
  for (int size = HUGE_SIZE; size > 0; size = size == HUGE_SIZE ? 300000 : 0) {
    char *text = malloc((size_t)size);
    assert_non_null(text);
    memset(text, 'x', (size_t)size);
    memcpy(text, start_of_it, sizeof start_of_it - 1);
    memcpy(text + size - (sizeof end_of_it - 1), end_of_it, sizeof end_of_it - 1);
    size_t before = polls();
    stream_send(&scene, 1, text, (size_t)size);
    free(text);
    say("2"); /* when this has come, that one has, too */
    scene.received_size = 0;
    while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
    for (int i = 0; i < 40; i++) {
      api_advance(&scene.api, 1);
      api_spin(&scene.api, 2);
    }
    api_settle(&scene.api);
    assert_int_equal(polls() - before, size == HUGE_SIZE ? 0 : 1);
  }
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void on_build(const daytona_build_event_t *event, void *user) {
  if (event->text == NULL) strcat(strcat(user, event->state_name), " ");
}

/* States on the way end nothing, but are reported. */
static void the_states_of_a_build_are_seen_when_they_come(void **state) {
  char seen[256] = "";
  daytona_sandbox_t *sandbox = begin("started", 1);
  const daytona_sandbox_create_opts_t opts = {
    .name = "n", .image_name = "x:1", .on_build = on_build, .user = seen, .timeout_ms = DAYTONA_NO_TIMEOUT};
  api_answer(&scene.api, "POST /api/sandbox", 200, api_sandbox_json(&scene.api, "sb-2", "pending_build", ""));
  answer("pending_build");
  daytona_future_t *future = daytona_sandbox_create(scene.api.client, &opts);
  until_live();
  polls_in(300, 30);
  answer("building_snapshot");
  int64_t began = api_now(&scene.api);
  say_state("sandbox", "sb-2", "building_snapshot");
  while (strstr(seen, "building_snapshot") == NULL) uv_run(&scene.api.uv, UV_RUN_ONCE);
  assert_true(api_now(&scene.api) - began < 900); /* the pace is slower */
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_hurry(&scene.api, future, 50);
  api_done(future);
  assert_string_equal(seen, "pending_build building_snapshot started ");
  end(sandbox);
}

/* --- the safety net --------------------------------------------------------------------------------- */

static void a_socket_that_brings_nothing_costs_a_second(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  assert_int_equal(daytona__events_pace(scene.api.client), 1000);
  polls_in(200, 50);
  assert_paced(polls_in(10000, 250), 1000);
  answer("started");
  assert_in_range(api_hurry(&scene.api, future, 100), 0, 1100);
  api_done(future);
  end(sandbox);
}

static void a_socket_that_has_proved_itself_is_trusted_until_it_fails(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  say_state("sandbox", "sb-2", "starting");
  while (daytona__events_pace(scene.api.client) != 2000) uv_run(&scene.api.uv, UV_RUN_ONCE);
  polls_in(200, 50);
  assert_paced(polls_in(20000, 500), 2000);
  answer("started");
  assert_in_range(api_hurry(&scene.api, future, 100), 0, 2100); /* no event: the net has caught it */
  api_done(future);
  assert_int_equal(daytona__events_pace(scene.api.client), 1000);
  end(sandbox);
}

static void many_waits_poll_no_more_than_some(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *futures[100];
  for (int i = 0; i < 100; i++) futures[i] = waiting(sandbox);
  say_state("sandbox", "sb-2", "starting");
  while (daytona__events_pace(scene.api.client) != 5000) uv_run(&scene.api.uv, UV_RUN_ONCE);
  polls_in(200, 50);
  assert_paced(polls_in(10000, 500), 50); /* 20 in a second */
  for (int i = 0; i < 100; i++) {
    daytona_future_cancel(futures[i]);
    daytona_future_release(futures[i]);
  }
  end(sandbox);
}

static void a_limit_is_not_slept_through(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = 3000};
  daytona_future_t *others[100];
  for (int i = 0; i < 100; i++) others[i] = waiting(sandbox);
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, &opts);
  say_state("sandbox", "sb-2", "starting");
  while (daytona__events_pace(scene.api.client) < 5000) uv_run(&scene.api.uv, UV_RUN_ONCE);
  api_settle(&scene.api);
  answer("started");
  assert_in_range(api_hurry(&scene.api, future, 100), 0, 2500);
  api_done(future);
  for (int i = 0; i < 100; i++) {
    daytona_future_cancel(others[i]);
    daytona_future_release(others[i]);
  }
  end(sandbox);
}

/* --- many of them --------------------------------------------------------------------------------- */

enum { MANY = 300 };

static struct {
  bool are_started[MANY];
  size_t polls;
} crowd;

static void answer_crowd(peer_conn_t *conn, const char *request, size_t size) {
  char id[16], text[4096];
  int n;
  assert_int_equal(sscanf(request, "GET /api/sandbox/m-%d ", &n), 1);
  snprintf(id, sizeof id, "m-%d", n);
  const char *json = api_sandbox_json(&scene.api, id, crowd.are_started[n] ? "started" : "starting", "");
  snprintf(text, sizeof text,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(json),
           json);
  crowd.polls++;
  peer_puts(conn, text);
}

static daytona_sandbox_t *one_of_many(int n) {
  daytona__sandbox_data_t *data = daytona__sandbox_data_new();
  daytona__sandbox_dto_t *dto = daytona__arena_alloc(&data->arena, sizeof *dto);
  assert_non_null(dto);
  dto->info.id = daytona__arena_printf(&data->arena, "m-%d", n);
  dto->info.state_name = "starting";
  daytona__sandbox_dto_finish(dto);
  daytona_sandbox_t *sandbox = daytona__sandbox_new(scene.api.client, data, dto);
  daytona__sandbox_data_release(data);
  return sandbox;
}

static size_t crowd_polls_in(int64_t ms) {
  size_t before = crowd.polls;
  for (int64_t passed = 0; passed < ms; passed += 100) {
    api_settle(&scene.api);
    api_advance(&scene.api, 100);
    api_spin(&scene.api, 4);
  }
  api_settle(&scene.api);
  return crowd.polls - before;
}

/* Requests do not grow with the waits, and each state costs one. */
static void requests_of_many_waits_are_flat(void **state) {
  daytona_sandbox_t *sandbox = begin("started", 1), *sandboxes[MANY];
  daytona_future_t *futures[MANY];
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DAYTONA_NO_TIMEOUT};
  char id[16];
  memset(&crowd, 0, sizeof crowd);
  scene.on_rest = answer_crowd;
  for (int i = 0; i < MANY; i++) {
    sandboxes[i] = one_of_many(i);
    futures[i] = daytona_sandbox_wait_for_start(sandboxes[i], &opts);
  }
  until_live();
  crowd_polls_in(300);
  assert_in_range(crowd.polls, MANY, 12 * MANY); /* at once, and what was due before the socket was there */
  crowd.are_started[0] = true;
  say_state("sandbox", "m-0", "started");
  api_done(futures[0]);
  crowd_polls_in(2000); /* those of the pace before */
  int64_t began = api_now(&scene.api);
  size_t slow = crowd_polls_in(30000), seconds = (size_t)(api_now(&scene.api) - began) / 1000;
  assert_in_range(slow, 1, seconds * 31); /* each every ten seconds; polling alone makes 300 in one */
  size_t before = crowd.polls;
  for (int i = 1; i < MANY; i++) {
    snprintf(id, sizeof id, "m-%d", i);
    crowd.are_started[i] = true;
    say_state("sandbox", id, "started");
  }
  for (int i = 1; i < MANY; i++) api_done(futures[i]);
  assert_in_range(crowd.polls - before, MANY - 1, MANY + 300);
  for (int i = 0; i < MANY; i++) daytona_sandbox_release(sandboxes[i]);
  end(sandbox);
}

/* --- servers ---------------------------------------------------------------------------------------- */

static void a_server_without_it_is_polled(void **state) {
  static const char *const refusals[] = {
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"};
  for (int i = 0; i < 2; i++) {
    daytona_sandbox_t *sandbox = begin("starting", 0);
    scene.refusal = refusals[i];
    answer("starting");
    daytona_future_t *future = daytona_sandbox_wait_for_start(
      sandbox, &(daytona_sandbox_lifecycle_opts_t){.timeout_ms = DAYTONA_NO_TIMEOUT});
    until_upgrades(1);
    api_settle(&scene.api);
    assert_paced(polls_in(4000, 20), 100);
    assert_int_equal(scene.upgrades, 1);
    polls_in(35000, 500);
    assert_int_equal(scene.upgrades, 1);
    polls_in(25000, 500);
    assert_int_equal(scene.upgrades, 2); /* it may have one by now */
    answer("started");
    api_hurry(&scene.api, future, 100);
    api_done(future);
    end(sandbox);
  }
}

static void a_refused_credential_is_polled_with(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 0);
  scene.on_message = NULL;
  play(hello);
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
  while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  say("44{\"message\":\"Unauthorized\"}");
  polls_in(1000, 20);
  assert_int_equal(scene.upgrades, 1);
  assert_int_equal(daytona__events_pace(scene.api.client), 0);
  answer("started");
  api_hurry(&scene.api, future, 100);
  api_done(future);
  end(sandbox);
}

static void a_server_that_says_nothing_is_polled_and_tried_again(void **state) {
  for (int phase = 0; phase < 2; phase++) {
    daytona_sandbox_t *sandbox = begin("starting", 0);
    scene.on_message = NULL;
    play(phase == 0 ? NULL : hello); /* before its hello, and before it accepts */
    answer("starting");
    daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
    until_upgrades(1);
    int64_t began = api_now(&scene.api);
    assert_paced(polls_in(3000, 20), 100);
    while (scene.upgrades == 1) polls_in(50, 50);
    assert_in_range(api_now(&scene.api) - began, 5700, 9000); /* the limit, and the time between attempts */
    daytona_future_cancel(future);
    daytona_future_release(future);
    end(sandbox);
  }
}

static void a_lost_socket_is_polled_for_and_replaced(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 3);
  daytona_future_t *future = waiting(sandbox);
  for (int i = 1; i <= 2; i++) {
    if (i == 1)
      peer_reset(scene.socket);
    else
      stream_send_close(&scene, 1001, "the server is stopping");
    api_until(&scene.api, is_down, NULL);
    assert_paced(polls_in(500, 20), 100);
    polls_in(400 * i, 20);
    until_live();
    assert_int_equal(scene.upgrades, i + 1);
    api_settle(&scene.api);
  }
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  end(sandbox);
}

static void packets_that_end_it_are_taken_at_their_word(void **state) {
  static const char *const ends[] = {"1", "41"};
  for (int i = 0; i < 2; i++) {
    daytona_sandbox_t *sandbox = begin("starting", 2);
    daytona_future_t *future = waiting(sandbox);
    say(ends[i]);
    api_until(&scene.api, is_down, NULL);
    polls_in(1000, 20);
    until_live();
    daytona_future_cancel(future);
    daytona_future_release(future);
    end(sandbox);
  }
}

static void attempts_come_less_and_less_often(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 0);
  scene.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(
    sandbox, &(daytona_sandbox_lifecycle_opts_t){.timeout_ms = DAYTONA_NO_TIMEOUT});
  int64_t last = api_now(&scene.api), expected = 1000;
  until_upgrades(1);
  for (int i = 2; i < 9; i++) {
    while (scene.upgrades < (size_t)i) polls_in(50, 50);
    int64_t gap = api_now(&scene.api) - last;
    assert_in_range(gap, expected * 3 / 4, expected + 3000);
    last = api_now(&scene.api);
    expected = expected * 2 < 30000 ? expected * 2 : 30000;
  }
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void a_server_that_stops_pinging_is_dead(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 2);
  daytona_future_t *future = waiting(sandbox);
  for (int i = 0; i < 4; i++) {
    polls_in(40000, 5000);
    say("2");
    scene.received_size = 0;
    while (scene.received_size == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  }
  assert_int_equal(scene.upgrades, 1);
  polls_in(40000, 1000);
  assert_int_equal(scene.upgrades, 1);
  polls_in(8000, 100);
  assert_int_equal(scene.upgrades, 2);
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

/* --- the loop ----------------------------------------------------------------------------------------- */

static void it_does_not_keep_the_loop_alive(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 1);
  daytona_future_t *future = waiting(sandbox);
  answer("started");
  say_state("sandbox", "sb-2", "started");
  api_done(future);
  assert_true(is_live(NULL));
  /* What is left are the peer's own connections; the client's do not count. */
  daytona_client_stats_t stats;
  assert_int_equal(daytona_client_stats(scene.api.client, &stats), 0);
  assert_int_equal(stats.streams_open, 1);
  uv_unref((uv_handle_t *)&scene.api.peer.listener);
  for (peer_conn_t *conn = scene.api.peer.conns; conn != NULL; conn = conn->next)
    uv_unref((uv_handle_t *)&conn->tcp);
  assert_int_equal(uv_run(&scene.api.uv, UV_RUN_DEFAULT), 0);
  assert_true(is_live(NULL));
  end(sandbox);
}

static void it_stays_a_while_and_goes_in_order(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 2);
  for (int i = 0; i < 3; i++) { /* one socket for all */
    daytona_future_t *future = waiting(sandbox);
    daytona_future_cancel(future);
    daytona_future_release(future);
    polls_in(10000, 1000);
  }
  assert_int_equal(scene.upgrades, 1);
  assert_true(is_live(NULL));
  polls_in(6000, 1000);
  assert_true(is_down(NULL));
  while (scene.close_code == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  assert_int_equal(scene.close_code, 1000);
  daytona_future_t *future = waiting(sandbox); /* also while the other one is closing */
  assert_int_equal(scene.upgrades, 2);
  daytona_future_cancel(future);
  daytona_future_release(future);
  end(sandbox);
}

static void waits_that_end_before_it_is_there_take_it_along(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 2);
  scene.on_message = NULL;
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
  until_upgrades(1);
  daytona_future_cancel(future);
  daytona_future_release(future);
  daytona_client_stats_t stats;
  api_spin(&scene.api, 10);
  assert_int_equal(daytona_client_stats(scene.api.client, &stats), 0);
  assert_int_equal(stats.streams_open, 0);
  end(sandbox);
}

static void closing_ends_it_in_every_phase(void **state) {
  for (int phase = 0; phase < 6; phase++) {
    daytona_sandbox_t *sandbox = begin("starting", phase == 1 ? 0 : 2);
    if (phase == 1) play(NULL);
    if (phase == 5) scene.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    answer("starting");
    daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
    if (phase >= 1) until_upgrades(1);
    if (phase >= 2 && phase < 5) until_live();
    if (phase == 5) polls_in(100, 20); /* it is resting */
    if (phase >= 3 && phase < 5) daytona_future_cancel(future);
    if (phase == 4) {
      api_advance(&scene.api, 16000); /* it is leaving */
      api_spin(&scene.api, 3);
    }
    if (phase < 3 || phase == 5) {
      api_scene_close_client(&scene.api);
      api_fails(future, DAYTONA_ECLOSED);
    } else {
      daytona_future_release(future);
    }
    end(sandbox);
  }
}

/* --- memory --------------------------------------------------------------------------------------------- */

static void on_closed(void *user) { *(bool *)user = true; }

/* A wait for what is there only once its socket is: whatever is lacking, it ends, and well unless the wait itself had no memory. */
static void wait_with(daytona_sandbox_t *sandbox) {
  answer("starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, NULL);
  for (int i = 0; i < 30 && !daytona_future_is_settled(future); i++) {
    api_spin(&scene.api, 2);
    api_advance(&scene.api, 10);
  }
  answer("started");
  if (is_live(NULL)) say_state("sandbox", "sb-2", "started");
  api_hurry(&scene.api, future, 100);
  int code = daytona_future_code(future);
  assert_true(code == 0 || support_alloc_failed() != 0);
  daytona_future_release(future);
  polls_in(18000, 3000); /* the socket goes, too */
}

static void live_once(void *user) {
  daytona_client_t *client;
  bool is_closed = false;
  scene.upgrades = 0;
  if (daytona_client_new(&scene.api.uv, &scene.api.config, &client) != 0) return;
  scene.api.client = client;
  answer("starting");
  daytona_future_t *future = daytona_sandbox_get(client, "sb-2", NULL);
  api_hurry(&scene.api, future, 100);
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  if (sandbox != NULL) wait_with(sandbox);
  daytona_sandbox_release(sandbox);
  daytona_client_close(client, on_closed, &is_closed);
  while (!is_closed) uv_run(&scene.api.uv, UV_RUN_ONCE);
  daytona_client_release(client);
  for (size_t i = 0; i < scene.api.request_count; i++) free(scene.api.requests[i]);
  scene.api.request_count = 0;
}

static void lack_of_memory_costs_events_and_nothing_else(void **state) {
  daytona_sandbox_t *sandbox = begin("starting", 3);
  daytona_client_t *client = scene.api.client;
  support_alloc_sweep(live_once, NULL);
  scene.api.client = client;
  end(sandbox);
}

/* --- packets ---------------------------------------------------------------------------------------------- */

static void packets_are_read_strictly(void **state) {
  static const struct {
    const char *text;
    daytona__event_packet_kind_t kind;
    const char *noun, *id;
  } rows[] = {
    {"", DAYTONA__EVENT_OTHER, "", ""},
    {"0", DAYTONA__EVENT_OPEN, "", ""},
    {"0{\"pingInterval\":\"x\",\"pingTimeout\":-1}", DAYTONA__EVENT_OPEN, "", ""},
    {"1", DAYTONA__EVENT_CLOSE, "", ""},
    {"2", DAYTONA__EVENT_PING, "", ""},
    {"3", DAYTONA__EVENT_OTHER, "", ""},
    {"4", DAYTONA__EVENT_OTHER, "", ""},
    {"40", DAYTONA__EVENT_ACCEPTED, "", ""},
    {"41", DAYTONA__EVENT_CLOSE, "", ""},
    {"44", DAYTONA__EVENT_REFUSED, "", ""},
    {"42[\"sandbox.created\",{\"id\":\"a\"}]", DAYTONA__EVENT_CHANGE, "sandbox", "a"},
    {"42 [ \"sandbox.created\" , { \"x\" : [ { } ] , \"id\" : \"a\" } ] ", DAYTONA__EVENT_CHANGE, "sandbox",
     "a"},
    {"42[\"sandbox.state.updated\",{\"id\":\"b\",\"sandbox\":{\"id\":\"a\"}}]", DAYTONA__EVENT_CHANGE,
     "sandbox", "a"},
    {"42[\"volume.state.updated\",{\"sandbox\":{\"id\":\"a\"}}]", DAYTONA__EVENT_OTHER, "volume", ""},
    {"42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"\\u0061\\u00e9\"}}]", DAYTONA__EVENT_CHANGE,
     "sandbox", "a\xC3\xA9"},
    {"42[\"sandbox.state.updated\",{\"sandbox\":{\"id\":\"a\\u0000b\"}}]", DAYTONA__EVENT_OTHER, "sandbox",
     ""},
    {"42[\"sandbox.created\",{\"id\":\"a\"},7]", DAYTONA__EVENT_OTHER, "sandbox", "a"},
    {"42[\"sandbox.created\",{\"id\":\"a\"}", DAYTONA__EVENT_OTHER, "sandbox", "a"},
    {"42[\".created\",{\"id\":\"a\"}]", DAYTONA__EVENT_OTHER, "", ""},
    {"42[\"a-kind-of-object-with-a-long-name.created\",{\"id\":\"a\"}]", DAYTONA__EVENT_OTHER, "", ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__event_packet_t packet;
    daytona__event_packet_read(rows[i].text, strlen(rows[i].text), &packet);
    assert_int_equal(packet.kind, rows[i].kind);
    if (packet.kind == DAYTONA__EVENT_CHANGE) assert_string_equal(packet.noun, rows[i].noun);
    if (packet.kind == DAYTONA__EVENT_CHANGE) assert_string_equal(packet.id, rows[i].id);
    if (packet.kind == DAYTONA__EVENT_OPEN) assert_int_equal(packet.ping_interval_ms, 25000);
    if (packet.kind == DAYTONA__EVENT_OPEN) assert_int_equal(packet.ping_timeout_ms, 20000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_event_ends_a_wait_at_once),
    cmocka_unit_test(without_the_option_there_is_no_socket),
    cmocka_unit_test(nothing_waited_for_opens_nothing),
    cmocka_unit_test(it_asks_as_the_official_clients_do),
    cmocka_unit_test(a_token_names_its_organization),
    cmocka_unit_test(pings_are_answered),
    cmocka_unit_test(all_waits_share_one_socket),
    cmocka_unit_test(volumes_are_waited_for_with_it_too),
    cmocka_unit_test(on_a_proven_socket_a_stop_is_two_requests),
    cmocka_unit_test(an_answer_without_news_is_followed_by_a_poll),
    cmocka_unit_test(an_early_event_is_not_forgotten),
    cmocka_unit_test(events_of_others_cause_no_poll),
    cmocka_unit_test(an_event_alone_ends_no_wait),
    cmocka_unit_test(an_event_during_a_poll_causes_another),
    cmocka_unit_test(a_flood_of_events_is_a_few_polls),
    cmocka_unit_test(rubbish_is_passed_over),
    cmocka_unit_test(events_may_be_long),
    cmocka_unit_test(the_states_of_a_build_are_seen_when_they_come),
    cmocka_unit_test(a_socket_that_brings_nothing_costs_a_second),
    cmocka_unit_test(a_socket_that_has_proved_itself_is_trusted_until_it_fails),
    cmocka_unit_test(many_waits_poll_no_more_than_some),
    cmocka_unit_test(a_limit_is_not_slept_through),
    cmocka_unit_test(requests_of_many_waits_are_flat),
    cmocka_unit_test(a_server_without_it_is_polled),
    cmocka_unit_test(a_refused_credential_is_polled_with),
    cmocka_unit_test(a_server_that_says_nothing_is_polled_and_tried_again),
    cmocka_unit_test(a_lost_socket_is_polled_for_and_replaced),
    cmocka_unit_test(packets_that_end_it_are_taken_at_their_word),
    cmocka_unit_test(attempts_come_less_and_less_often),
    cmocka_unit_test(a_server_that_stops_pinging_is_dead),
    cmocka_unit_test(it_does_not_keep_the_loop_alive),
    cmocka_unit_test(it_stays_a_while_and_goes_in_order),
    cmocka_unit_test(waits_that_end_before_it_is_there_take_it_along),
    cmocka_unit_test(closing_ends_it_in_every_phase),
    cmocka_unit_test(lack_of_memory_costs_events_and_nothing_else),
    cmocka_unit_test(packets_are_read_strictly),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
