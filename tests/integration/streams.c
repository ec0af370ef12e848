/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, terminals and the interpreter against daytona-local.
 */
#include <stdio.h>
#include <string.h>

#include "call/client_impl.h"
#include "support/check.h"
#include "support/session.h"

/* One sandbox serves the tests of this file. */
static session_t shared;
static daytona_sandbox_t *sandbox;

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

typedef struct heard {
  char out[8192], err[8192];
} heard_t;

static void add(char *to, const char *bytes, size_t size) {
  size_t at = strlen(to);
  assert_true(at + size < 8192);
  memcpy(to + at, bytes, size);
  to[at + size] = '\0';
}

static void on_out(const daytona_output_t *output, void *user) {
  add(((heard_t *)user)->out, output->bytes, output->size);
}
static void on_err(const daytona_output_t *output, void *user) {
  add(((heard_t *)user)->err, output->bytes, output->size);
}

/* --- sessions ---------------------------------------------------------------------------------- */

static void a_session_keeps_its_state(void **state) {
  api_done(daytona_session_create(sandbox, "state", NULL));
  api_fails_as(daytona_session_create(sandbox, "state", NULL), DAYTONA_ECONFLICT);
  daytona_future_t *future = api_must(daytona_session_exec(sandbox, "state", "cd /tmp; A=1", NULL));
  assert_int_equal(daytona_future_session_exec_result(future)->exit_code.value, 0);
  daytona_future_release(future);
  future = api_must(daytona_session_exec(sandbox, "state", "pwd; echo $A >&2; return 4", NULL));
  const daytona_session_exec_result_t *result = daytona_future_session_exec_result(future);
  assert_int_equal(result->exit_code.value, 4);
  assert_string_equal(result->logs.out.data, "/tmp\n");
  assert_string_equal(result->logs.err.data, "1\n");
  daytona_future_t *logs =
    api_must(daytona_session_get_command_logs(sandbox, "state", result->command_id, NULL));
  assert_string_equal(daytona_future_session_logs(logs)->out.data, "/tmp\n");
  daytona_future_release(logs);
  daytona_future_release(future);
  future = api_must(daytona_session_get(sandbox, "state", NULL));
  assert_int_equal(daytona_future_session(future)->command_count, 2);
  daytona_future_release(future);
  api_done(daytona_session_delete(sandbox, "state", NULL));
  api_fails_as(daytona_session_get(sandbox, "state", NULL), DAYTONA_ENOTFOUND);
}

static void follow_a_log(bool hides_input) {
  const daytona_session_exec_opts_t async = {.run_async = true, .suppress_input_echo = hides_input};
  heard_t heard = {"", ""};
  const daytona_session_follow_opts_t opts = {.on_stdout = on_out, .on_stderr = on_err, .user = &heard};
  api_done(daytona_session_create(sandbox, "log", NULL));
  daytona_future_t *started = api_must(
    daytona_session_exec(sandbox, "log", "read x; echo got $x; printf '\\377\\n' >&2; return 3", &async));
  const char *id = daytona_future_session_exec_result(started)->command_id;
  daytona_future_t *follow = daytona_session_follow(sandbox, "log", id, &opts);
  while (daytona_future_code(follow) == DAYTONA_OK && !daytona_future_is_settled(follow)) {
    daytona_future_t *input = daytona_session_send_input(sandbox, "log", id, "it", NULL);
    bool was_taken = daytona_future_await(input) == 0; /* refused until the command has its turn */
    daytona_future_release(input);
    if (was_taken) break;
  }
  api_must(follow);
  const daytona_stream_end_t *end = daytona_future_stream_end(follow);
  assert_int_equal(end->reason, DAYTONA_STREAM_EXITED);
  assert_int_equal(end->exit_code, 3);
  assert_false(end->has_gap);
  assert_int_equal(end->resumed_count, 0); /* a close that comes early is looked at again; nothing was lost */
  assert_string_equal(heard.out, hides_input ? "got it\n" : "it\ngot it\n"); /* the echo of the input, too */
  assert_string_equal(heard.err, "\377\n");
  daytona_future_release(follow);
  daytona_future_release(started);
  api_fails_as(daytona_session_follow(sandbox, "log", "no-such-command", NULL), DAYTONA_ENOTFOUND);
  api_done(daytona_session_delete(sandbox, "log", NULL));
}

static void a_log_is_followed_to_its_end(void **state) {
  follow_a_log(false);
  follow_a_log(true);
}

static void sessions_and_their_commands_are_listed(void **state) {
  static const char *const ids[] = {"first", "second"};
  for (int i = 0; i < 2; i++) api_done(daytona_session_create(sandbox, ids[i], NULL));
  daytona_future_t *started = api_must(daytona_session_exec(sandbox, "first", "return 9", NULL));
  const char *id = daytona_future_session_exec_result(started)->command_id;
  daytona_future_t *future = api_must(daytona_session_list(sandbox, NULL));
  const daytona_session_list_t *list = daytona_future_session_list(future);
  for (int i = 0; i < 2; i++) {
    size_t at = 0;
    while (at < list->count && strcmp(list->items[at]->id, ids[i]) != 0) at++;
    assert_true(at < list->count);
    assert_int_equal(list->items[at]->command_count, i == 0);
  }
  daytona_future_release(future);
  future = api_must(daytona_session_get_command(sandbox, "first", id, NULL));
  const daytona_session_command_t *command = daytona_future_session_command(future);
  assert_string_equal(command->command, "return 9");
  assert_true(command->exit_code.is_set && command->exit_code.value == 9);
  daytona_future_release(future);
  daytona_future_release(started);
  for (int i = 0; i < 2; i++) api_done(daytona_session_delete(sandbox, ids[i], NULL));
}

static void a_paused_log_waits_for_its_reader(void **state) {
  const daytona_session_exec_opts_t async = {.run_async = true};
  heard_t heard = {"", ""};
  const daytona_session_follow_opts_t opts = {.on_stdout = on_out, .on_stderr = on_err, .user = &heard};
  api_done(daytona_session_create(sandbox, "pause", NULL));
  daytona_future_t *started = api_must(daytona_session_exec(sandbox, "pause", "echo late; return 2", &async));
  daytona_future_t *follow =
    daytona_session_follow(sandbox, "pause", daytona_future_session_exec_result(started)->command_id, &opts);
  daytona_future_pause(follow);
  api_done(daytona_session_exec(sandbox, "pause", "true", NULL)); /* the one before it has ended */
  assert_false(daytona_future_is_settled(follow));
  assert_string_equal(heard.out, "");
  daytona_future_resume(follow);
  api_must(follow);
  assert_string_equal(heard.out, "late\n");
  assert_int_equal(daytona_future_stream_end(follow)->exit_code, 2);
  daytona_future_release(follow);
  daytona_future_release(started);
  api_done(daytona_session_delete(sandbox, "pause", NULL));
}

/* --- terminals --------------------------------------------------------------------------------- */

static void a_terminal_is_used_and_exits(void **state) {
  static const daytona_pair_t env[] = {{"GREETING", "good day"}};
  heard_t heard = {"", ""};
  const daytona_pty_create_opts_t opts = {
    .cols = 100, .rows = 30, .env = {env, 1}, .attach = {.on_output = on_out, .user = &heard}};
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  api_done(daytona_pty_resize(sandbox, daytona_pty_id(pty), 120, 40, NULL));
  assert_int_equal(daytona_pty_write(pty, "stty size; echo $GREETING; exit 5\n", 34), 0);
  daytona_future_t *wait = api_must(daytona_pty_wait(pty));
  assert_int_equal(daytona_future_stream_end(wait)->reason, DAYTONA_STREAM_EXITED);
  assert_int_equal(daytona_future_stream_end(wait)->exit_code, 5);
  assert_non_null(strstr(heard.out, "40 120\r\n"));
  assert_non_null(strstr(heard.out, "good day\r\n"));
  daytona_future_release(wait);
  daytona_future_release(future);
}

static void on_long_output(const daytona_output_t *output, void *user) {
  char *last = user; /* what was printed last */
  size_t size = output->size, keep = size < 64 ? 64 - size : 0;
  memmove(last, last + 64 - keep, keep);
  memcpy(last + keep, output->bytes + (size < 64 ? 0 : size - 64), 64 - keep);
}

/* A line that is longer than the kernel keeps for a shell that has not begun to read. */
static void a_long_first_line_arrives_whole_behind_the_prompt(void **state) {
  static char line[6100];
  int size = snprintf(line, sizeof line, "printf %%s %06000d | wc -c; exit\n", 0);
  for (int i = 0; i < 5; i++) {
    char last[65] = "";
    const daytona_pty_create_opts_t opts = {.wait_for = "$ ",
                                            .attach = {.on_output = on_long_output, .user = last}};
    daytona_future_t *future = api_must(daytona_pty_create(sandbox, &opts));
    assert_int_equal(daytona_pty_write(daytona_future_pty(future), line, (size_t)size), 0);
    api_done(daytona_pty_wait(daytona_future_pty(future)));
    for (size_t at = 0; at < 64; at++)
      if (last[at] == '\0') last[at] = ' ';
    if (strstr(last, "6000") == NULL) fail_msg("%s", last);
    daytona_future_release(future);
  }
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, NULL));
  if (daytona_pty_write(daytona_future_pty(future), line, (size_t)size) != DAYTONA_ELIMIT)
    print_message("the shell was faster than the test\n");
  api_done(daytona_pty_kill(sandbox, daytona_pty_id(daytona_future_pty(future)), NULL));
  daytona_future_release(future);
}

/* Larger than any head of a request may be. */
static void a_terminal_takes_a_large_environment(void **state) {
  static char value[120001];
  char last[65] = "";
  memset(value, 'v', sizeof value - 1);
  const daytona_pair_t env[] = {{"LARGE", value}};
  const daytona_pty_create_opts_t opts = {
    .env = {env, 1}, .wait_for = "$ ", .attach = {.on_output = on_long_output, .user = last}};
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, &opts));
  assert_int_equal(daytona_pty_write(daytona_future_pty(future), "echo ${#LARGE}; exit\n", 21), 0);
  api_done(daytona_pty_wait(daytona_future_pty(future)));
  for (size_t at = 0; at < 64; at++)
    if (last[at] == '\0') last[at] = ' ';
  assert_non_null(strstr(last, "120000"));
  daytona_future_release(future);
}

static void a_killed_terminal_says_so(void **state) {
  daytona_future_t *future =
    api_must(daytona_pty_create(sandbox, &(daytona_pty_create_opts_t){.id = "kill"}));
  daytona_future_t *other = api_must(daytona_pty_connect(sandbox, "kill", NULL));
  api_done(daytona_pty_kill(sandbox, "kill", NULL));
  daytona_future_t *waits[] = {daytona_pty_wait(daytona_future_pty(future)),
                               daytona_pty_wait(daytona_future_pty(other))};
  for (int i = 0; i < 2; i++) {
    api_must(waits[i]);
    assert_int_equal(daytona_future_stream_end(waits[i])->reason, DAYTONA_STREAM_KILLED);
    daytona_future_release(waits[i]);
  }
  daytona_future_release(other);
  daytona_future_release(future);
  api_fails_as(daytona_pty_connect(sandbox, "kill", NULL), DAYTONA_ENOTFOUND);
}

/* Type a line; it has been carried out when the shell's file `name` is there. */
static void type(daytona_pty_t *pty, const char *line, const char *name) {
  char text[256];
  snprintf(text, sizeof text, "%s; touch %s\n", line, name);
  assert_int_equal(daytona_pty_write(pty, text, strlen(text)), 0);
  snprintf(text, sizeof text, "until [ -e %s ]; do sleep 0.02; done", name);
  session_expect(sandbox, text, 0, "");
}

static void until_heard(const heard_t *heard, const char *text) {
  while (strstr(heard->out, text) == NULL) uv_run(&shared.uv, UV_RUN_ONCE);
}

static void a_terminal_keeps_its_output_for_a_reader_who_is_not_there(void **state) {
  heard_t heard = {"", ""};
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, NULL));
  daytona_pty_t *pty = daytona_future_pty(future);
  type(pty, "echo 'ear''ly'", "early"); /* the echo of what is typed has the quotes */
  daytona_pty_set_output(pty, on_out, &heard);
  until_heard(&heard, "early\r\n");
  daytona_pty_pause(pty);
  type(pty, "echo 'la''te'", "late");
  assert_null(strstr(heard.out, "late\r\n"));
  daytona_pty_resume(pty);
  until_heard(&heard, "late\r\n");
  api_done(daytona_pty_kill(sandbox, daytona_pty_id(pty), NULL));
  daytona_future_release(future);
}

static void a_terminal_that_is_left_goes_on(void **state) {
  const daytona_pty_create_opts_t opts = {.id = "left", .cols = 90, .rows = 20};
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  assert_true(daytona_pty_is_connected(pty));
  assert_ptr_equal(daytona_pty_sandbox(pty), sandbox);
  type(pty, "A=6", "set");
  daytona_pty_disconnect(pty);
  assert_false(daytona_pty_is_connected(pty));
  daytona_future_t *wait = api_must(daytona_pty_wait(pty));
  assert_int_equal(daytona_future_stream_reason(wait), DAYTONA_STREAM_CLOSED);
  daytona_future_release(wait);
  daytona_future_release(future);
  future = api_must(daytona_pty_list(sandbox, NULL));
  const daytona_pty_list_t *list = daytona_future_pty_list(future);
  size_t at = 0;
  while (at < list->count && strcmp(list->items[at]->id, "left") != 0) at++;
  assert_true(at < list->count);
  daytona_future_release(future);
  future = api_must(daytona_pty_get_info(sandbox, "left", NULL));
  assert_true(daytona_future_pty_info(future)->is_active);
  assert_int_equal(daytona_future_pty_info(future)->cols, 90);
  daytona_future_release(future);
  future = api_must(daytona_pty_connect(sandbox, "left", NULL));
  assert_int_equal(daytona_pty_write(daytona_future_pty(future), "exit $A\n", 8), 0);
  for (int i = 0; i < 2; i++) { /* again after the end */
    wait = api_must(daytona_pty_wait(daytona_future_pty(future)));
    assert_int_equal(daytona_future_stream_end(wait)->exit_code, 6);
    daytona_future_release(wait);
  }
  daytona_future_release(future);
}

/* --- the interpreter --------------------------------------------------------------------------- */

static void code_runs_in_contexts_with_state(void **state) {
  heard_t heard = {"", ""};
  const daytona_interpreter_run_code_opts_t opts = {.on_stdout = on_out, .on_stderr = on_err, .user = &heard};
  api_done(daytona_interpreter_run_code(sandbox, "x = 41", NULL));
  daytona_future_t *future = api_must(daytona_interpreter_run_code(
    sandbox, "import sys\nprint(x + 1)\nprint('e', file=sys.stderr)\n1/0", &opts));
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  assert_string_equal(result->out.data, "42\n");
  assert_string_equal(heard.out, "42\n");
  assert_string_equal(heard.err, "e\n");
  assert_string_equal(result->error->name, "ZeroDivisionError");
  daytona_future_release(future);
  future = api_must(daytona_interpreter_create_context(sandbox, NULL));
  const char *id = daytona_future_interpreter_context(future)->id;
  const daytona_interpreter_run_code_opts_t apart = {.context_id = id};
  daytona_future_t *run = api_must(daytona_interpreter_run_code(sandbox, "print('x' in globals())", &apart));
  assert_string_equal(daytona_future_interpreter_run_result(run)->out.data, "False\n");
  daytona_future_release(run);
  api_done(daytona_interpreter_delete_context(sandbox, id, NULL));
  api_fails_as(daytona_interpreter_run_code(sandbox, "1", &apart), DAYTONA_ECONNECTION);
  daytona_future_release(future);
  const daytona_interpreter_run_code_opts_t short_time = {.timeout_ms = 1000};
  api_fails_as(daytona_interpreter_run_code(sandbox, "import time\ntime.sleep(30)", &short_time),
               DAYTONA_ETIMEOUT);
}

static void contexts_are_listed_without_the_default_one(void **state) {
  daytona_future_t *made = api_must(
    daytona_interpreter_create_context(sandbox, &(daytona_interpreter_create_context_opts_t){.cwd = "/tmp"}));
  daytona_future_t *future = api_must(daytona_interpreter_list_contexts(sandbox, NULL));
  const daytona_interpreter_context_list_t *list = daytona_future_interpreter_context_list(future);
  assert_int_equal(list->count, 1);
  assert_string_equal(list->items[0]->id, daytona_future_interpreter_context(made)->id);
  assert_string_equal(list->items[0]->cwd, "/tmp");
  assert_string_equal(list->items[0]->language, "python");
  api_done(daytona_interpreter_delete_context(sandbox, list->items[0]->id, NULL));
  daytona_future_release(future);
  daytona_future_release(made);
}

static void a_run_waits_for_its_reader_and_says_how_it_ended(void **state) {
  heard_t heard = {"", ""};
  const daytona_interpreter_run_code_opts_t opts = {.on_stdout = on_out, .user = &heard};
  daytona_future_t *run =
    daytona_interpreter_run_code(sandbox, "print('x')\nopen('ran', 'w').close()", &opts);
  daytona_future_pause(run);
  session_expect(sandbox, "until [ -e ran ]; do sleep 0.02; done", 0, "");
  assert_false(daytona_future_is_settled(run));
  assert_string_equal(heard.out, "");
  assert_int_equal(daytona_future_stream_reason(run), DAYTONA_STREAM_OPEN);
  daytona_future_resume(run);
  api_must(run);
  assert_string_equal(heard.out, "x\n");
  assert_int_equal(daytona_future_stream_reason(run), DAYTONA_STREAM_EXITED);
  daytona_future_release(run);
  run = api_must_fail_as(daytona_interpreter_run_code(sandbox, "import os\nos._exit(3)", NULL),
                         DAYTONA_ECONNECTION);
  assert_int_equal(daytona_future_stream_reason(run), DAYTONA_STREAM_FAILED);
  daytona_future_release(run);
}

/* As with the published daemon, which does not read the socket of a run that waits. */
static void a_run_waits_for_its_turn_although_it_is_not_read(void **state) {
  static const char first_code[] =
    "import os, time\nprint('1')\nwhile not os.path.exists('go'): time.sleep(0.01)";
  const char *rule =
    "{\"action\":\"leave-unread\",\"after_frames\":1,"
    "\"match\":{\"path\":\"/toolbox/*/process/interpreter/execute\"}}";
  heard_t heard = {"", ""};
  const daytona_interpreter_run_code_opts_t opts = {.on_stdout = on_out, .user = &heard};
  daytona_future_t *first = daytona_interpreter_run_code(sandbox, first_code, &opts);
  while (strcmp(heard.out, "1\n") != 0) uv_run(&shared.uv, UV_RUN_ONCE);
  assert_int_equal(session_admin("POST", "/faults", rule), 201);
  const daytona_interpreter_run_code_opts_t patient = {.connect_timeout_ms = DAYTONA_NO_TIMEOUT};
  daytona_future_t *second = daytona_interpreter_run_code(sandbox, "print('2')", &patient);
  for (int i = 0; i < 7; i++) { /* 70 s of the client's time, in which the first is heard now and then */
    session_expect(sandbox, "true", 0, "");
    daytona__loop_advance(shared.client->loop, 10000);
  }
  session_expect(sandbox, "touch go", 0, "");
  api_must(first);
  api_must(second);
  assert_string_equal(daytona_future_interpreter_run_result(second)->out.data, "2\n");
  daytona_future_release(first);
  daytona_future_release(second);
  session_admin("DELETE", "/faults", NULL);
}

/* --- the entrypoint ---------------------------------------------------------------------------- */

static void a_follow_of_the_entrypoint_ends_with_the_sandbox(void **state) {
  daytona_sandbox_t *own = session_sandbox(&shared, NULL);
  daytona_future_t *follow = daytona_session_follow_entrypoint(own, NULL);
  session_expect(own, "true", 0, "");
  assert_false(daytona_future_is_settled(follow)); /* it sleeps for ever */
  api_done(daytona_sandbox_stop(own, NULL));
  api_must(follow);
  assert_int_equal(daytona_future_stream_end(follow)->reason, DAYTONA_STREAM_LOST);
  daytona_future_release(follow);
  session_delete(own);
}

/* --- what is not there -------------------------------------------------------------------------- */

static void what_is_not_there_is_named(void **state) {
  api_fails_as(daytona_session_create(sandbox, "entrypoint", NULL), DAYTONA_EINVAL);
  daytona_future_t *entrypoint = api_must(daytona_session_get_entrypoint(sandbox, NULL));
  assert_int_equal(daytona_future_session(entrypoint)->command_count, 1);
  daytona_future_release(entrypoint);
  api_done(daytona_session_get_entrypoint_logs(sandbox, NULL));
  api_fails_as(daytona_session_get(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_session_delete(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  api_done(daytona_session_create(sandbox, "here", NULL));
  api_fails_as(daytona_session_get_command(sandbox, "here", "none", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_session_get_command_logs(sandbox, "here", "none", NULL), DAYTONA_ENOTFOUND);
  daytona_future_t *future = api_must(daytona_session_exec(sandbox, "here", "true", NULL));
  const char *id = daytona_future_session_exec_result(future)->command_id;
  api_fails_as(daytona_session_send_input(sandbox, "here", id, "late", NULL), DAYTONA_EGONE);
  daytona_future_release(future);
  api_done(daytona_session_delete(sandbox, "here", NULL));
  api_fails_as(daytona_pty_connect(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_pty_get_info(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_pty_kill(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  future = api_must(daytona_pty_create(sandbox, &(daytona_pty_create_opts_t){.id = "one"}));
  api_fails_as(daytona_pty_create(sandbox, &(daytona_pty_create_opts_t){.id = "one"}), DAYTONA_ECONFLICT);
  assert_int_equal(daytona_pty_write(daytona_future_pty(future), "exit 0\n", 7), 0);
  api_done(daytona_pty_wait(daytona_future_pty(future)));
  api_fails_as(daytona_pty_get_info(sandbox, "one", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_pty_resize(sandbox, "one", 90, 30, NULL), DAYTONA_EGONE);
  daytona_future_release(future);
  api_fails_as(daytona_interpreter_delete_context(sandbox, "default", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_interpreter_delete_context(sandbox, "none", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(
    daytona_interpreter_create_context(sandbox, &(daytona_interpreter_create_context_opts_t){.cwd = "/none"}),
    DAYTONA_EINTERNAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_session_keeps_its_state),
    cmocka_unit_test(a_log_is_followed_to_its_end),
    cmocka_unit_test(sessions_and_their_commands_are_listed),
    cmocka_unit_test(a_paused_log_waits_for_its_reader),
    cmocka_unit_test(a_terminal_is_used_and_exits),
    cmocka_unit_test(a_long_first_line_arrives_whole_behind_the_prompt),
    cmocka_unit_test(a_terminal_takes_a_large_environment),
    cmocka_unit_test(a_killed_terminal_says_so),
    cmocka_unit_test(a_terminal_keeps_its_output_for_a_reader_who_is_not_there),
    cmocka_unit_test(a_terminal_that_is_left_goes_on),
    cmocka_unit_test(code_runs_in_contexts_with_state),
    cmocka_unit_test(contexts_are_listed_without_the_default_one),
    cmocka_unit_test(a_run_waits_for_its_reader_and_says_how_it_ended),
    cmocka_unit_test(a_run_waits_for_its_turn_although_it_is_not_read),
    cmocka_unit_test(a_follow_of_the_entrypoint_ends_with_the_sandbox),
    cmocka_unit_test(what_is_not_there_is_named),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
