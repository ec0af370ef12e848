/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every method has in common: one limit on the whole call, and what its row says about the response.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call/method.h"
#include "support/api_scene.h"
#include "support/check.h"

static const char where[] = "GET /api/sandbox/sb-1/toolbox-proxy-url";
static const char move[] = "POST /toolbox/sb-1/files/move";

/* A sandbox whose toolbox is not known yet. */
static daytona_sandbox_t *open_without_toolbox(api_scene_t *scene) {
  api_scene_open(scene);
  api_answer(scene, "GET /api/sandbox/sb-1", 200, "{\"id\":\"sb-1\",\"state\":\"started\"}");
  daytona_future_t *future = api_must(daytona_sandbox_get(scene->client, "sb-1", NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  return sandbox;
}

/* Let the server's answer to the request that waits come after `ms`. */
static void answer_after(api_scene_t *scene, int64_t ms, const char *text) {
  char answer[512];
  snprintf(answer, sizeof answer,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
           text);
  api_advance(scene, ms);
  peer_puts(scene->peer.conns, answer);
}

static void finding_the_toolbox_uses_up_the_limit_of_the_call(void **state) {
  (void)state;
  char toolbox[128];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_without_toolbox(&scene);
  snprintf(toolbox, sizeof toolbox, "{\"url\":\"%s\"}", scene.toolbox_url);
  api_answer(&scene, where, 0, api_silence);
  api_answer(&scene, move, 0, api_silence);
  daytona_future_t *future =
    daytona_fs_move_files(sandbox, "a", "b", &(daytona_call_opts_t){.timeout_ms = 10000});
  api_until_requests(&scene, 2);
  answer_after(&scene, 6000, toolbox);
  api_until_requests(&scene, 3);
  assert_int_equal(api_count(&scene, move), 1);
  api_advance(&scene, 3000); /* real time passes as well */
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 1000);
  api_must_fail(future, DAYTONA_EDEADLINE);
  assert_non_null(strstr(daytona_future_error(future)->message, "10000 ms"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void limit_may_be_over_before_the_toolbox_is_found(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_without_toolbox(&scene);
  api_answer(&scene, where, 0, api_silence);
  daytona_future_t *future =
    daytona_fs_move_files(sandbox, "a", "b", &(daytona_call_opts_t){.timeout_ms = 10000});
  api_until_requests(&scene, 2);
  api_advance(&scene, 9990);
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 10);
  api_must_fail(future, DAYTONA_EDEADLINE);
  assert_non_null(strstr(daytona_future_error(future)->message, "10000 ms"));
  daytona_future_release(future);
  assert_int_equal(api_count(&scene, move), 0);
  api_close_with(&scene, sandbox);
}

/* Polls are requests of their own: what one has used up is not taken from the next. */
static void each_poll_of_a_wait_has_the_whole_limit(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "starting");
  const char *json = api_sandbox_json(&scene, "sb-1", "starting", "");
  api_answer(&scene, "GET /api/sandbox/sb-1", 0, api_silence);
  daytona_future_t *future = daytona_sandbox_wait_for_start(
    sandbox, &(daytona_sandbox_lifecycle_opts_t){.timeout_ms = DAYTONA_NO_TIMEOUT});
  for (size_t i = 1; i <= 3; i++) {
    api_until_requests(&scene, i);
    api_advance(&scene, 250 * 1000); /* of 300 s */
    api_spin(&scene, 5);
    assert_false(daytona_future_is_settled(future));
    answer_after(&scene, 0, i < 3 ? json : api_sandbox_json(&scene, "sb-1", "started", ""));
    api_settle(&scene);
    api_advance(&scene, 2000);
  }
  api_done(future);
  api_close_with(&scene, sandbox);
}

/* --- the registry ------------------------------------------------------------------------------ */

static const daytona__method_t stray_method = {
  .prefix = "Failed to stray: ", .verb = "GET", .path = "/stray", .service = DAYTONA__TOOLBOX};

/* The sweep over all methods would not know of it. */
static void method_that_is_not_registered_cannot_be_called(void **state) {
  (void)state;
  int status = 0;
  assert_false(daytona__method_is_registered(&stray_method));
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    api_scene_t scene;
    freopen("/dev/null", "w", stderr);
    api_scene_open(&scene);
    signal(SIGABRT, SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    daytona__call(api_sandbox(&scene, "sb-1", "started"), &stray_method, NULL,
                  DAYTONA__OPTS((daytona_call_opts_t *)NULL));
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(method_that_is_not_registered_cannot_be_called),
    cmocka_unit_test(finding_the_toolbox_uses_up_the_limit_of_the_call),
    cmocka_unit_test(limit_may_be_over_before_the_toolbox_is_found),
    cmocka_unit_test(each_poll_of_a_wait_has_the_whole_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
