/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation of a client's life fails in turn, once alone and once with all after it: making the client,
 * every kind of operation, cancelling, closing. Each future settles once, nothing leaks, the close reports.
 */
#include <stdio.h>
#include <string.h>

#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"

typedef struct life {
  api_scene_t *scene;
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  int begun, told;
  bool has_failed; /* an operation, for whatever reason */
  int closed;
} life_t;

static void note(daytona_future_t *future, void *user) {
  life_t *life = user;
  daytona_errcode_t code = daytona_future_code(future);
  life->told++;
  assert_true(life->told <= life->begun);
  if (code == DAYTONA_OK) return;
  life->has_failed = true;
  assert_non_null(daytona_future_error(future)->message);
  if (code != DAYTONA_ENOMEM && code != DAYTONA_ECANCELED)
    fail_msg("%s: %s", daytona_errcode_name(code), daytona_future_error(future)->message);
  /* Whatever was done about a lack of memory, it needed some. */
  assert_true(code != DAYTONA_ENOMEM || support_alloc_failed() != 0);
}

static void take_sandbox(daytona_future_t *future, void *user) {
  life_t *life = user;
  note(future, user);
  if (daytona_future_sandbox(future) != NULL)
    life->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
}

static void then(life_t *life, daytona_future_t *future, daytona_future_cb callback) {
  life->begun++;
  daytona_future_then(future, callback, life);
}

/* Turn the loop, and the clock when nothing is in flight, until everything has been told. */
static void finish(life_t *life) {
  for (int turn = 0; life->told < life->begun; turn++) {
    size_t in_flight, waiting;
    assert_true(turn < 200000);
    uv_run(&life->scene->uv, UV_RUN_NOWAIT);
    daytona__http_counts(life->client->http, &in_flight, &waiting);
    if (in_flight + waiting == 0) daytona__loop_advance(life->client->loop, 50);
  }
}

static void on_closed(void *user) { ((life_t *)user)->closed++; }

/* An id of 200 characters. */
static char long_name[201];

/* --- scenes ------------------------------------------------------------------------------------ */

static void do_create(life_t *life) {
  static const daytona_pair_t env[] = {{"A", "1"}};
  const daytona_sandbox_create_opts_t opts = {.env = {env, 1}};
  then(life, daytona_sandbox_create(life->client, &opts), take_sandbox);
}

static void do_get(life_t *life) {
  then(life, daytona_sandbox_get(life->client, "sb-1", NULL), take_sandbox);
}

/* Its address needs memory of its own, where others fit into what an operation begins with. */
static void do_get_long(life_t *life) {
  then(life, daytona_sandbox_get(life->client, long_name, NULL), take_sandbox);
}

/* The same for a sandbox whose toolbox is not known. */
static void do_exec_long(life_t *life) {
  do_get_long(life);
  finish(life);
  if (life->sandbox != NULL) then(life, daytona_process_exec(life->sandbox, "ls", NULL), note);
}

static void do_exec(life_t *life) {
  static const daytona_pair_t env[] = {{"A", "1"}};
  const daytona_process_exec_opts_t opts = {.env = {env, 1}, .timeout_ms = 1000};
  do_get(life);
  finish(life);
  if (life->sandbox == NULL) return;
  then(life, daytona_process_exec(life->sandbox, "ls", &opts), note);
  then(life, daytona_sandbox_set_labels(life->sandbox, &opts.env, NULL), note);
}

/* The command is cancelled, and another one stops it in the background. */
static void do_cancelled_exec(life_t *life) {
  do_get(life);
  finish(life);
  if (life->sandbox == NULL) return;
  daytona_future_t *future = daytona_process_exec(life->sandbox, "slow", NULL);
  daytona_future_retain(future);
  then(life, future, note);
  size_t before = life->scene->request_count;
  for (int i = 0; i < 2000 && life->scene->request_count == before && life->told < life->begun; i++)
    uv_run(&life->scene->uv, UV_RUN_NOWAIT);
  daytona_future_cancel(future);
  daytona_future_release(future);
}

static void do_life(life_t *life) {
  const daytona_sandbox_lifecycle_opts_t waits = {.waits = true};
  do_get(life);
  finish(life);
  if (life->sandbox == NULL) return;
  then(life, daytona_sandbox_start(life->sandbox, NULL), note);
  then(life, daytona_sandbox_stop(life->sandbox, NULL), note);
  then(life, daytona_sandbox_delete(life->sandbox, &waits), note);
}

static void do_list(life_t *life) {
  static const daytona_pair_t pairs[] = {{"a", "1"}};
  const daytona_sandbox_list_opts_t opts = {.labels = {pairs, 1}};
  then(life, daytona_sandbox_list(life->client, &opts), note);
}

static void do_walk(life_t *life) {
  daytona_sandbox_iter_t *iter = NULL;
  static const daytona_pair_t pairs[] = {{"a", "1"}};
  const daytona_sandbox_query_t query = {.labels = {pairs, 1}};
  int rc = daytona_sandbox_iter_new(life->client, &query, &iter);
  assert_true(rc == 0 || rc == DAYTONA_ENOMEM);
  for (int i = 0; i < 4 && rc == 0; i++) {
    then(life, daytona_sandbox_iter_next(iter), note);
    finish(life);
  }
  daytona_sandbox_iter_release(iter);
}

/* An error response is described as far as memory goes. */
static void on_refused(daytona_future_t *future, void *user) {
  daytona_errcode_t code = daytona_future_code(future);
  ((life_t *)user)->told++;
  assert_true(code == DAYTONA_ECONFLICT || code == DAYTONA_ENOMEM);
  assert_non_null(daytona_future_error(future)->message);
}

static void do_refused(life_t *life) {
  then(life, daytona_sandbox_get(life->client, "refused", NULL), on_refused);
}

/* Nothing is waited for: the close finds all of it under way. */
static void on_ended(daytona_future_t *future, void *user) {
  (void)future;
  ((life_t *)user)->told++;
}

static void do_all_and_close(life_t *life) {
  then(life, daytona_sandbox_create(life->client, NULL), on_ended);
  then(life, daytona_sandbox_get(life->client, "sb-1", NULL), on_ended);
  then(life, daytona_sandbox_list(life->client, NULL), on_ended);
  uv_run(&life->scene->uv, UV_RUN_NOWAIT);
  daytona_client_close(life->client, on_closed, life);
  daytona_client_close(life->client, NULL, NULL);
}

static void (*const scenes[])(life_t *life) = {do_create,   do_get,       do_exec,         do_cancelled_exec,
                                               do_life,     do_list,      do_walk,         do_refused,
                                               do_get_long, do_exec_long, do_all_and_close};

static void (*scene_now)(life_t *life);

/* From nothing to nothing. The server's part of the scene stays. */
static void run_scene(void *user) {
  life_t life = {.scene = user};
  int rc = daytona_client_new(&life.scene->uv, &life.scene->config, &life.client);
  if (rc != 0) {
    assert_int_equal(rc, DAYTONA_ENOMEM);
    uv_run(&life.scene->uv, UV_RUN_DEFAULT);
    return;
  }
  scene_now(&life);
  if (!daytona_client_is_closing(life.client)) {
    finish(&life);
    daytona_client_close(life.client, on_closed, &life);
  }
  daytona_sandbox_release(life.sandbox);
  daytona_client_release(life.client);
  while (life.closed == 0) uv_run(&life.scene->uv, UV_RUN_ONCE);
  uv_run(&life.scene->uv, UV_RUN_NOWAIT);
  assert_int_equal(life.closed, 1);
  assert_int_equal(life.told, life.begun);
  if (support_alloc_failed() == 0) assert_true(!life.has_failed || scene_now == do_cancelled_exec);
}

static void answer_all(api_scene_t *scene) {
  const char *started =
    api_sandbox_json(scene, "sb-1", "started", ",\"env\":{\"A\":\"1\"},\"labels\":{\"l\":\"1\"}");
  const char *creating = api_sandbox_json(scene, "sb-2", "creating", "");
  char list[1024];
  char toolbox[128];
  /* Without memory for the toolbox's address it is asked for. */
  snprintf(toolbox, sizeof toolbox, "{\"url\":\"%s\"}", scene->toolbox_url);
  api_answer(scene, "GET /api/sandbox/sb-1/toolbox-proxy-url", 200, toolbox);
  snprintf(list, sizeof list, "{\"items\":[%s,%s],\"nextCursor\":\"\"}", started, started);
  api_answer(scene, "POST /api/sandbox", 200, creating);
  api_answer(scene, "GET /api/sandbox/sb-1", 200, started);
  api_answer(scene, "GET /api/sandbox/sb-2", 200, api_sandbox_json(scene, "sb-2", "started", ""));
  api_answer(scene, "GET /api/sandbox/paginated", 200, list);
  api_answer(scene, "GET /api/sandbox", 200, list);
  api_answer(scene, "POST /api/sandbox/sb-1/start", 200, started);
  api_answer(scene, "POST /api/sandbox/sb-1/stop", 200, api_sandbox_json(scene, "sb-1", "stopped", ""));
  api_answer(scene, "DELETE /api/sandbox/sb-1", 200, api_sandbox_json(scene, "sb-1", "destroyed", ""));
  api_answer(scene, "PUT /api/sandbox/sb-1/labels", 200, "{\"labels\":{\"A\":\"1\"}}");
  api_answer(scene, "GET /api/sandbox/sb-1/ports/80/preview-url", 200, "{\"url\":\"u\",\"token\":\"t\"}");
  api_answer(scene, "GET /api/sandbox/sb-1/ports/80/signed-preview-url", 200,
             "{\"url\":\"u\",\"token\":\"t\"}");
  api_answer(scene, "POST /api/sandbox/sb-1/ssh-access", 200, "{\"id\":\"i\",\"token\":\"t\"}");
  api_answer(scene, "DELETE /api/sandbox/sb-1/ssh-access", 200, started);
  api_answer(scene, "GET /toolbox/sb-1/work-dir", 200, "{\"dir\":\"/w\"}");
  api_answer(scene, "POST /api/sandbox/sb-1/resize", 200, started);
  api_answer(scene, "POST /toolbox/sb-1/process/code-run", 200, "{\"exitCode\":0,\"result\":\"hi\"}");
  char line[256], body[512];
  memset(long_name, 'n', sizeof long_name - 1);
  snprintf(line, sizeof line, "GET /api/sandbox/%s", long_name);
  snprintf(body, sizeof body, "{\"id\":\"%s\"}", long_name);
  api_answer(scene, line, 200, body);
  snprintf(line, sizeof line, "GET /api/sandbox/%s/toolbox-proxy-url", long_name);
  api_answer(scene, line, 200, toolbox);
  snprintf(line, sizeof line, "POST /toolbox/%s/process/execute", long_name);
  api_answer(scene, line, 200, "{\"exitCode\":0}");
  api_answer_with(scene, "GET /api/sandbox/refused", 409, "X-Request-Id: r\r\n",
                  "{\"message\":\"no\",\"code\":\"C\",\"source\":\"DAYTONA_API\"}");
  api_answer(scene, "POST /toolbox/sb-1/process/execute", 200, "{\"exitCode\":0,\"result\":\"hi\"}");
}

static void sweep_with(const daytona_telemetry_opts_t *telemetry) {
  for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
    api_scene_t scene;
    api_scene_open_bare(&scene);
    answer_all(&scene);
    scene.config.telemetry = telemetry;
    scene_now = scenes[i];
    support_alloc_sweep(run_scene, &scene);
    api_scene_close(&scene);
  }
}

static void sweep(void **state) { sweep_with(NULL); }

/* Spans and histograms that there is no memory for change nothing else. Nobody listens to them. */
static void sweep_with_telemetry(void **state) {
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_dead_port());
  const daytona_telemetry_opts_t telemetry = {.endpoint = url};
  sweep_with(&telemetry);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sweep), cmocka_unit_test(sweep_with_telemetry)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
