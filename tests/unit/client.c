/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing a client: while an operation of several requests is under way, from inside callbacks, twice, by letting go
 * of it, with a thousand operations in flight. What every call has in common is in every_call.c. Each time every future settles once, nothing is left on the loop and
 * nothing allocated.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "call/results.h"
#include "call/sandbox_object.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"

/* --- operations -------------------------------------------------------------------------------- */

typedef struct stand {
  api_scene_t scene;
  daytona_client_t *client; /* a reference of its own, for calls after the close */
  daytona_sandbox_t *sandbox;
  daytona_sandbox_iter_t *iter;
  int told, told_again, closed;
  daytona_errcode_t code, code_again;
  bool starts_again; /* the callback begins the operation once more */
  bool closes;       /* the callback closes the client */
  const struct operation *operation;
} stand_t;

typedef struct operation {
  const char *name;
  daytona_future_t *(*begin)(stand_t *stand);
  const char *line; /* of its first request */
  enum { PLAIN, WAITS, WALK } kind;
  bool has_gate;
} operation_t;

#define ON_CLIENT(label, call) \
  static daytona_future_t *begin_##label(stand_t *s) { return call; }

ON_CLIENT(create, daytona_sandbox_create(s->client, NULL))
ON_CLIENT(get, daytona_sandbox_get(s->client, "x", NULL))
ON_CLIENT(list, daytona_sandbox_list(s->client, NULL))
ON_CLIENT(next, daytona_sandbox_iter_next(s->iter))
ON_CLIENT(labels, daytona_sandbox_set_labels(s->sandbox, NULL, NULL))
ON_CLIENT(interval, daytona_sandbox_set_autostop_interval(s->sandbox, 5, NULL))
ON_CLIENT(start, daytona_sandbox_start(s->sandbox, NULL))
ON_CLIENT(recover, daytona_sandbox_recover(s->sandbox, NULL))
ON_CLIENT(stop, daytona_sandbox_stop(s->sandbox, NULL))
ON_CLIENT(delete, daytona_sandbox_delete(s->sandbox, &(daytona_sandbox_lifecycle_opts_t){.waits = true}))
ON_CLIENT(resize, daytona_sandbox_resize(s->sandbox, &(daytona_sandbox_resize_opts_t){.cpu = daytona_int(2)}))
ON_CLIENT(wait, daytona_sandbox_wait_for_start(s->sandbox, NULL))
ON_CLIENT(home, daytona_sandbox_get_user_home_dir(s->sandbox, NULL))
ON_CLIENT(exec, daytona_process_exec(s->sandbox, "ls", NULL))

#define SB "/api/sandbox/sb-1"

static const operation_t operations[] = {
  {"create", begin_create, "POST /api/sandbox", WAITS, true},
  {"get", begin_get, "GET /api/sandbox/x", PLAIN, false},
  {"list", begin_list, "GET /api/sandbox/paginated", PLAIN, false},
  {"iter_next", begin_next, "GET /api/sandbox", WALK, false},
  {"labels", begin_labels, "PUT " SB "/labels", PLAIN, false},
  {"interval", begin_interval, "POST " SB "/autostop/5", PLAIN, false},
  {"start", begin_start, "POST " SB "/start", WAITS, true},
  {"recover", begin_recover, "POST " SB "/recover", WAITS, true},
  {"stop", begin_stop, "POST " SB "/stop", WAITS, false},
  {"delete", begin_delete, "DELETE " SB, WAITS, false},
  {"resize", begin_resize, "POST " SB "/resize", WAITS, false},
  {"wait", begin_wait, "GET " SB, PLAIN, false},
  {"home", begin_home, "GET /toolbox/sb-1/user-home-dir", PLAIN, false},
  {"exec", begin_exec, "POST /toolbox/sb-1/process/execute", PLAIN, false},
};

enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* --- the stand --------------------------------------------------------------------------------- */

static void stand_client(stand_t *stand, const char *toolbox) {
  api_scene_client(&stand->scene);
  stand->client = daytona_client_retain(stand->scene.client);
  stand->sandbox = api_sandbox_at(&stand->scene, toolbox, "resizing"); /* no wait is over at once */
  assert_int_equal(daytona_sandbox_iter_new(stand->client, NULL, &stand->iter), 0);
}

static void stand_open(stand_t *stand, const operation_t *operation) {
  memset(stand, 0, sizeof *stand);
  stand->operation = operation;
  api_scene_open_bare(&stand->scene);
}

static void stand_let_go(stand_t *stand) {
  daytona_sandbox_release(stand->sandbox);
  daytona_sandbox_iter_release(stand->iter);
  daytona_client_release(stand->client);
  stand->sandbox = NULL;
  stand->iter = NULL;
  stand->client = NULL;
}

static void on_told_again(daytona_future_t *future, void *user) {
  stand_t *stand = user;
  stand->told_again++;
  stand->code_again = daytona_future_code(future);
}

static void on_closed(void *user) { ((stand_t *)user)->closed++; }

static void on_told(daytona_future_t *future, void *user) {
  stand_t *stand = user;
  stand->told++;
  stand->code = daytona_future_code(future);
  assert_int_equal(daytona_future_await(future), DAYTONA_EREENTRANT);
  if (stand->closes) daytona_client_close(stand->client, on_closed, stand);
  if (stand->starts_again) daytona_future_then(stand->operation->begin(stand), on_told_again, stand);
}

static void begin(stand_t *stand) { daytona_future_then(stand->operation->begin(stand), on_told, stand); }

/* Close, turn the loop to its end, and check that the operation was told of it, once. */
static void finish(stand_t *stand) {
  stand->starts_again = true;
  assert_int_equal(stand->told, 0);
  api_scene_close_client(&stand->scene);
  assert_int_equal(stand->told, 0); /* never inside the call */
  while (!stand->scene.is_closed) uv_run(&stand->scene.uv, UV_RUN_ONCE);
  uv_run(&stand->scene.uv, UV_RUN_DEFAULT);
  if (stand->told != 1 || stand->code != DAYTONA_ECLOSED || stand->told_again != 1 ||
      stand->code_again != DAYTONA_ECLOSED)
    fail_msg("%s: told %d times, %s; begun again: %d times, %s", stand->operation->name, stand->told,
             daytona_errcode_name(stand->code), stand->told_again, daytona_errcode_name(stand->code_again));
  stand_let_go(stand);
  api_scene_close(&stand->scene);
}

/* --- moments ----------------------------------------------------------------------------------- */

/* Between two polls, and while one is not answered. */
static void closing_while_a_state_is_waited_for(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++)
    for (int is_silent = 0; is_silent < 2 && operations[i].kind == WAITS; is_silent++) {
      stand_t stand;
      stand_open(&stand, &operations[i]);
      stand_client(&stand, stand.scene.toolbox_url);
      const char *json = api_sandbox_json(&stand.scene, "sb-1", "resizing", "");
      api_answer(&stand.scene, operations[i].line, 200, json);
      api_answer(&stand.scene, "GET " SB, is_silent ? 0 : 200, is_silent ? api_silence : json);
      begin(&stand);
      api_until_requests(&stand.scene, 2);
      if (!is_silent) api_settle(&stand.scene);
      finish(&stand);
      assert_int_equal(stand.scene.peer.requests, 2);
    }
}

static void closing_while_a_lost_sandbox_is_searched(void **state) {
  (void)state;
  stand_t stand;
  stand_open(&stand, &operations[0]);
  stand_client(&stand, stand.scene.toolbox_url);
  api_answer(&stand.scene, operations[0].line, 500, "");
  begin(&stand);
  api_until_requests(&stand.scene, 2);
  api_settle(&stand.scene);
  finish(&stand);
  assert_int_equal(stand.scene.peer.requests, 2);
}

static void closing_while_waiting_at_the_gate(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    if (!operations[i].has_gate) continue;
    stand_t stand;
    stand_open(&stand, &operations[i]);
    stand.scene.config.max_starting = 1;
    stand_client(&stand, stand.scene.toolbox_url);
    api_answer(&stand.scene, "POST /api/sandbox", 0, api_silence);
    daytona_future_then(daytona_sandbox_create(stand.client, NULL), NULL, NULL);
    begin(&stand);
    api_until_requests(&stand.scene, 1);
    finish(&stand);
    assert_int_equal(stand.scene.peer.requests, 1);
  }
}

static void closing_between_two_empty_pages(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    if (operations[i].kind != WALK) continue;
    stand_t stand;
    stand_open(&stand, &operations[i]);
    stand_client(&stand, stand.scene.toolbox_url);
    api_answer(&stand.scene, operations[i].line, 200, "{\"items\":[],\"nextCursor\":\"c\"}");
    api_answer(&stand.scene, operations[i].line, 0, api_silence);
    begin(&stand);
    api_until_requests(&stand.scene, 2);
    finish(&stand);
  }
}

/* Each operation's own callback closes the client, with others of all kinds in flight, and begins again. */
static void closing_inside_a_callback(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    stand_t stand, other;
    stand_open(&stand, &operations[i]);
    memset(&other, 0, sizeof other);
    stand_client(&stand, stand.scene.toolbox_url);
    api_answer(&stand.scene, operations[i].line, 403, "{}");
    for (int n = 0; n < OPERATIONS; n++)
      if (strcmp(operations[n].line, operations[i].line) != 0 && operations[n].kind != WALK &&
          stand.scene.route_count < API_ROUTES)
        api_answer(&stand.scene, operations[n].line, 0, api_silence);
    stand.closes = stand.starts_again = true;
    begin(&stand);
    for (int n = 0; n < 8; n++) {
      const operation_t *next = &operations[(i + n + 1) % OPERATIONS];
      if (next->kind != WALK) daytona_future_then(next->begin(&stand), on_told_again, &other);
    }
    while (stand.closed == 0) uv_run(&stand.scene.uv, UV_RUN_ONCE);
    assert_int_equal(stand.told, 1);
    assert_int_equal(stand.code, DAYTONA_EFORBIDDEN);
    assert_int_equal(stand.told_again, 1);
    assert_int_equal(stand.code_again, DAYTONA_ECLOSED);
    assert_true(other.told_again >= 7);
    stand_let_go(&stand);
    api_scene_close(&stand.scene);
  }
}

/* --- ways of closing --------------------------------------------------------------------------- */

static daytona_client_t *again;
static bool is_told_late;

static void on_closed_late(void *user) {
  daytona_future_t *future = daytona_sandbox_get(again, "x", NULL);
  (void)user;
  is_told_late = true;
  assert_int_equal(daytona_future_await(future), DAYTONA_EREENTRANT);
  daytona_future_release(future);
  daytona_client_release(again);
}

static void on_closed_first(void *user) {
  stand_t *stand = user;
  stand->closed++;
  again = daytona_client_retain(stand->client);
  daytona_client_close(again, on_closed_late, NULL);
  assert_false(is_told_late);
  stand_let_go(stand);
}

static void closing_inside_the_closed_callback_reports_later(void **state) {
  (void)state;
  stand_t stand;
  is_told_late = false;
  stand_open(&stand, &operations[0]);
  stand_client(&stand, stand.scene.toolbox_url);
  daytona_client_close(stand.client, on_closed_first, &stand);
  daytona_client_release(stand.scene.client);
  stand.scene.client = NULL;
  uv_run(&stand.scene.uv, UV_RUN_DEFAULT);
  assert_int_equal(stand.closed, 1);
  assert_true(is_told_late);
  api_scene_close(&stand.scene);
}

/* What a failed future gives in place of a sandbox can be passed on: the next operation says what is wrong. */
static void null_is_no_object_to_retain_or_ask(void **state) {
  (void)state;
  assert_null(daytona_client_retain(NULL));
  assert_null(daytona_client_loop(NULL));
  assert_false(daytona_client_is_closing(NULL));
  assert_null(daytona_sandbox_retain(NULL));
  assert_null(daytona_sandbox_id(NULL));
  assert_null(daytona_sandbox_info(NULL));
  assert_null(daytona_sandbox_client(NULL));
  assert_int_equal(daytona_sandbox_state(NULL), DAYTONA_SANDBOX_UNKNOWN);
  assert_int_equal(daytona_future_await(daytona_process_exec(daytona_sandbox_retain(NULL), "ls", NULL)),
                   DAYTONA_EINVAL);
}

static int order[4], order_count;

static void on_closed_in_order(void *user) { order[order_count++] = *(int *)user; }

static void every_close_is_reported_in_order(void **state) {
  (void)state;
  int numbers[] = {1, 2, 3};
  api_scene_t scene;
  api_scene_open(&scene);
  order_count = 0;
  for (int i = 0; i < 3; i++) daytona_client_close(scene.client, on_closed_in_order, &numbers[i]);
  daytona_client_close(scene.client, NULL, NULL);
  assert_true(daytona_client_is_closing(scene.client));
  assert_int_equal(order_count, 0);
  uv_run(&scene.uv, UV_RUN_DEFAULT);
  assert_int_equal(order_count, 3);
  for (int i = 0; i < 3; i++) assert_int_equal(order[i], i + 1);
  daytona_client_close(scene.client, on_closed_in_order, &numbers[0]);
  assert_int_equal(order_count, 3);
  uv_run(&scene.uv, UV_RUN_DEFAULT);
  assert_int_equal(order_count, 4);
  daytona_client_release(scene.client);
  scene.client = NULL;
  daytona_client_close(NULL, NULL, NULL);
  daytona_client_release(NULL);
  api_scene_close(&scene);
}

static void last_reference_closes_an_idle_client(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_client_release(scene.client);
  scene.client = NULL;
  api_scene_close(&scene);
}

/* The operation holds the client; when it has ended, nobody does. */
static void last_reference_goes_with_the_operation(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    stand_t stand;
    stand_open(&stand, &operations[i]);
    stand_client(&stand, stand.scene.toolbox_url);
    api_answer(&stand.scene, operations[i].line, 403, "{}");
    begin(&stand);
    stand_let_go(&stand);
    daytona_client_release(stand.scene.client);
    stand.scene.client = NULL;
    uv_run(&stand.scene.uv, UV_RUN_DEFAULT);
    assert_int_equal(stand.told, 1);
    assert_int_equal(stand.code, DAYTONA_EFORBIDDEN);
    api_scene_close(&stand.scene);
  }
}

static void on_told_let_go(daytona_future_t *future, void *user) {
  stand_t *stand = user;
  stand->told++;
  stand->code = daytona_future_code(future);
  stand_let_go(stand);
  daytona_client_release(stand->scene.client);
  stand->scene.client = NULL;
}

static void last_reference_goes_inside_a_callback(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    stand_t stand;
    stand_open(&stand, &operations[i]);
    stand_client(&stand, stand.scene.toolbox_url);
    api_answer(&stand.scene, operations[i].line, 403, "{}");
    daytona_future_then(operations[i].begin(&stand), on_told_let_go, &stand);
    uv_run(&stand.scene.uv, UV_RUN_DEFAULT);
    assert_int_equal(stand.told, 1);
    api_scene_close(&stand.scene);
  }
}

static void calls_after_the_close_fail_in_a_later_turn(void **state) {
  (void)state;
  for (int i = 0; i < OPERATIONS; i++) {
    stand_t stand;
    stand_open(&stand, &operations[i]);
    stand_client(&stand, stand.scene.toolbox_url);
    api_scene_close_client(&stand.scene);
    while (!stand.scene.is_closed) uv_run(&stand.scene.uv, UV_RUN_ONCE);
    begin(&stand);
    assert_int_equal(stand.told, 0);
    uv_run(&stand.scene.uv, UV_RUN_DEFAULT);
    assert_int_equal(stand.told, 1);
    assert_int_equal(stand.code, DAYTONA_ECLOSED);
    stand_let_go(&stand);
    api_scene_close(&stand.scene);
  }
}

static void futures_and_sandboxes_outlive_the_client(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/x", 200,
             api_sandbox_json(&scene, "sb-1", "started", ",\"name\":\"n\""));
  daytona_future_t *future = api_must(daytona_sandbox_get(scene.client, "x", NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  api_scene_close_client(&scene);
  uv_run(&scene.uv, UV_RUN_DEFAULT);
  assert_true(scene.is_closed);
  assert_string_equal(daytona_sandbox_info(daytona_future_sandbox(future))->name, "n");
  daytona_future_release(future);
  assert_string_equal(daytona_sandbox_id(sandbox), "sb-1");
  assert_true(daytona_client_is_closing(daytona_sandbox_client(sandbox)));
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
}

static void ignore_line(daytona_log_level_t level, const char *line, void *user) {}

/* Whatever fails, the host may close its loop at once, without a turn of it. */
static void try_a_client(const daytona_config_t *config) {
  uv_loop_t uv;
  daytona_client_t *client = NULL;
  assert_int_equal(uv_loop_init(&uv), 0);
  int rc = daytona_client_new(&uv, config, &client);
  if (rc != 0) {
    assert_null(client);
    assert_int_equal(uv_loop_close(&uv), 0);
    return;
  }
  daytona_client_release(client);
  uv_run(&uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&uv), 0);
}

static void try_without_memory(void *user) { try_a_client(user); }

static void a_client_that_was_not_made_leaves_nothing_on_the_loop(void **state) {
  (void)state;
  daytona_config_t config = {
    .api_key = "k", .api_url = "http://127.0.0.1:1/api", .ignores_environment = true, .log = ignore_line};
  support_alloc_install();
  support_alloc_sweep(try_without_memory, &config);
  config.api_url = "no url";
  try_a_client(&config);
  config.api_url = "http://127.0.0.1:1/api";
  config.proxy = "ftp://x";
  try_a_client(&config);
  config.proxy = NULL;
  config.ca_file = "/nowhere";
  try_a_client(&config);
  config.ca_file = NULL;
  support_alloc_remove();
}

/* A host that makes its client here and runs its loop there. */
typedef struct elsewhere {
  uv_loop_t uv;
  daytona_client_t *client;
  char text[256];
  daytona_errcode_t code;
  int closed;
} elsewhere_t;

static void on_elsewhere_closed(void *user) { ((elsewhere_t *)user)->closed++; }

static void on_got_elsewhere(daytona_future_t *future, void *user) {
  elsewhere_t *self = user;
  self->code = daytona_future_code(future);
  snprintf(self->text, sizeof self->text, "%s", daytona_future_message(future));
  daytona_client_close(self->client, on_elsewhere_closed, self);
}

static void get_elsewhere(void *user) {
  elsewhere_t *self = user;
  daytona_future_then(daytona_sandbox_get(self->client, "x", NULL), on_got_elsewhere, self);
}

static void run_for_a_while(void *user) {
  elsewhere_t *self = user;
  for (int i = 0; i < 100000 && self->closed == 0; i++) uv_run(&self->uv, UV_RUN_ONCE);
}

static void a_loop_that_another_thread_runs_is_named(void **state) {
  (void)state;
  static elsewhere_t self;
  uv_thread_t thread;
  uv_async_t alive;
  const daytona_config_t config = {
    .api_key = "k", .api_url = "http://127.0.0.1:1/api", .ignores_environment = true};
  memset(&self, 0, sizeof self);
  support_alloc_install();
  assert_int_equal(uv_loop_init(&self.uv), 0);
  assert_int_equal(daytona_client_new(&self.uv, &config, &self.client), 0);
  assert_int_equal(uv_async_init(&self.uv, &alive, NULL), 0); /* a post does not keep the loop alive */
  assert_int_equal(daytona_client_post(self.client, get_elsewhere, &self), 0);
  assert_int_equal(uv_thread_create(&thread, run_for_a_while, &self), 0);
  uv_thread_join(&thread);
  uv_close((uv_handle_t *)&alive, NULL);
  assert_int_equal(self.code, DAYTONA_ETHREAD);
  assert_non_null(strstr(self.text, "daytona_client_new()"));
  assert_int_equal(self.closed, 1);
  daytona_client_release(self.client);
  uv_run(&self.uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&self.uv), 0);
  support_alloc_remove();
}

static void two_clients_on_one_loop_do_not_meet(void **state) {
  (void)state;
  daytona_client_t *other;
  int closed = 0;
  api_scene_t scene;
  api_scene_open(&scene);
  assert_int_equal(daytona_client_new(&scene.uv, &scene.config, &other), 0);
  api_answer(&scene, "GET /api/sandbox/slow", 0, api_silence);
  api_answer(&scene, "GET /api/sandbox/x", 200, api_sandbox_json(&scene, "x", "started", ""));
  daytona_future_t *mine = daytona_sandbox_get(scene.client, "slow", NULL);
  daytona_future_t *theirs = daytona_sandbox_get(other, "slow", NULL);
  api_until_requests(&scene, 2);
  order_count = 0;
  daytona_client_close(other, on_closed_in_order, &closed);
  api_fails(theirs, DAYTONA_ECLOSED);
  while (order_count == 0) uv_run(&scene.uv, UV_RUN_ONCE);
  assert_false(daytona_future_is_settled(mine));
  api_done(daytona_sandbox_get(scene.client, "x", NULL));
  daytona_client_release(other);
  daytona_future_cancel(mine);
  api_fails(mine, DAYTONA_ECANCELED);
  api_scene_close(&scene);
}

/* An idle client does not keep the loop alive. */
static void idle_client_lets_the_program_end(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  assert_int_equal(uv_run(&scene.uv, UV_RUN_DEFAULT), 0);
  api_answer(&scene, "GET /api/sandbox/x", 200, "{\"id\":\"x\"}");
  api_done(daytona_sandbox_get(scene.client, "x", NULL));
  peer_close(&scene.peer);
  uv_run(&scene.uv, UV_RUN_DEFAULT);
  assert_ptr_equal(daytona_client_loop(scene.client), &scene.uv);
  api_scene_close(&scene);
}

/* --- kinds of results -------------------------------------------------------------------------- */

static void a_kind_has_the_name_of_its_accessor(void **state) {
  (void)state;
#define HAS_NAME(accessor, c_type) assert_string_equal(daytona__type_##accessor.name, #accessor);
  DAYTONA__PLAIN_RESULT_MAP(HAS_NAME)
  DAYTONA__OWNED_RESULT_MAP(HAS_NAME)
#undef HAS_NAME
}

/* --- what else a client does -------------------------------------------------------------------- */

static void combinators_take_the_futures_of_a_client(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_future_t *both[2], *hole[] = {NULL};
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/x", 200, "{\"id\":\"x\"}");
  both[0] = daytona_sandbox_get(scene.client, "missing", NULL);
  both[1] = daytona_sandbox_get(scene.client, "x", NULL);
  for (int i = 0; i < 2; i++) daytona_future_retain(both[i]);
  daytona_future_t *any = api_must(daytona_future_any(scene.client, both, 2));
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(any)), "x");
  assert_int_equal(daytona_future_winner(any), 1);
  daytona_future_release(any);
  daytona_future_retain(both[1]);
  api_fails(daytona_future_all(scene.client, both, 2), DAYTONA_ENOTFOUND);
  daytona_future_retain(both[1]);
  api_done(daytona_future_race(scene.client, &both[1], 1));
  api_fails(daytona_future_all(scene.client, hole, 1), DAYTONA_EINVAL);
  api_fails(daytona_future_any(scene.client, NULL, 1), DAYTONA_EINVAL);
  api_fails(daytona_future_race(scene.client, NULL, 0), DAYTONA_EINVAL);
  api_fails(daytona_future_all(NULL, &both[1], 1), DAYTONA_EINVAL);
  api_done(daytona_future_all(scene.client, NULL, 0));
  api_scene_close(&scene);
}

static void combination_is_closed_with_its_client(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/x", 0, api_silence);
  daytona_future_t *member = daytona_sandbox_get(scene.client, "x", NULL);
  for (int i = 0; i < 4; i++) daytona_future_retain(member);
  daytona_future_t *futures[] = {
    daytona_future_all(scene.client, &member, 1), daytona_future_any(scene.client, &member, 1),
    daytona_future_race(scene.client, &member, 1), daytona_future_deadline(member, 5000)};
  api_until_requests(&scene, 1);
  api_scene_close_client(&scene);
  for (int i = 0; i < 4; i++) api_fails(futures[i], DAYTONA_ECLOSED);
  api_fails(member, DAYTONA_ECLOSED);
  api_scene_close(&scene);
}

static void count_up(void *user) { ++*(int *)user; }

static void posts_run_in_a_turn_of_the_loop(void **state) {
  (void)state;
  int count = 0;
  api_scene_t scene;
  api_scene_open(&scene);
  assert_int_equal(daytona_client_post(NULL, count_up, &count), DAYTONA_EINVAL);
  assert_int_equal(daytona_client_post(scene.client, NULL, &count), DAYTONA_EINVAL);
  assert_int_equal(daytona_client_post(scene.client, count_up, &count), 0);
  assert_int_equal(count, 0);
  uv_run(&scene.uv, UV_RUN_DEFAULT); /* a post keeps no loop alive */
  assert_int_equal(count, 0);
  api_fails(daytona_sandbox_get(scene.client, "x", NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(count, 1);
  daytona_client_t *client = daytona_client_retain(scene.client);
  api_scene_close_client(&scene);
  while (!scene.is_closed) uv_run(&scene.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_client_post(client, count_up, &count), DAYTONA_ECLOSED);
  daytona_client_release(client);
  assert_int_equal(count, 1);
  api_scene_close(&scene);
}

/* --- many -------------------------------------------------------------------------------------- */

static int many_told;

static void on_many(daytona_future_t *future, void *user) {
  (void)user;
  assert_int_equal(daytona_future_code(future), DAYTONA_ECLOSED);
  many_told++;
}

static int64_t cpu_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void thousand_operations_in_flight_close_within_100_ms(void **state) {
  (void)state;
  static stand_t stand;
  stand_open(&stand, &operations[0]);
  stand_client(&stand, stand.scene.toolbox_url);
  many_told = 0;
  for (int i = 0; i < OPERATIONS && stand.scene.route_count < API_ROUTES; i++)
    api_answer(&stand.scene, operations[i].line, 0, api_silence);
  api_answer(&stand.scene, "POST /toolbox/sb-1/process/execute", 0, api_silence);
  for (int i = 0; i < 1000; i++) {
    const operation_t *operation =
      i % 2 == 0 ? &operations[OPERATIONS - 1] : &operations[i % 3]; /* exec, and the first ones */
    daytona_future_then(operation->begin(&stand), on_many, NULL);
  }
  api_until_requests(&stand.scene, 250);
  int64_t began = cpu_ms();
  api_scene_close_client(&stand.scene);
  while (!stand.scene.is_closed) uv_run(&stand.scene.uv, UV_RUN_ONCE);
  int64_t took = cpu_ms() - began;
  assert_int_equal(many_told, 1000);
  if (took > 100) fail_msg("closing took %d ms", (int)took);
  stand_let_go(&stand);
  api_scene_close(&stand.scene);
}

/* --- certificates ------------------------------------------------------------------------------ */

static void both_stacks_trust_what_libcurl_was_built_to_use(void **state) {
  api_scene_t scene;
  char *wanted = NULL;
  api_scene_open(&scene);
  CURL *curl = curl_easy_init();
  assert_int_equal(curl_easy_getinfo(curl, CURLINFO_CAINFO, &wanted), CURLE_OK);
  const daytona__tls_options_t *tls = &scene.client->settings.net.tls;
  if (wanted != NULL && access(wanted, R_OK) == 0)
    assert_string_equal(tls->ca_file, wanted);
  else
    assert_true(tls->ca_file == NULL || access(tls->ca_file, R_OK) == 0);
  curl_easy_cleanup(curl);
  api_scene_close(&scene);
}

static void given_certificates_are_the_only_ones(void **state) {
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.ca_path = "/";
  api_scene_client(&scene);
  assert_null(scene.client->settings.net.tls.ca_file);
  assert_string_equal(scene.client->settings.net.tls.ca_path, "/");
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(closing_while_a_state_is_waited_for),
    cmocka_unit_test(closing_while_a_lost_sandbox_is_searched),
    cmocka_unit_test(closing_while_waiting_at_the_gate),
    cmocka_unit_test(closing_between_two_empty_pages),
    cmocka_unit_test(closing_inside_a_callback),
    cmocka_unit_test(closing_inside_the_closed_callback_reports_later),
    cmocka_unit_test(every_close_is_reported_in_order),
    cmocka_unit_test(null_is_no_object_to_retain_or_ask),
    cmocka_unit_test(last_reference_closes_an_idle_client),
    cmocka_unit_test(last_reference_goes_with_the_operation),
    cmocka_unit_test(last_reference_goes_inside_a_callback),
    cmocka_unit_test(calls_after_the_close_fail_in_a_later_turn),
    cmocka_unit_test(futures_and_sandboxes_outlive_the_client),
    cmocka_unit_test(a_client_that_was_not_made_leaves_nothing_on_the_loop),
    cmocka_unit_test(a_loop_that_another_thread_runs_is_named),
    cmocka_unit_test(two_clients_on_one_loop_do_not_meet),
    cmocka_unit_test(idle_client_lets_the_program_end),
    cmocka_unit_test(a_kind_has_the_name_of_its_accessor),
    cmocka_unit_test(combinators_take_the_futures_of_a_client),
    cmocka_unit_test(combination_is_closed_with_its_client),
    cmocka_unit_test(posts_run_in_a_turn_of_the_loop),
    cmocka_unit_test(thousand_operations_in_flight_close_within_100_ms),
    cmocka_unit_test(both_stacks_trust_what_libcurl_was_built_to_use),
    cmocka_unit_test(given_certificates_are_the_only_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
