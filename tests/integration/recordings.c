/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges with the published toolbox, played back to the library: recordings PYTHON SERVER FOLDER
 *
 * Every recorded answer goes through the transport and, where it is an error, through the error mapping; those
 * of commands, code and files go through the public calls as well. Answers also come byte by byte, and cut short at
 * every position.
 */
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call/op.h"
#include "support/check.h"
#include "support/session.h"
#include "wire/error_map.h"

static const char *python, *server_path, *folder;
static char **names; /* of the recordings, sorted by the folder */
static size_t name_count;

/* --- the replay server ------------------------------------------------------------------------- */

static FILE *to_server, *from_server;
static pid_t server_pid;
static char base_url[64];

static void command(const char *format, const char *text, long number) {
  char answer[256];
  fprintf(to_server, format, text != NULL ? text : "", number);
  fputc('\n', to_server);
  fflush(to_server);
  assert_non_null(fgets(answer, sizeof answer, from_server));
  if (strncmp(answer, "ok", 2) != 0) fail_msg("replay server: %s", answer);
}

static void start_server(void) {
  int in[2], out[2], port = 0;
  assert_int_equal(pipe(in), 0);
  assert_int_equal(pipe(out), 0);
  server_pid = fork();
  if (server_pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[1]);
    close(out[0]);
    execlp(python, python, server_path, (char *)NULL);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_server = fdopen(in[1], "w");
  from_server = fdopen(out[0], "r");
  char line[64];
  assert_non_null(fgets(line, sizeof line, from_server));
  assert_int_equal(sscanf(line, "port %d", &port), 1);
  snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d", port);
}

static void stop_server(void) {
  fclose(to_server);
  fclose(from_server);
  waitpid(server_pid, NULL, 0);
}

/* --- recordings -------------------------------------------------------------------------------- */

static json_t *load(const char *name) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  command("load %s%.0ld", path, 0);
  json_t *recording = json_load_file(path, JSON_ALLOW_NUL, NULL);
  assert_non_null(recording);
  return recording;
}

static const char *text_of(json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

/* The HTTP response of step `index` as it was recorded, or NULL if there is none to look at. */
static json_t *answer_of(json_t *recording, size_t index, json_t **request) {
  json_t *http = json_object_get(json_array_get(json_object_get(recording, "steps"), index), "http");
  json_t *response = json_object_get(http, "response");
  *request = json_object_get(http, "request");
  if (!json_is_object(response) || text_of(*request, "target") == NULL) return NULL;
  if (text_of(*request, "method") == NULL || json_is_true(json_object_get(response, "ended_early")))
    return NULL;
  return response;
}

static json_t *body_of(json_t *response) {
  const char *text = text_of(response, "body_text");
  return text != NULL ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
}

/* --- what the library makes of them ------------------------------------------------------------ */

static daytona_sandbox_t *sandbox_at(session_t *session, const char *url) {
  daytona__sandbox_data_t *data = daytona__sandbox_data_new();
  daytona__sandbox_dto_t *dto = daytona__arena_alloc(&data->arena, sizeof *dto);
  dto->info.id = "recorded";
  dto->info.toolbox_proxy_url = url;
  daytona__sandbox_dto_finish(dto);
  daytona_sandbox_t *sandbox = daytona__sandbox_new(session->client, data, dto);
  daytona__sandbox_data_release(data);
  return sandbox;
}

static void open_client(session_t *session) {
  daytona_config_t config = {
    .api_key = "recorded", .api_url = base_url, .target = "none", .ignores_environment = true};
  session_open(session, &config);
}

static void check_error(const daytona_error_t *error, json_t *response) {
  int status = (int)json_integer_value(json_object_get(response, "status"));
  json_t *body = body_of(response);
  const char *code = text_of(body, "code"), *source = text_of(body, "source");
  daytona_errcode_t expected = daytona__error_from_server_code(source, code);
  if (expected == DAYTONA_OK) expected = daytona__error_from_status(status);
  assert_int_equal(error->http_status, status);
  assert_string_equal(daytona_errcode_name(error->code), daytona_errcode_name(expected));
  assert_true(error->message[0] != '\0');
  assert_null(strchr(error->message, '\n'));
  if (code != NULL) assert_string_equal(error->server_code, code);
  if (text_of(body, "message") != NULL && strchr(text_of(body, "message"), '\n') == NULL)
    assert_non_null(strstr(error->message, text_of(body, "message")));
  json_decref(body);
}

typedef struct exchange {
  daytona__http_call_t call; /* first */
  bool is_done;
} exchange_t;

static void on_done(daytona__http_call_t *call) { ((exchange_t *)call)->is_done = true; }

/* Any answer at all, through the transport. */
static void exchange(session_t *session, json_t *request, json_t *response) {
  exchange_t self = {.call = {.on_done = on_done}};
  char url[4096];
  snprintf(url, sizeof url, "%s%s", base_url, text_of(request, "target"));
  self.call.method = text_of(request, "method");
  self.call.url = url;
  self.call.total_timeout_ms = 20000;
  if (text_of(request, "body_text") != NULL) {
    self.call.body = text_of(request, "body_text");
    self.call.body_size = strlen(self.call.body);
  }
  daytona__http_start(session->client->http, &self.call);
  while (!self.is_done) uv_run(&session->uv, UV_RUN_ONCE);
  int status = (int)json_integer_value(json_object_get(response, "status"));
  assert_int_equal(self.call.response.status, status);
  if (status >= 200 && status < 300) {
    const char *text = text_of(response, "body_text");
    assert_int_equal(self.call.response.code, DAYTONA_OK);
    if (text != NULL && strlen(text) == self.call.response.body_size)
      assert_memory_equal(self.call.response.body != NULL ? self.call.response.body : "", text, strlen(text));
  } else {
    daytona__arena_t arena;
    daytona_error_t error;
    daytona__arena_init(&arena, 0);
    daytona__error_from_response(&arena, &self.call.response, &error);
    check_error(daytona__error_copy(&arena, &error, NULL), response);
    daytona__arena_clear(&arena);
  }
  daytona__http_call_clear(&self.call);
}

static bool is_map_of_strings(json_t *object) {
  const char *key;
  json_t *value;
  if (object != NULL && !json_is_object(object)) return false;
  json_object_foreach (object, key, value) {
    if (!json_is_string(value)) return false;
    for (const char *at = key; *at != '\0'; at++)
      if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789", *at) == NULL)
        return false;
    if (key[0] == '\0' || (key[0] >= '0' && key[0] <= '9')) return false;
  }
  return true;
}

/* Ask for what was recorded with the public calls; NULL if they would not send such a request. */
static daytona_future_t *ask(daytona_sandbox_t *sandbox, json_t *request) {
  static daytona_pair_t pairs[64];
  static const char *argv[64];
  json_t *body = body_of(request);
  const char *text = text_of(body, "command"), *code = text_of(body, "code"), *key;
  json_t *envs = json_object_get(body, "envs"), *timeout = json_object_get(body, "timeout"), *value;
  daytona_future_t *future = NULL;
  size_t count = 0, argc = 0;
  bool is_usual = is_map_of_strings(envs) && (timeout == NULL || json_is_integer(timeout)) &&
                  json_integer_value(timeout) >= 0;
  if (is_usual)
    json_object_foreach (envs, key, value) {
      pairs[count].key = key;
      pairs[count++].value = json_string_value(value);
    }
  int64_t timeout_ms = (int64_t)json_integer_value(timeout) * 1000;
  if (is_usual && text != NULL && text[strspn(text, " \t\r\n")] != '\0') {
    daytona_process_exec_opts_t opts = {
      .cwd = text_of(body, "cwd"), .env = {pairs, count}, .timeout_ms = timeout_ms, .leaves_running = true};
    future = daytona_process_exec(sandbox, text, &opts);
  } else if (is_usual && code != NULL && code[0] != '\0' && text_of(body, "language") != NULL) {
    json_array_foreach (json_object_get(body, "argv"), argc, value) argv[argc] = json_string_value(value);
    daytona_process_code_run_opts_t opts = {.language = text_of(body, "language"),
                                            .env = {pairs, count},
                                            .argv = {argv, argc},
                                            .timeout_ms = timeout_ms,
                                            .leaves_running = true};
    future = daytona_process_code_run(sandbox, code, &opts);
  }
  if (future != NULL) daytona_future_await(future);
  json_decref(body);
  return future;
}

static void check_result(daytona_future_t *future, json_t *response) {
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (json_integer_value(json_object_get(response, "status")) != 200) {
    assert_null(result);
    check_error(daytona_future_error(future), response);
    return;
  }
  if (result == NULL) fail_msg("%s", daytona_future_error(future)->message);
  json_t *body = body_of(response);
  if (body == NULL) return; /* too large to have been kept */
  json_t *text = json_object_get(body, "result");
  assert_int_equal(result->exit_code, json_integer_value(json_object_get(body, "exitCode")));
  assert_int_equal(result->result_size, json_string_length(text));
  assert_memory_equal(result->result, json_string_value(text), result->result_size);
  json_t *artifacts = json_object_get(body, "artifacts");
  assert_int_equal(result->artifacts != NULL, artifacts != NULL);
  assert_int_equal(result->charts->count, json_array_size(json_object_get(artifacts, "charts")));
  json_decref(body);
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static bool is_process(json_t *request) {
  const char *target = text_of(request, "target");
  return strcmp(text_of(request, "method"), "POST") == 0 &&
         (strcmp(target, "/process/execute") == 0 || strcmp(target, "/process/code-run") == 0);
}

/* --- tests ------------------------------------------------------------------------------------- */

static void every_answer_passes_the_transport(void **state) {
  session_t session;
  size_t seen = 0;
  open_client(&session);
  for (size_t i = 0; i < name_count; i++) {
    json_t *recording = load(names[i]), *request;
    size_t steps = json_array_size(json_object_get(recording, "steps"));
    for (size_t step = 0; step < steps; step++) {
      json_t *response = answer_of(recording, step, &request);
      if (response == NULL || strcmp(text_of(request, "method"), "HEAD") == 0) continue;
      if (json_integer_value(json_object_get(response, "status")) / 100 == 3) continue; /* followed */
      command("step %s%ld", NULL, (long)step);
      exchange(&session, request, response);
      seen++;
    }
    json_decref(recording);
  }
  session_close(&session);
  print_message("%zu answers\n", seen);
  assert_true(seen > 300);
}

static void every_result_reaches_the_caller(void **state) {
  session_t session;
  size_t seen = 0;
  open_client(&session);
  daytona_sandbox_t *sandbox = sandbox_at(&session, base_url);
  for (size_t i = 0; i < name_count; i++) {
    if (!begins(names[i], "exec-") && !begins(names[i], "coderun-") && !begins(names[i], "chart-")) continue;
    json_t *recording = load(names[i]), *request;
    size_t steps = json_array_size(json_object_get(recording, "steps"));
    for (size_t step = 0; step < steps; step++) {
      json_t *response = answer_of(recording, step, &request);
      if (response == NULL || !is_process(request)) continue;
      command("step %s%ld", NULL, (long)step);
      daytona_future_t *future = ask(sandbox, request);
      if (future == NULL) continue;
      const daytona_error_t *error = daytona_future_error(future);
      bool was_refused = error != NULL && error->attempts == 0; /* bad arguments do not leave the client */
      if (!was_refused) check_result(future, response);
      daytona_future_release(future);
      seen += !was_refused;
    }
    json_decref(recording);
  }
  daytona_sandbox_release(sandbox);
  session_close(&session);
  print_message("%zu results\n", seen);
  assert_true(seen > 60);
}

/* --- files ------------------------------------------------------------------------------------- */

/* A parameter of a target, decoded; "" if it is not there. In one of a few static buffers. */
static const char *query_of(json_t *request, const char *name) {
  static char texts[4][4096];
  static unsigned next;
  char *out = texts[next++ % 4], key[32];
  snprintf(key, sizeof key, "%s=", name);
  const char *at = strchr(text_of(request, "target"), '?');
  while (at != NULL && strncmp(at + 1, key, strlen(key)) != 0) at = strchr(at + 1, '&');
  size_t size = 0;
  for (at = at != NULL ? at + 1 + strlen(key) : ""; *at != '\0' && *at != '&'; at++) {
    unsigned value = (unsigned char)*at;
    if (*at == '%' && sscanf(at + 1, "%2x", &value) == 1) at += 2;
    out[size++] = (char)value;
  }
  out[size] = '\0';
  return out;
}

/* Whether the file endpoint `tail` was asked with `method`. */
static bool is_files(json_t *request, const char *method, const char *tail) {
  const char *target = text_of(request, "target");
  size_t size = strlen(tail);
  return strcmp(text_of(request, "method"), method) == 0 && begins(target, "/files") &&
         strncmp(target + 6, tail, size) == 0 && (target[6 + size] == '?' || target[6 + size] == '\0');
}

/* Calls that are one request each; NULL for what they would not send. */
static daytona_future_t *ask_files(daytona_sandbox_t *sandbox, json_t *request) {
  const char *path = query_of(request, "path"), *mode = query_of(request, "mode");
  if (is_files(request, "GET", "")) return daytona_fs_list_files(sandbox, path, NULL);
  if (is_files(request, "GET", "/info")) return daytona_fs_get_file_info(sandbox, path, NULL);
  if (is_files(request, "GET", "/search"))
    return daytona_fs_search_files(sandbox, path, query_of(request, "pattern"), NULL);
  if (is_files(request, "POST", "/folder")) return daytona_fs_create_folder(sandbox, path, mode, NULL);
  if (is_files(request, "POST", "/move"))
    return daytona_fs_move_files(sandbox, query_of(request, "source"), query_of(request, "destination"),
                                 NULL);
  if (is_files(request, "DELETE", "")) return daytona_fs_delete_file(sandbox, path, NULL);
  return NULL;
}

static bool is_kind(const daytona_future_t *future, const char *kind) {
  return strcmp(daytona_future_kind(future), kind) == 0;
}

static void check_files(daytona_future_t *future, json_t *response) {
  json_t *body = body_of(response), *first = json_array_get(body, 0);
  if (json_integer_value(json_object_get(response, "status")) >= 400) {
    assert_true(daytona_future_code(future) != DAYTONA_OK);
    check_error(daytona_future_error(future), response);
  } else if (daytona_future_code(future) != DAYTONA_OK) {
    fail_msg("%s", daytona_future_error(future)->message);
  }
  if (is_kind(future, "file_list")) {
    const daytona_file_list_t *list = daytona_future_file_list(future);
    assert_int_equal(list->count, json_array_size(body));
    if (first != NULL) assert_string_equal(list->items[0]->name, text_of(first, "name"));
  }
  if (is_kind(future, "file_info")) {
    const daytona_file_info_t *info = daytona_future_file_info(future);
    assert_string_equal(info->mode, text_of(body, "mode"));
    assert_int_equal(info->size, json_integer_value(json_object_get(body, "size")));
    assert_int_equal(info->is_dir, json_is_true(json_object_get(body, "isDir")));
  }
  if (is_kind(future, "strings"))
    assert_int_equal(daytona_future_strings(future)->count, json_array_size(json_object_get(body, "files")));
  json_decref(body);
}

/* All files of a recorded download: as many parts of each kind, and the bytes of small ones. */
static bool check_download(daytona_sandbox_t *sandbox, json_t *request, json_t *response) {
  daytona_fs_download_item_t items[64] = {{0}};
  json_t *body = body_of(request), *value;
  const char *text = text_of(response, "body_text");
  size_t i, errors = 0;
  json_array_foreach (json_object_get(body, "paths"), i, value) {
    items[i].source = json_string_value(value);
    if (items[i].source[0] == '\0') items[i].source = "(empty)"; /* that one is not asked for */
  }
  daytona_future_t *future = daytona_fs_download_files(sandbox, items, i, NULL);
  if (daytona_future_await(future) != 0) fail_msg("%s", daytona_future_error(future)->message);
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  for (const char *at = text; at != NULL && (at = strstr(at, "name=\"error\"")) != NULL; at++) errors++;
  if (text != NULL && strstr(text, "\r\nfake\r\n") == NULL) assert_int_equal(results->failed_count, errors);
  for (size_t n = 0; n < i; n++) {
    const daytona_fs_result_t *item = results->items[n];
    if (item->error != NULL) assert_true(item->error->message[0] != '\0');
    if (item->error == NULL && text != NULL && strlen(item->bytes.data) == item->bytes.size)
      assert_non_null(strstr(text, item->bytes.data));
  }
  daytona_future_release(future);
  json_decref(body);
  return i != 0;
}

/* The answer to an upload says what was written; the same files are sent to it again. */
static bool check_upload(daytona_sandbox_t *sandbox, json_t *response) {
  static char zeros[1 << 20];
  daytona_fs_upload_item_t items[64] = {{.destination = "none"}};
  json_t *body = body_of(response), *files = json_object_get(body, "files"), *value;
  size_t i, errors = json_array_size(json_object_get(body, "errors"));
  bool is_small = true;
  json_array_foreach (files, i, value) {
    items[i].destination = text_of(value, "path");
    items[i].bytes = zeros;
    items[i].size = (size_t)json_integer_value(json_object_get(value, "bytes"));
    is_small = is_small && items[i].size <= sizeof zeros;
  }
  if (is_small) {
    daytona_future_t *future = daytona_fs_upload_files(sandbox, items, i != 0 ? i : 1, NULL);
    if (daytona_future_await(future) != 0) fail_msg("%s", daytona_future_error(future)->message);
    assert_int_equal(daytona_future_fs_result_list(future)->failed_count, i == 0 && errors != 0);
    daytona_future_release(future);
  }
  json_decref(body);
  return is_small;
}

static void every_file_reaches_the_caller(void **state) {
  session_t session;
  size_t calls = 0, downloads = 0, uploads = 0;
  open_client(&session);
  daytona_sandbox_t *sandbox = sandbox_at(&session, base_url);
  for (size_t i = 0; i < name_count; i++) {
    if (!begins(names[i], "files-")) continue;
    json_t *recording = load(names[i]), *request;
    size_t steps = json_array_size(json_object_get(recording, "steps"));
    for (size_t step = 0; step < steps; step++) {
      json_t *response = answer_of(recording, step, &request);
      if (response == NULL) continue;
      command("step %s%ld", NULL, (long)step);
      daytona_future_t *future = ask_files(sandbox, request);
      if (is_files(request, "POST", "/bulk-download"))
        downloads += check_download(sandbox, request, response);
      if (is_files(request, "POST", "/bulk-upload")) uploads += check_upload(sandbox, response);
      if (future == NULL) continue;
      daytona_future_await(future);
      const daytona_error_t *error = daytona_future_error(future);
      bool was_refused = error != NULL && error->attempts == 0; /* bad arguments do not leave the client */
      if (!was_refused) check_files(future, response);
      calls += !was_refused;
      daytona_future_release(future);
    }
    json_decref(recording);
  }
  daytona_sandbox_release(sandbox);
  session_close(&session);
  print_message("%zu calls, %zu downloads, %zu uploads\n", calls, downloads, uploads);
  assert_true(calls > 40 && downloads > 5 && uploads > 20);
}

/* --- streams ----------------------------------------------------------------------------------- */

/* The frames of one direction and kind: how many, and their payload together; false if some was not kept. */
static bool frames_of(json_t *socket, const char *dir, size_t *count, size_t *size, json_t **texts) {
  size_t i;
  json_t *frame;
  *count = *size = 0;
  json_array_foreach (json_object_get(socket, "frames"), i, frame) {
    json_t *opcode = json_object_get(frame, "opcode");
    bool is_text = json_is_string(opcode) ? strcmp(json_string_value(opcode), "text") == 0
                                          : json_integer_value(opcode) == 1;
    bool is_binary = json_is_string(opcode) ? strcmp(json_string_value(opcode), "binary") == 0
                                            : json_integer_value(opcode) == 2;
    if (strcmp(text_of(frame, "dir"), dir) != 0 || (!is_text && !is_binary)) continue;
    const char *encoded = text_of(frame, "payload_b64");
    if (encoded == NULL) return false;
    ++*count;
    size_t length = strlen(encoded), padding = 0;
    while (padding < length && encoded[length - padding - 1] == '=') padding++;
    if (is_binary) *size += length / 4 * 3 - padding;
    if (is_text && texts != NULL) json_array_append(*texts, json_object_get(frame, "text"));
  }
  return json_object_get(socket, "frames_left_out") == NULL;
}

static void check_run(daytona_sandbox_t *sandbox, json_t *texts, int close_code) {
  daytona_interpreter_run_code_opts_t opts = {.connect_timeout_ms = 5000};
  daytona_future_t *future = daytona_interpreter_run_code(sandbox, "recorded", &opts);
  int code = daytona_future_await(future);
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  size_t i, sizes[2] = {0}, errors = 0;
  json_t *text;
  json_array_foreach (texts, i, text) {
    json_t *message = json_loads(json_string_value(text), 0, NULL);
    const char *type = text_of(message, "type");
    if (strcmp(type, "stdout") == 0) sizes[0] += json_string_length(json_object_get(message, "text"));
    if (strcmp(type, "stderr") == 0) sizes[1] += json_string_length(json_object_get(message, "text"));
    errors += strcmp(type, "error") == 0;
    json_decref(message);
  }
  assert_int_equal(code, close_code == 1000   ? DAYTONA_OK
                         : close_code == 4008 ? DAYTONA_ETIMEOUT
                                              : DAYTONA_ECONNECTION);
  if (result != NULL) {
    assert_int_equal(result->out.size, sizes[0]);
    assert_int_equal(result->err.size, sizes[1]);
    assert_int_equal(result->error != NULL, errors != 0);
  }
  daytona_future_release(future);
}

static void check_pty(daytona_sandbox_t *sandbox, size_t inputs, size_t size, json_t *end) {
  daytona_future_t *future = api_must(daytona_pty_connect(sandbox, "recorded", NULL));
  daytona_pty_t *pty = daytona_future_pty(future);
  for (size_t i = 0; i < inputs; i++) daytona_pty_write(pty, "x", 1);
  daytona_future_t *wait = api_must(daytona_pty_wait(pty));
  const daytona_stream_end_t *verdict = daytona_future_stream_end(wait);
  json_t *reason = json_loads(text_of(end, "close_reason"), 0, NULL);
  assert_true(verdict->has_exit_code);
  assert_int_equal(verdict->exit_code, json_integer_value(json_object_get(reason, "exitCode")));
  assert_int_equal(verdict->close_code, json_integer_value(json_object_get(end, "close_code")));
  assert_int_equal(verdict->received_bytes, size);
  json_decref(reason);
  daytona_future_release(wait);
  daytona_future_release(future);
}

static void every_stream_ends_as_recorded(void **state) {
  session_t session;
  size_t seen = 0;
  open_client(&session);
  daytona_sandbox_t *sandbox = sandbox_at(&session, base_url);
  for (size_t i = 0; i < name_count; i++) {
    bool is_pty = begins(names[i], "pty-");
    if (!is_pty && !begins(names[i], "interp-")) continue;
    if (strstr(names[i], "-tokens") != NULL)
      continue; /* the responses choose protocols that we do not offer */
    json_t *recording = load(names[i]), *steps = json_object_get(recording, "steps"), *step;
    size_t number, inputs, outputs, in_size, out_size;
    json_array_foreach (steps, number, step) {
      json_t *socket = json_object_get(step, "ws"), *end = json_object_get(socket, "end");
      json_t *texts = json_array();
      bool is_whole = socket != NULL && frames_of(socket, "out", &inputs, &in_size, NULL) &&
                      frames_of(socket, "in", &outputs, &out_size, &texts);
      bool has_frame = is_whole && strcmp(text_of(end, "how"), "close frame") == 0;
      if (has_frame && !is_pty && inputs == 1) {
        command("step %s%ld", NULL, (long)number);
        check_run(sandbox, texts, (int)json_integer_value(json_object_get(end, "close_code")));
        seen++;
      } else if (has_frame && is_pty && begins(text_of(end, "close_reason"), "{")) {
        command("step %s%ld", NULL, (long)number);
        check_pty(sandbox, inputs, out_size, end);
        seen++;
      }
      json_decref(texts);
    }
    json_decref(recording);
  }
  daytona_sandbox_release(sandbox);
  session_close(&session);
  print_message("%zu streams\n", seen);
  assert_true(seen > 30);
}

static const char *const cut_names[] = {"exec-ok.json", "exec-unicode.json", "exec-timeout.json",
                                        "coderun-python-ok.json"};

static void answers_byte_by_byte_are_the_same(void **state) {
  session_t session;
  open_client(&session);
  daytona_sandbox_t *sandbox = sandbox_at(&session, base_url);
  for (size_t i = 0; i < sizeof cut_names / sizeof cut_names[0]; i++) {
    json_t *recording = load(cut_names[i]), *request;
    json_t *response = answer_of(recording, 0, &request);
    command("step %s%ld", NULL, 0);
    command("pieces %s%ld", NULL, 1);
    daytona_future_t *future = ask(sandbox, request);
    check_result(future, response);
    daytona_future_release(future);
    command("whole%s%.0ld", NULL, 0);
    json_decref(recording);
  }
  daytona_sandbox_release(sandbox);
  session_close(&session);
}

static void answers_cut_short_are_errors(void **state) {
  session_t session;
  open_client(&session);
  daytona_sandbox_t *sandbox = sandbox_at(&session, base_url);
  json_t *recording = load("exec-ok.json"), *request;
  assert_non_null(answer_of(recording, 0, &request));
  bool is_whole = false;
  for (long size = 0; size < 1000 && !is_whole; size++) {
    command("step %s%ld", NULL, 0);
    command("truncate %s%ld", NULL, size);
    daytona_future_t *future = ask(sandbox, request);
    is_whole = daytona_future_error(future) == NULL;
    /* A response that ends within its headers reaches us as one without a body. */
    if (!is_whole && !daytona_error_is(daytona_future_error(future), DAYTONA_ECONNECTION) &&
        daytona_future_code(future) != DAYTONA_EPROTOCOL)
      fail_msg("%ld bytes: %s", size, daytona_future_error(future)->message);
    if (is_whole) assert_true(size > 100);
    daytona_future_release(future);
  }
  assert_true(is_whole);
  json_decref(recording);
  daytona_sandbox_release(sandbox);
  session_close(&session);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool find_recordings(void) {
  DIR *dir = opendir(folder);
  struct dirent *entry;
  if (dir == NULL) return false;
  names = calloc(4096, sizeof *names);
  while ((entry = readdir(dir)) != NULL && name_count < 4096)
    if (strstr(entry->d_name, ".json") != NULL) names[name_count++] = strdup(entry->d_name);
  closedir(dir);
  qsort(names, name_count, sizeof *names, compare);
  return name_count != 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_answer_passes_the_transport), cmocka_unit_test(every_result_reaches_the_caller),
    cmocka_unit_test(every_file_reaches_the_caller),     cmocka_unit_test(every_stream_ends_as_recorded),
    cmocka_unit_test(answers_byte_by_byte_are_the_same), cmocka_unit_test(answers_cut_short_are_errors),
  };
  if (argc != 4) return 2;
  python = argv[1];
  server_path = argv[2];
  folder = argv[3];
  if (!find_recordings()) {
    printf("1..1\nok 1 - recordings # SKIP there are no recordings beside the project\n");
    return 0;
  }
  signal(SIGPIPE, SIG_IGN);
  start_server();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  stop_server();
  for (size_t i = 0; i < name_count; i++) free(names[i]);
  free(names);
  return failed;
}
