/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git: what is sent, what a response may be, and that no secret comes back in an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

static const char clone[] = "POST /toolbox/sb-1/git/clone";
static const char push[] = "POST /toolbox/sb-1/git/push";
static const char pull[] = "POST /toolbox/sb-1/git/pull";
static const char branches[] = "GET /toolbox/sb-1/git/branches";
static const char remotes[] = "GET /toolbox/sb-1/git/remotes";
static const char config[] = "POST /toolbox/sb-1/git/config";
static const char credentials[] = "POST /toolbox/sb-1/git/credentials";

/* The error must not show any of these. */
static void hides(daytona_future_t *future, daytona_errcode_t code, const char *const *secrets) {
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, code));
  for (; *secrets != NULL; secrets++) {
    assert_null(strstr(error->message, *secrets));
    if (error->body != NULL) assert_null(strstr(error->body, *secrets));
  }
  assert_non_null(strstr(error->message, "***"));
  if (error->body != NULL) assert_int_equal(error->body_size, strlen(error->body));
  daytona_future_release(future);
}

static void clone_body_has_only_what_was_given(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, clone, 200, "");
  const daytona_git_clone_opts_t opts = {.branch = "b",
                                         .commit_id = "c",
                                         .credentials = {"u", "p"},
                                         .insecure_skip_tls = true,
                                         .depth = daytona_int(3)};
  api_done(daytona_git_clone(sandbox, "https://h/x.git", "x", NULL));
  assert_same_json(api_body_of(scene.requests[0]), "{\"url\":\"https://h/x.git\",\"path\":\"x\"}");
  api_done(daytona_git_clone(sandbox, "https://h/x.git", "x", &opts));
  assert_same_json(
    api_body_of(scene.requests[1]),
    "{\"url\":\"https://h/x.git\",\"path\":\"x\",\"branch\":\"b\",\"commit_id\":\"c\",\"username\":\"u\","
    "\"password\":\"p\",\"insecure_skip_tls\":true,\"depth\":3}");
  api_close_with(&scene, sandbox);
}

static void password_is_blotted_out_of_errors(void **state) {
  (void)state;
  static const char *const secrets[] = {"hunter2", NULL};
  const daytona_git_clone_opts_t clone_opts = {.credentials = {"ann", "hunter2"}};
  const daytona_git_remote_opts_t opts = {.credentials = {"ann", "hunter2"}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, clone, 401,
             "{\"message\":\"bad hunter2, hunter2hunter2\",\"code\":\"GIT_AUTH_FAILED\","
             "\"source\":\"DAYTONA_DAEMON\"}");
  api_answer(&scene, push, 500, "plain hunter2");
  api_answer(&scene, pull, 500, "{\"error\":\"hunter2\"}");
  api_answer(&scene, credentials, 400, "{\"message\":\"store hunter2\"}");
  hides(daytona_git_clone(sandbox, "https://h/x.git", "x", &clone_opts), DAYTONA_EGIT_AUTH_FAILED, secrets);
  hides(daytona_git_push(sandbox, "x", &opts), DAYTONA_EINTERNAL, secrets);
  hides(daytona_git_pull(sandbox, "x", &opts), DAYTONA_EINTERNAL, secrets);
  hides(daytona_git_dangerously_authenticate(sandbox, "ann", "hunter2", NULL), DAYTONA_EINVAL, secrets);
  api_close_with(&scene, sandbox);
}

static void password_of_a_url_is_blotted_out_of_errors(void **state) {
  (void)state;
  static const char *const answers[] = {"cannot reach https://ann:hunter2@h/x.git", "no entry for hunter2"};
  static const char *const secrets[] = {"hunter2", NULL};
  char body[128];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (int i = 0; i < 2; i++) {
    snprintf(body, sizeof body, "{\"message\":\"%s\"}", answers[i]);
    api_answer(&scene, clone, 500, body);
    api_answer(&scene, "POST /toolbox/sb-1/git/remotes", 500, body);
    hides(daytona_git_clone(sandbox, "https://ann:hunter2@h/x.git", "x", NULL), DAYTONA_EINTERNAL, secrets);
    hides(daytona_git_remote_add(sandbox, "x", "n", "https://ann:hunter2@h/x.git", NULL), DAYTONA_EINTERNAL,
          secrets);
  }
  api_close_with(&scene, sandbox);
}

/* As a server may write it: escaped in JSON, percent-encoded in a URL, in base64 in a header. */
static void secrets_are_blotted_out_in_every_spelling(void **state) {
  (void)state;
  static const char *const answers[] = {
    "{\"message\":\"refused p\\\"w/\\u00fc x\"}",
    "{\"message\":\"refused p\\\"w\\/\xc3\xbc x\"}",
    "{\"message\":\"https://longuser:p%22w%2F%C3%BC%20x@h/x.git\"}",
    "{\"message\":\"https://longuser:p%22w%2f%c3%bc%20x@h/x.git\"}",
    "{\"message\":\"Authorization: Basic bG9uZ3VzZXI6cCJ3L8O8IHg=\"}",
    "{\"message\":\"bG9uZ3VzZXI6cCJ3L8O8IHg\"}",
    "{\"message\":\"no such user: longuser\"}",
  };
  static const char *const secrets[] = {"p\"w",     "p\\\"w", "p%22w", "bG9uZ3VzZXI6cCJ3L8O8IHg",
                                        "longuser", NULL};
  const daytona_git_remote_opts_t given = {.credentials = {"longuser", "p\"w/\xc3\xbc x"}};
  const daytona_git_remote_opts_t in_url = {.remote = "https://longuser:p%22w%2f%C3%BC%20x@h/x.git"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < 2 * sizeof answers / sizeof answers[0]; i++) {
    api_answer_with(&scene, push, 500, "X-Echo: p%22w%2F%C3%BC%20x\r\n", answers[i / 2]);
    daytona_future_t *future = daytona_git_push(sandbox, "x", i % 2 != 0 ? &in_url : &given);
    api_must_fail(future, DAYTONA_EINTERNAL);
    const daytona_error_t *error = daytona_future_error(future);
    assert_string_equal(daytona_error_header(error, "X-Echo"), "***");
    daytona_future_retain(future);
    hides(future, DAYTONA_EINTERNAL, secrets);
    daytona_future_release(future);
    api_forget(&scene, push);
  }
  api_close_with(&scene, sandbox);
}

/* What a push or pull calls its remote may be a URL, and what is set may be a header with a token. */
static void urls_and_settings_are_secrets_too(void **state) {
  (void)state;
  static const char *const secrets[] = {"hunter2", NULL};
  const daytona_git_remote_opts_t opts = {.remote = "https://ann:hunter2@h/x.git"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, push, 500, "{\"message\":\"hunter2\"}");
  api_answer(&scene, pull, 500, "{\"message\":\"hunter2\"}");
  api_answer(&scene, config, 500, "{\"message\":\"bad value AUTH hunter2\"}");
  hides(daytona_git_push(sandbox, "x", &opts), DAYTONA_EINTERNAL, secrets);
  hides(daytona_git_pull(sandbox, "x", &opts), DAYTONA_EINTERNAL, secrets);
  hides(daytona_git_set_config(sandbox, "http.extraheader", "AUTH hunter2", NULL), DAYTONA_EINTERNAL,
        secrets);
  api_close_with(&scene, sandbox);
}

/* "true" is no secret, and an error without it is no help. */
static void short_settings_do_not_mangle_errors(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, config, 500, "{\"message\":\"exit status 128: true is no number\"}");
  for (int i = 0; i < 2; i++) {
    daytona_future_t *future = daytona_git_set_config(sandbox, "a.b", i == 0 ? "true" : "1", NULL);
    const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_EINTERNAL));
    assert_non_null(strstr(error->message, "exit status 128: true is no number"));
    daytona_future_release(future);
  }
  api_close_with(&scene, sandbox);
}

/* Only so much of a response is kept, and the cut may go through a secret. */
static void half_a_secret_is_not_shown(void **state) {
  (void)state;
  static const char *const secrets[] = {"hunter", "hunt", NULL};
  const daytona_git_remote_opts_t opts = {.credentials = {"ann", "hunter2"}};
  char *answer = malloc(DAYTONA__ERROR_BODY_MAX + 8);
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  memset(answer, '-', DAYTONA__ERROR_BODY_MAX - 6);
  strcpy(answer + DAYTONA__ERROR_BODY_MAX - 6, "hunter2");
  memcpy(answer, "hunter2", 7);
  api_answer(&scene, push, 500, answer);
  hides(daytona_git_push(sandbox, "x", &opts), DAYTONA_EINTERNAL, secrets);
  api_close_with(&scene, sandbox);
  free(answer);
}

static daytona_sandbox_t *tight_sandbox;

static void with_little_memory(void *user) {
  const daytona_git_remote_opts_t opts = {.credentials = {"longuser", "hunter2"},
                                          .remote = "https://ann:other-secret@h/x"};
  daytona_future_t *future = daytona_git_push(tight_sandbox, "x", &opts);
  daytona_future_await(future);
  const daytona_error_t *error = daytona_future_error(future);
  assert_null(strstr(error->message, "hunter2"));
  assert_null(strstr(error->message, "other-secret"));
  if (error->body != NULL) assert_null(strstr(error->body, "hunter2"));
  if (error->body != NULL) assert_null(strstr(error->body, "other-secret"));
  daytona_future_release(future);
  api_settle(user);
  while (daytona__loop_job_count(((api_scene_t *)user)->client->loop) != 0) api_spin(user, 1);
}

static void without_memory_nothing_is_shown(void **state) {
  (void)state;
  api_scene_t scene;
  tight_sandbox = api_open_with(&scene, "started");
  api_answer(&scene, push, 401, "{\"message\":\"hunter2 and other-secret are wrong\"}");
  with_little_memory(&scene);
  support_alloc_sweep(with_little_memory, &scene);
  api_close_with(&scene, tight_sandbox);
}

static void token_as_user_is_blotted_out_of_errors(void **state) {
  (void)state;
  static const char *const secrets[] = {"a-token", NULL};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, clone, 500, "{\"message\":\"https://a-token@h/x.git is not there\"}");
  hides(daytona_git_clone(sandbox, "https://a-token@h/x.git", "x", NULL), DAYTONA_EINTERNAL, secrets);
  api_close_with(&scene, sandbox);
}

static void at_sign_in_a_path_is_no_secret(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, clone, 500, "{\"message\":\"h/a@b is not there\"}");
  daytona_future_t *future =
    api_must_fail(daytona_git_clone(sandbox, "https://h/a@b", "x", NULL), DAYTONA_EINTERNAL);
  assert_non_null(strstr(daytona_future_error(future)->message, "h/a@b is not there"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void half_of_the_credentials_is_refused_here(void **state) {
  (void)state;
  const daytona_git_clone_opts_t no_password = {.credentials = {.username = "u"}};
  const daytona_git_remote_opts_t no_user = {.credentials = {.password = "p"}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_fails(daytona_git_clone(sandbox, "u", "x", &no_password), DAYTONA_EINVAL);
  api_fails(daytona_git_push(sandbox, "x", &no_user), DAYTONA_EINVAL);
  api_fails(daytona_git_pull(sandbox, "x", &no_user), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

static void bad_arguments_are_refused_here(void **state) {
  (void)state;
  static const char *const hole[] = {"a", NULL};
  const daytona_strings_t none = {NULL, 0}, with_hole = {hole, 2};
  const daytona_git_clone_opts_t shallow = {.depth = daytona_int(0)}, reserved = {.reserved = {1}};
  const daytona_git_reset_opts_t wild = {.mode = "wild"};
  const daytona_git_config_opts_t local = {.scope = "local"}, odd = {.scope = "odd"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_fails(daytona_git_clone(sandbox, NULL, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_clone(sandbox, "u", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_clone(sandbox, "u", "x", &shallow), DAYTONA_EINVAL);
  api_fails(daytona_git_clone(sandbox, "u", "x", &reserved), DAYTONA_EINVAL);
  api_fails(daytona_git_add(sandbox, "x", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_add(sandbox, "x", &none, NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_restore(sandbox, "x", &with_hole, NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_commit(sandbox, "x", "m", "", "e", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_reset(sandbox, "x", &wild), DAYTONA_EINVAL);
  api_fails(daytona_git_set_config(sandbox, "a.b", "v", &local), DAYTONA_EINVAL);
  api_fails(daytona_git_get_config(sandbox, "a.b", &odd), DAYTONA_EINVAL);
  api_fails(daytona_git_remote_get(sandbox, "x", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_init(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_create_branch(sandbox, "x", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_delete_branch(sandbox, NULL, "b", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_checkout_branch(sandbox, "x", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_list_remotes(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_configure_user(sandbox, "Ann", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_git_configure_user(sandbox, "Ann", "e", &local), DAYTONA_EINVAL);
  api_fails(daytona_git_get_status(NULL, "x", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

static void branches_of_old_and_new_servers_are_read(void **state) {
  (void)state;
  static const struct {
    const char *body, *current;
    size_t count;
  } cases[] = {
    {"{\"branches\":null}", NULL, 0},
    {"{\"branches\":[\"a\",\"b\"]}", NULL, 2},
    {"{\"branches\":[\"a\"],\"current\":\"a\"}", "a", 1},
    {"{\"branches\":[\"a\"],\"current\":\"\"}", NULL, 1},
  };
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    api_forget(&scene, branches);
    api_answer(&scene, branches, 200, cases[i].body);
    daytona_future_t *future = api_must(daytona_git_list_branches(sandbox, "a b/ü", NULL));
    const daytona_git_branches_t *found = daytona_future_git_branches(future);
    assert_int_equal(found->names.count, cases[i].count);
    if (cases[i].current == NULL)
      assert_null(found->current);
    else
      assert_string_equal(found->current, cases[i].current);
    assert_string_equal(api_line_of(scene.requests[i]), "GET /toolbox/sb-1/git/branches?path=a%20b/%C3%BC");
    assert_wrong_accessor(daytona_future_git_status(future));
    daytona_future_release(future);
  }
  api_close_with(&scene, sandbox);
}

static void one_remote_is_found_by_its_name(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, remotes, 200,
             "{\"remotes\":[{\"name\":\"a\",\"url\":\"1\"},{\"name\":\"b\",\"url\":\"2\"}]}");
  daytona_future_t *found = api_must(daytona_git_remote_get(sandbox, "x", "b", NULL));
  daytona_future_t *missing = api_must(daytona_git_remote_get(sandbox, "x", "c", NULL));
  assert_string_equal(daytona_future_string(found), "2");
  assert_null(daytona_future_string(missing));
  assert_true(daytona_future_is_absent(missing));
  daytona_future_release(found);
  daytona_future_release(missing);
  api_close_with(&scene, sandbox);
}

/* Each with its least and its most: what is asked, whatever it may answer. */
static void small_calls_ask_for_what_they_are_named_after(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  const daytona_git_init_opts_t bare = {.is_bare = true, .initial_branch = "main"};
  const daytona_git_config_opts_t local = {.scope = "local", .path = "x"};
  const struct {
    daytona_future_t *future;
    const char *line, *body;
  } calls[] = {
    {daytona_git_init(sandbox, "x", NULL), "POST /toolbox/sb-1/git/init", "{\"path\":\"x\",\"bare\":false}"},
    {daytona_git_init(sandbox, "x", &bare), "POST /toolbox/sb-1/git/init",
     "{\"path\":\"x\",\"bare\":true,\"initial_branch\":\"main\"}"},
    {daytona_git_create_branch(sandbox, "x", "a/b", NULL), "POST /toolbox/sb-1/git/branches",
     "{\"path\":\"x\",\"name\":\"a/b\"}"},
    {daytona_git_delete_branch(sandbox, "x", "a/b", NULL), "DELETE /toolbox/sb-1/git/branches",
     "{\"path\":\"x\",\"name\":\"a/b\"}"},
    {daytona_git_checkout_branch(sandbox, "x", "a/b", NULL), "POST /toolbox/sb-1/git/checkout",
     "{\"path\":\"x\",\"branch\":\"a/b\"}"},
    {daytona_git_configure_user(sandbox, "Ann", "ann@h", NULL), "POST /toolbox/sb-1/git/config/user",
     "{\"name\":\"Ann\",\"email\":\"ann@h\",\"scope\":\"global\"}"},
    {daytona_git_configure_user(sandbox, "Ann", "ann@h", &local), "POST /toolbox/sb-1/git/config/user",
     "{\"name\":\"Ann\",\"email\":\"ann@h\",\"scope\":\"local\",\"path\":\"x\"}"},
  };
  enum { COUNT = sizeof calls / sizeof calls[0] };
  size_t seen[COUNT] = {0};
  for (size_t i = 0; i < COUNT; i++)
    if (i == 0 || strcmp(calls[i].line, calls[i - 1].line) != 0) api_answer(&scene, calls[i].line, 200, "");
  for (size_t i = 0; i < COUNT; i++) api_done(calls[i].future);
  assert_int_equal(scene.request_count, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    for (size_t other = 0; other < i; other++) seen[i] += strcmp(calls[other].line, calls[i].line) == 0;
    assert_same_json(api_body_of(api_request(&scene, calls[i].line, seen[i])), calls[i].body);
  }
  api_close_with(&scene, sandbox);
}

static void remotes_are_a_map_of_names(void **state) {
  (void)state;
  static const struct {
    const char *body;
    size_t count;
  } cases[] = {
    {"{\"remotes\":[{\"name\":\"a\",\"url\":\"1\"},{\"name\":\"b\",\"url\":\"2\"}]}", 2},
    {"{\"remotes\":[]}", 0},
    {"{\"remotes\":null}", 0},
  };
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    api_forget(&scene, remotes);
    api_answer(&scene, remotes, 200, cases[i].body);
    daytona_future_t *future = api_must(daytona_git_list_remotes(sandbox, "a b", NULL));
    const daytona_map_t *found = daytona_future_map(future);
    assert_int_equal(found->count, cases[i].count);
    if (i == 0) assert_string_equal(daytona_map_value(found, "b"), "2");
    assert_string_equal(api_line_of(scene.requests[i]), "GET /toolbox/sb-1/git/remotes?path=a%20b");
    daytona_future_release(future);
  }
  api_forget(&scene, remotes);
  api_answer(&scene, remotes, 200, "{\"remotes\":[{\"name\":\"a\"}]}");
  daytona_future_t *future =
    api_must(daytona_git_list_remotes(sandbox, "x", NULL)); /* one without a URL is none */
  assert_int_equal(daytona_future_map(future)->count, 0);
  assert_int_equal(daytona_future_skipped_count(future), 1);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void empty_setting_is_sent(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, config, 200, "");
  api_done(daytona_git_set_config(sandbox, "a.b", "", NULL));
  assert_same_json(api_body_of(scene.requests[0]), "{\"key\":\"a.b\",\"value\":\"\",\"scope\":\"global\"}");
  api_done(daytona_git_set_config(sandbox, "a.b", NULL, NULL));
  assert_same_json(api_body_of(scene.requests[1]), "{\"key\":\"a.b\",\"value\":\"\",\"scope\":\"global\"}");
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(clone_body_has_only_what_was_given),
    cmocka_unit_test(password_is_blotted_out_of_errors),
    cmocka_unit_test(password_of_a_url_is_blotted_out_of_errors),
    cmocka_unit_test(secrets_are_blotted_out_in_every_spelling),
    cmocka_unit_test(urls_and_settings_are_secrets_too),
    cmocka_unit_test(short_settings_do_not_mangle_errors),
    cmocka_unit_test(half_a_secret_is_not_shown),
    cmocka_unit_test(without_memory_nothing_is_shown),
    cmocka_unit_test(token_as_user_is_blotted_out_of_errors),
    cmocka_unit_test(at_sign_in_a_path_is_no_secret),
    cmocka_unit_test(half_of_the_credentials_is_refused_here),
    cmocka_unit_test(bad_arguments_are_refused_here),
    cmocka_unit_test(branches_of_old_and_new_servers_are_read),
    cmocka_unit_test(one_remote_is_found_by_its_name),
    cmocka_unit_test(small_calls_ask_for_what_they_are_named_after),
    cmocka_unit_test(remotes_are_a_map_of_names),
    cmocka_unit_test(empty_setting_is_sent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
