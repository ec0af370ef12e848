/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program lends to a stream or a transfer is given back once, whatever becomes of the call, and after the last
 * callback. (Every phase of the streams is in stream_phases.c.)
 */
#include <string.h>

#include <daytona/daytona.h>

#include "core/future.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/stream_scene.h"

static stream_scene_t scene;

typedef struct lent {
  int told, given_back;
  int told_before; /* when it was given back */
} lent_t;

static lent_t lent;

static void give_back(void *user) {
  lent_t *self = user;
  self->given_back++;
  self->told_before = self->told;
}

static void on_settled(daytona_future_t *future, void *user) { ((lent_t *)user)->told++; }
static ptrdiff_t on_source(char *buffer, size_t size, void *user) { return 0; }
static size_t on_sink(const char *bytes, size_t size, void *user) { return size; }

typedef enum call {
  FOLLOW,
  RUN,
  CREATE,
  CONNECT,
  UPLOAD,
  UPLOAD_FILE,
  UPLOAD_STREAM,
  UPLOAD_FILES,
  DOWNLOAD,
  DOWNLOAD_FILE,
  DOWNLOAD_STREAM,
  DOWNLOAD_FILES,
  CALLS
} call_t;

/* With `bad` an argument is missing. */
static daytona_future_t *begin(call_t call, daytona_sandbox_t *sandbox, bool bad) {
  const daytona_pty_attach_t attach = {.user = &lent, .destroy_user = give_back};
  const daytona_session_follow_opts_t follow = {.user = &lent, .destroy_user = give_back};
  const daytona_interpreter_run_code_opts_t run = {.user = &lent, .destroy_user = give_back};
  const daytona_pty_create_opts_t create = {.id = bad ? "" : "t", .attach = attach};
  const daytona_pty_connect_opts_t connect = {.attach = attach};
  const daytona_transfer_opts_t moving = {.user = &lent, .destroy_user = give_back};
  const daytona_transfer_opts_t stream = {.destroy_stream_user = give_back};
  const daytona_fs_upload_item_t up = {.destination = bad ? NULL : "x", .bytes = "1", .size = 1};
  const daytona_fs_download_item_t down = {.source = bad ? NULL : "x"};
  const char *text = bad ? NULL : "x";
  switch (call) {
    case FOLLOW: return daytona_session_follow(sandbox, text, "c", &follow);
    case RUN: return daytona_interpreter_run_code(sandbox, text, &run);
    case CREATE: return daytona_pty_create(sandbox, &create);
    case CONNECT: return daytona_pty_connect(sandbox, text, &connect);
    case UPLOAD: return daytona_fs_upload(sandbox, "1", 1, text, &moving);
    case UPLOAD_FILE: return daytona_fs_upload_file(sandbox, "/nowhere", text, &moving);
    case UPLOAD_STREAM:
      return daytona_fs_upload_file_stream(sandbox, bad ? NULL : on_source, &lent, "x", &stream);
    case UPLOAD_FILES: return daytona_fs_upload_files(sandbox, &up, 1, &moving);
    case DOWNLOAD: return daytona_fs_download(sandbox, text, &moving);
    case DOWNLOAD_FILE: return daytona_fs_download_file(sandbox, text, "/nowhere/x", &moving);
    case DOWNLOAD_STREAM:
      return daytona_fs_download_file_stream(sandbox, bad ? NULL : "x", on_sink, &lent, &stream);
    default: return daytona_fs_download_files(sandbox, &down, 1, &moving);
  }
}

static daytona_future_t *start(call_t call, daytona_sandbox_t *sandbox, bool bad) {
  memset(&lent, 0, sizeof lent);
  daytona_future_t *future = begin(call, sandbox, bad);
  assert_int_equal(daytona_future_on_settled(future, on_settled, &lent), 0);
  return future;
}

static void settle(daytona_future_t *future) {
  while (lent.told == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  daytona_future_release(future);
  api_spin(&scene.api, 3);
}

static bool is_terminal(call_t call) { return call == CREATE || call == CONNECT; }

/* The server knows nothing of all this. */
static void a_call_that_fails_gives_back_after_its_callback(void **state) {
  stream_open(&scene);
  scene.refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  for (call_t call = 0; call < CALLS; call++)
    for (int bad = 0; bad < 2; bad++) {
      daytona_future_t *future = start(call, scene.sandbox, bad != 0);
      assert_int_equal(lent.given_back, 0);
      settle(future);
      assert_int_equal(lent.given_back, 1);
      /* A terminal that was begun gives back as soon as it has gone, which is no callback's time. */
      if (bad != 0 || !is_terminal(call)) assert_int_equal(lent.told_before, 1);
    }
  stream_close(&scene);
}

static void a_call_without_a_sandbox_gives_back_at_once(void **state) {
  stream_open(&scene);
  for (call_t call = 0; call < CALLS; call++) {
    daytona_future_release(start(call, NULL, false));
    assert_int_equal(lent.given_back, 1);
  }
  stream_close(&scene);
}

static void a_call_after_the_close_gives_back(void **state) {
  stream_open(&scene);
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(scene.sandbox);
  api_scene_close_client(&scene.api);
  while (!scene.api.is_closed) uv_run(&scene.api.uv, UV_RUN_ONCE);
  for (call_t call = 0; call < CALLS; call++) {
    daytona_future_t *future = start(call, sandbox, false);
    assert_int_equal(lent.given_back, 0);
    settle(future);
    assert_int_equal(lent.given_back, 1);
    assert_int_equal(lent.told_before, 1);
  }
  daytona_sandbox_release(sandbox);
  stream_close(&scene);
}

static void a_cancelled_call_gives_back_once(void **state) {
  stream_open(&scene);
  for (call_t call = 0; call < CALLS; call++)
    for (int turns = 0; turns < 12; turns++) {
      daytona_future_t *future = start(call, scene.sandbox, false);
      api_spin(&scene.api, turns);
      daytona_future_cancel(future);
      settle(future);
      assert_int_equal(lent.given_back, 1);
    }
  stream_close(&scene);
}

static void without_memory(void *user) {
  memset(&lent, 0, sizeof lent);
  daytona_future_t *future = begin(*(call_t *)user, scene.sandbox, false);
  daytona_future_then(future, on_settled, &lent);
  while (lent.told == 0) uv_run(&scene.api.uv, UV_RUN_ONCE);
  api_settle(&scene.api);
  assert_int_equal(lent.given_back, 1);
}

static void memory_that_lacks_changes_nothing(void **state) {
  stream_open(&scene);
  scene.refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  for (call_t call = 0; call < CALLS; call++) {
    without_memory(&call); /* connections and the like */
    support_alloc_sweep(without_memory, &call);
  }
  stream_close(&scene);
}

/* The terminal has its user until its last reference goes, and a callback on the stack is no moment for it. */
static void on_last_output(const daytona_output_t *output, void *user) {
  daytona_pty_release(output->pty);
  assert_int_equal(lent.given_back, 0);
}

static void a_terminal_gives_back_when_it_goes(void **state) {
  for (int inside = 0; inside < 2; inside++) {
    stream_script_t script = {0};
    stream_open(&scene);
    memset(&lent, 0, sizeof lent);
    stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
    stream_play(&scene, &script, script.size, STREAM_STAYS);
    const daytona_pty_connect_opts_t opts = {
      .attach = {.on_output = inside ? on_last_output : NULL, .user = &lent, .destroy_user = give_back}};
    daytona_future_t *future = api_must(daytona_pty_connect(scene.sandbox, "t", &opts));
    daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
    daytona_future_release(future);
    api_spin(&scene.api, 5);
    assert_int_equal(lent.given_back, 0);
    if (inside) stream_send(&scene, 2, "x", 1);
    for (int i = 0; i < 200 && inside && lent.given_back == 0; i++) uv_run(&scene.api.uv, UV_RUN_NOWAIT);
    if (!inside) daytona_pty_release(pty);
    assert_int_equal(lent.given_back, 1);
    stream_script_clear(&script);
    stream_close(&scene);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_call_that_fails_gives_back_after_its_callback),
    cmocka_unit_test(a_call_without_a_sandbox_gives_back_at_once),
    cmocka_unit_test(a_call_after_the_close_gives_back),
    cmocka_unit_test(a_cancelled_call_gives_back_once),
    cmocka_unit_test(memory_that_lacks_changes_nothing),
    cmocka_unit_test(a_terminal_gives_back_when_it_goes),
  };
  return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
