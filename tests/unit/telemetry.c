/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telemetry: what a collector gets of calls, requests and sockets; what travels with requests; and that nothing which a
 * collector does disturbs the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/telemetry_names.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/collector.h"
#include "support/stream_scene.h"
#include "wire/otlp.h"

static stream_scene_t scene;
static collector_t collector;
static daytona_telemetry_opts_t telemetry;
static char logged[16384];

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  size_t size = strlen(logged);
  if (level <= DAYTONA_LOG_WARN) snprintf(logged + size, sizeof logged - size, "%s\n", line);
}

/* Everything but the client, for which `telemetry` may be changed. */
static int open_bare(void **state) {
  logged[0] = '\0';
  stream_open_bare(&scene);
  collector_open(&collector, &scene.api.uv);
  memset(&telemetry, 0, sizeof telemetry);
  telemetry.endpoint = collector.url;
  scene.api.config.telemetry = &telemetry;
  scene.api.config.log = on_log;
  return 0;
}

static void open_client(void) {
  api_scene_client(&scene.api);
  scene.sandbox = api_sandbox_at(&scene.api, scene.api.toolbox_url, "started");
  api_answer(&scene.api, "POST /toolbox/sb-1/files/move", 200, "");
}

static int open_scene(void **state) {
  open_bare(state);
  open_client();
  return 0;
}

static void on_closed(void *user) { *(bool *)user = true; }

/* Close the client, which sends what is left. */
static void close_client(void) {
  bool is_closed = false;
  daytona_sandbox_release(scene.sandbox);
  scene.sandbox = NULL;
  daytona_client_close(scene.api.client, on_closed, &is_closed);
  daytona_client_release(scene.api.client);
  scene.api.client = NULL;
  while (!is_closed) assert_true(uv_run(&scene.api.uv, UV_RUN_ONCE) != 0 || is_closed);
}

static int close_scene(void **state) {
  support_alloc_heal();
  if (scene.api.client != NULL) close_client();
  collector_close(&collector);
  stream_close(&scene);
  return 0;
}

static daytona_client_stats_t stats(void) {
  daytona_client_stats_t out;
  assert_int_equal(daytona_client_stats(scene.api.client, &out), 0);
  return out;
}

static void move(void) { api_done(daytona_fs_move_files(scene.sandbox, "a", "b", NULL)); }

static bool has_requests(void *user) { return collector.requests >= *(size_t *)user; }

/* Until the collector has got that many requests. */
static void until_exports(size_t count) { api_until(&scene.api, has_requests, &count); }

static bool has_handled(void *user) {
  daytona_client_stats_t now = stats();
  return now.spans_exported + now.spans_dropped >= *(uint64_t *)user;
}

static void until_handled(uint64_t spans) { api_until(&scene.api, has_handled, &spans); }

static const collected_span_t *span(const char *name, size_t n) {
  const collected_span_t *found = collector_find(&collector, name, n);
  if (found == NULL) fail_msg("no span %s", name);
  return found;
}

/* The request's header `name`, in a static buffer; "": it has none. */
static const char *header(const char *request, const char *name) {
  static char value[600];
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
  const char *at = strstr(request, wanted);
  value[0] = '\0';
  if (at != NULL)
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(wanted), "\r"), at + strlen(wanted));
  return value;
}

static void expect_traceparent(const char *request, const collected_span_t *of) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "00-%s-%s-01", of->trace_id, of->span_id);
  assert_string_equal(header(request, "traceparent"), wanted);
}

/* --- what is recorded --------------------------------------------------------------------------- */

static void a_call_and_its_request_are_spans(void **state) {
  char attributes[256];
  move();
  close_client();
  const collected_span_t *call = span("AsyncFileSystem.move_files", 0), *request = span("POST", 0);
  assert_int_equal(collector.span_count, 2);
  assert_int_equal(call->kind, 1);
  assert_int_equal(call->status, 1);
  assert_string_equal(call->attributes, "component=AsyncFileSystem method=move_files");
  assert_string_equal(call->parent_id, "");
  assert_int_equal(request->kind, 3);
  assert_int_equal(request->status, 0);
  snprintf(attributes, sizeof attributes,
           "http.method=POST http.url=http://127.0.0.1:%d/toolbox/sb-1/files/move http.status_code=200",
           scene.api.peer.port);
  assert_string_equal(request->attributes, attributes);
  assert_string_equal(request->parent_id, call->span_id);
  assert_string_equal(request->trace_id, call->trace_id);
  assert_true(call->begin_ns <= request->begin_ns && request->begin_ns <= request->end_ns);
  assert_true(request->end_ns <= call->end_ns);
  expect_traceparent(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0), request);
  assert_string_equal(header(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0), "tracestate"), "");
  assert_string_equal(collector.scope, "daytona-sdk-c " DAYTONA_VERSION);
  assert_non_null(strstr(collector.resource, "service.name=daytona-c-sdk service.version=" DAYTONA_VERSION));
}

static void what_is_sent_is_otlp_over_http(void **state) {
  move();
  api_advance(&scene.api, 5000);
  until_exports(1);
  assert_true(strncmp(collector.last_head, "POST /v1/traces HTTP/1.1\r\n", 26) == 0);
  assert_string_equal(header(collector.last_head, "Content-Type"), "application/x-protobuf");
  assert_null(strstr(collector.last_head, "Bearer")); /* the key is for the server */
  assert_null(strstr(collector.last_head, "traceparent"));
  assert_string_equal(header(collector.last_head, "User-Agent"), "sdk-c/" DAYTONA_VERSION);
}

static void every_call_has_a_trace_of_its_own(void **state) {
  move();
  move();
  close_client();
  const collected_span_t *first = span("AsyncFileSystem.move_files", 0);
  const collected_span_t *second = span("AsyncFileSystem.move_files", 1);
  assert_string_not_equal(first->trace_id, second->trace_id);
  assert_string_not_equal(first->span_id, second->span_id);
}

static void failures_have_status_and_exception(void **state) {
  api_answer(&scene.api, "GET /toolbox/sb-1/files/info", 404,
             "{\"message\":\"no such file key\",\"code\":\"FILE_NOT_FOUND\",\"source\":\"DAYTONA_DAEMON\"}");
  api_fails(daytona_fs_get_file_info(scene.sandbox, "secret-path", NULL), DAYTONA_EFILE_NOT_FOUND);
  api_fails(daytona_process_exec(scene.sandbox, " ", NULL), DAYTONA_EINVAL);
  close_client();
  const collected_span_t *call = span("AsyncFileSystem.get_file_info", 0), *request = span("GET", 0);
  assert_int_equal(call->status, 2);
  assert_non_null(strstr(call->message, "no such "));
  assert_non_null(
    strstr(call->event, "exception: exception.type=DAYTONA_EFILE_NOT_FOUND exception.message="));
  assert_int_equal(request->status, 2);
  assert_non_null(strstr(request->attributes, "http.status_code=404"));
  assert_null(strstr(request->attributes, "secret-path")); /* it was in the query */
  assert_string_equal(request->event, "");
  assert_int_equal(span("AsyncProcess.exec", 0)->status, 2); /* nothing was sent */
  assert_int_equal(collector.span_count, 3);
}

static void every_attempt_is_a_span(void **state) {
  api_answer(&scene.api, "GET /api/sandbox/x", 0, api_break);
  api_answer(&scene.api, "GET /api/sandbox/x", 200, api_sandbox_json(&scene.api, "x", "started", ""));
  daytona_future_t *future = daytona_sandbox_get(scene.api.client, "x", NULL);
  api_hurry(&scene.api, future, 500);
  daytona_future_release(future);
  close_client();
  const collected_span_t *first = span("GET", 0), *second = span("GET", 1),
                         *call = span("AsyncDaytona.get", 0);
  assert_int_equal(first->status, 2);
  assert_non_null(strstr(first->event, "exception.type=DAYTONA_ECONNECTION"));
  assert_null(strstr(first->attributes, "status_code"));
  assert_non_null(strstr(second->attributes, "http.request.resend_count=1"));
  assert_string_equal(first->parent_id, call->span_id);
  assert_string_equal(second->parent_id, call->span_id);
  expect_traceparent(api_request(&scene.api, "GET /api/sandbox/x", 0), first);
  expect_traceparent(api_request(&scene.api, "GET /api/sandbox/x", 1), second);
}

static void secrets_are_in_no_attribute(void **state) {
  api_keep_secret(&scene.api, "kept-secret");
  api_answer(&scene.api, "GET /toolbox/sb-1/files/info", 500, "{\"message\":\"it was kept-secret\"}");
  api_fails(daytona_fs_get_file_info(scene.sandbox, "x", NULL), DAYTONA_EINTERNAL);
  api_fails(daytona_sandbox_expire_signed_preview_url(scene.sandbox, 80, "t0ken/x", NULL), DAYTONA_ENOTFOUND);
  api_fails(daytona_sandbox_revoke_ssh_access(scene.sandbox, "t0ken", NULL), DAYTONA_ENOTFOUND);
  api_answer_with(&scene.api, "GET /api/sandbox/r", 302, "Location: /store/t0ken?sig=t0ken\r\n", "");
  api_fails(daytona_sandbox_get(scene.api.client, "r", NULL), DAYTONA_ENOTFOUND);
  close_client();
  assert_true(collector.span_count > 6);
  for (size_t i = 0; i < collector.span_count; i++) {
    const collected_span_t *one = &collector.spans[i];
    const char *texts[] = {one->attributes, one->message, one->event};
    for (size_t n = 0; n < 3; n++) {
      assert_null(strstr(texts[n], "t0ken"));
      assert_null(strstr(texts[n], "kept-secret"));
      assert_null(strstr(texts[n], "?"));
    }
  }
}

static void both_generations_of_attributes_can_be_had(void **state) {
  setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup", 1);
  scene.api.config.ignores_environment = false;
  scene.api.config.target = "x";
  open_client();
  unsetenv("OTEL_SEMCONV_STABILITY_OPT_IN");
  move();
  close_client();
  const char *attributes = span("POST", 0)->attributes;
  assert_non_null(strstr(attributes, "http.method=POST http.url=http://"));
  assert_non_null(strstr(attributes, "http.request.method=POST url.full=http://127.0.0.1:"));
  assert_non_null(strstr(attributes, " server.address=127.0.0.1 server.port="));
  assert_non_null(strstr(attributes, " http.response.status_code=200"));
}

/* --- parents ------------------------------------------------------------------------------------ */

#define PARENT "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-"

static void a_parent_is_taken_and_passed_on(void **state) {
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "01", "vendor=x,other=y"), 0);
  daytona_future_t *future = daytona_fs_move_files(scene.sandbox, "a", "b", NULL);
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, NULL, NULL), 0); /* it has begun before */
  api_done(future);
  move();
  close_client();
  const collected_span_t *call = span("AsyncFileSystem.move_files", 0), *request = span("POST", 0);
  assert_string_equal(call->trace_id, "0123456789abcdef0123456789abcdef");
  assert_string_equal(call->parent_id, "00f067aa0ba902b7");
  assert_string_equal(call->state, "vendor=x,other=y");
  assert_true((call->flags & 0x200) != 0 && (request->flags & 0x200) == 0);
  assert_string_equal(request->parent_id, call->span_id);
  const char *sent = api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0);
  expect_traceparent(sent, request);
  assert_string_equal(header(sent, "tracestate"), "vendor=x,other=y");
  assert_string_equal(span("AsyncFileSystem.move_files", 1)->parent_id, "");
  assert_string_equal(header(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 1), "tracestate"), "");
}

static void a_trace_that_is_not_recorded_is_passed_on_all_the_same(void **state) {
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "00", NULL), 0);
  move();
  const char *sent = header(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0), "traceparent");
  assert_true(strncmp(sent, PARENT, 36) == 0 && strcmp(sent + 52, "-00") == 0);
  close_client();
  assert_int_equal(collector.span_count, 0);
  assert_non_null(collector_point(&collector, "async_file_system_move_files_duration", "success"));
}

static void malformed_parents_are_refused(void **state) {
  static const char *const wrong[] = {"",
                                      "x",
                                      "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7",
                                      PARENT "1",
                                      PARENT "0g",
                                      PARENT "01-x",
                                      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                      "00-0123456789abcdef0123456789abcdef-0000000000000000-01",
                                      "ff-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01",
                                      "01-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01x",
                                      "00-0123456789ABCDEF0123456789abcdef-00f067aa0ba902b7-01",
                                      "00_0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"};
  char large[600];
  daytona_client_t *client = scene.api.client;
  assert_int_equal(daytona_telemetry_set_parent(client, PARENT "01", NULL), 0);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(daytona_telemetry_set_parent(client, wrong[i], NULL), DAYTONA_EINVAL);
  memset(large, 'x', sizeof large - 1);
  memcpy(large, "a=", 2);
  large[sizeof large - 1] = '\0';
  assert_int_equal(daytona_telemetry_set_parent(client, PARENT "01", large), DAYTONA_EINVAL);
  assert_int_equal(daytona_telemetry_set_parent(client, PARENT "01", "a=b\r\nX: y"), DAYTONA_EINVAL);
  assert_int_equal(daytona_telemetry_set_parent(client, PARENT "01", "novalue"), DAYTONA_EINVAL);
  assert_int_equal(daytona_telemetry_set_parent(client, PARENT "01", " , ,"), DAYTONA_EINVAL);
  assert_int_equal(daytona_telemetry_set_parent(NULL, PARENT "01", NULL), DAYTONA_EINVAL);
  /* A later version may have more behind. */
  move();
  assert_int_equal(daytona_telemetry_set_parent(
                     client, "01-0123456789abcdef0123456789abcdee-00f067aa0ba902b7-01-more", NULL),
                   0);
  move();
  close_client();
  assert_string_equal(span("AsyncFileSystem.move_files", 0)->parent_id, "00f067aa0ba902b7"); /* as before */
  assert_string_equal(span("AsyncFileSystem.move_files", 1)->trace_id, "0123456789abcdef0123456789abcdee");
}

static void a_foreign_server_gets_no_trace(void **state) {
  peer_t other;
  char location[128];
  peer_open(&other, &scene.api.uv);
  other.answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  snprintf(location, sizeof location, "Location: %s\r\n", peer_url(&other, "/x"));
  api_answer_with(&scene.api, "GET /api/sandbox/r", 302, location, "");
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "01", "a=b"), 0);
  api_fails(daytona_sandbox_get(scene.api.client, "r", NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(other.requests, 1);
  assert_null(strstr(other.last_request, "trace"));
  peer_close(&other);
}

/* --- sockets ------------------------------------------------------------------------------------ */

static void a_stream_has_a_request_and_a_call(void **state) {
  stream_script_t script = {0};
  static const char text[] = "{\"type\":\"stdout\",\"text\":\"x\"}";
  stream_frame(&script, 1, text, sizeof text - 1);
  stream_close_frame(&script, 1000, "");
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "01", "a=b"), 0);
  api_done(daytona_interpreter_run_code(scene.sandbox, "1", NULL));
  close_client();
  const collected_span_t *call = span("AsyncCodeInterpreter.run_code", 0), *request = span("GET", 0);
  assert_non_null(
    strstr(request->attributes, "/toolbox/sb-1/process/interpreter/execute http.status_code=101"));
  assert_non_null(strstr(request->attributes, "http.url=ws://127.0.0.1:"));
  assert_string_equal(request->parent_id, call->span_id);
  expect_traceparent(scene.upgrade, request);
  assert_string_equal(header(scene.upgrade, "tracestate"), "a=b");
  assert_int_equal(collector.span_count, 2);
  stream_script_clear(&script);
}

static void a_terminal_has_a_span_for_its_life(void **state) {
  stream_script_t script = {0};
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "01", "a=b"), 0);
  daytona_future_t *future = api_must(daytona_pty_connect(scene.sandbox, "t", NULL));
  daytona_future_release(future);
  close_client();
  const collected_span_t *call = span("AsyncProcess.connect_pty_session", 0);
  const collected_span_t *life = span("AsyncPtyHandle.wait", 0);
  assert_string_equal(life->parent_id, call->span_id);
  assert_string_equal(life->state, "a=b");
  assert_int_equal(life->status, 2); /* it was cut */
  assert_non_null(strstr(span("GET", 0)->attributes, "http.status_code=101"));
  stream_script_clear(&script);
}

static void a_refused_upgrade_is_a_request(void **state) {
  scene.refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  api_fails(daytona_interpreter_run_code(scene.sandbox, "1", NULL), DAYTONA_ENOTFOUND);
  close_client();
  assert_non_null(strstr(span("GET", 0)->attributes, "http.status_code=404"));
  assert_int_equal(span("GET", 0)->status, 2);
  assert_int_equal(span("AsyncCodeInterpreter.run_code", 0)->status, 2);
}

/* --- metrics ------------------------------------------------------------------------------------ */

static void durations_are_histograms(void **state) {
  move();
  move();
  api_fails(daytona_fs_move_files(scene.sandbox, "", "b", NULL), DAYTONA_EINVAL);
  api_advance(&scene.api, 60000);
  until_exports(2);
  const collected_point_t *fine =
    collector_point(&collector, "async_file_system_move_files_duration", "success");
  const collected_point_t *wrong =
    collector_point(&collector, "async_file_system_move_files_duration", "error");
  assert_non_null(fine);
  assert_non_null(wrong);
  assert_string_equal(fine->attributes, "component=AsyncFileSystem method=move_files status=success");
  assert_string_equal(fine->unit, "ms");
  assert_int_equal(fine->temporality, 2);
  assert_int_equal(fine->count, 2);
  assert_int_equal(fine->bucket_sum, 2);
  assert_true(fine->min > 0 && fine->min <= fine->max && fine->sum >= fine->max && fine->sum < 60000);
  assert_int_equal(wrong->count, 1);
  /* They go on from there, and nothing is sent while nothing is done. */
  api_advance(&scene.api, 60000);
  api_spin(&scene.api, 20);
  assert_int_equal(collector.metric_requests, 1);
  move();
  api_advance(&scene.api, 60000);
  until_exports(4);
  assert_int_equal(collector_point(&collector, "async_file_system_move_files_duration", "success")->count, 3);
}

static void each_signal_can_be_left_out(void **state) {
  telemetry.no_traces = true;
  open_client();
  move();
  assert_string_equal(header(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0), "traceparent"), "");
  close_client();
  assert_int_equal(collector.trace_requests, 0);
  assert_int_equal(collector.metric_requests, 1);
  telemetry.no_traces = false;
  telemetry.no_metrics = true;
  open_client();
  move();
  close_client();
  assert_int_equal(collector.trace_requests, 1);
  assert_int_equal(collector.metric_requests, 1);
}

/* --- off ---------------------------------------------------------------------------------------- */

static void without_telemetry_nothing_is_sent(void **state) {
  scene.api.config.telemetry = NULL;
  open_client();
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, PARENT "01", NULL), 0);
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, "x", NULL), DAYTONA_EINVAL);
  move();
  assert_string_equal(header(api_request(&scene.api, "POST /toolbox/sb-1/files/move", 0), "traceparent"), "");
  close_client();
  assert_int_equal(collector.requests, 0);
}

/* --- limits ------------------------------------------------------------------------------------- */

static void a_full_batch_goes_at_once(void **state) {
  for (int i = 0; i < 256; i++) move();
  until_exports(1);
  assert_int_equal(collector.span_count, 512);
  until_handled(512);
  assert_int_equal(stats().spans_exported, 512);
  assert_int_equal(stats().telemetry_exports, 1);
  assert_int_equal(stats().requests, 256); /* exports are not among them */
}

static void what_has_no_room_is_dropped_and_counted(void **state) {
  telemetry.max_queue = 10;
  telemetry.no_metrics = true;
  telemetry.flush_timeout_ms = 50;
  collector.answers[0] = "";
  collector.answer_count = 1;
  open_client();
  for (int i = 0; i < 50; i++) move();
  assert_int_equal(stats().spans_dropped, 90);
  assert_int_equal(stats().spans_exported, 0);
  close_client(); /* within its limit */
  assert_int_equal(collector.requests, 1);
  assert_non_null(strstr(logged, "telemetry: 100 spans of 100 were dropped in all\n"));
}

static void spans_take_bounded_memory(void **state) {
  static char text[2000];
  char answer[2100];
  memset(text, 'x', sizeof text - 1);
  snprintf(answer, sizeof answer, "{\"message\":\"%s\"}", text);
  telemetry.max_queue = 65536;
  telemetry.flush_timeout_ms = DAYTONA_NO_WAIT;
  collector.answers[0] = "";
  collector.answer_count = 1;
  open_client();
  api_answer(&scene.api, "GET /toolbox/sb-1/files/info", 500, answer);
  size_t before = support_alloc_held();
  for (int i = 0; i < 2500; i++)
    api_fails(daytona_fs_get_file_info(scene.sandbox, "x", NULL), DAYTONA_EINTERNAL);
  assert_true(stats().spans_dropped > 0);
  assert_true(support_alloc_held() - before < (5u << 20));
}

/* Of the client's: the connections of the servers are handles as well. */
static void count_handles(uv_handle_t *handle, void *user) {
  if (handle->type != UV_TCP && uv_is_active(handle) && uv_has_ref(handle)) ++*(int *)user;
}

static int live_handles(void) {
  int count = 0;
  api_spin(&scene.api, 3);
  uv_walk(&scene.api.uv, count_handles, &count);
  return count;
}

static void nothing_keeps_the_loop_alive(void **state) {
  telemetry.flush_timeout_ms = DAYTONA_NO_WAIT;
  collector.answers[0] = "";
  collector.answer_count = 1;
  open_client();
  move();
  assert_int_equal(live_handles(), 0); /* spans wait */
  api_advance(&scene.api, 5000);
  until_exports(1);
  assert_int_equal(live_handles(), 0); /* an export is under way */
  collector.answers[0] = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n";
  move();
  api_advance(&scene.api, 60000);
  until_exports(3);                    /* of metrics */
  assert_int_equal(live_handles(), 0); /* one is to be sent again */
}

/* --- collectors --------------------------------------------------------------------------------- */

#define ANSWER(status, more) "HTTP/1.1 " status " X\r\n" more "Content-Length: 0\r\n\r\n"

static void answer_with(const char *first, const char *second) {
  collector.answers[0] = first;
  collector.answers[1] = second;
  collector.answer_count = 2;
}

/* Two spans are due, and the first request for them was answered. */
static void export_two(void) {
  move();
  api_advance(&scene.api, 5000);
  until_exports(1);
  api_spin(&scene.api, 30);
}

static void what_will_pass_is_sent_again(void **state) {
  static const char *const passing[] = {ANSWER("503", ""), ANSWER("502", ""), ANSWER("504", ""),
                                        ANSWER("429", ""),
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"};
  telemetry.no_metrics = true;
  for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
    open_client();
    collector.requests = collector.span_count = 0;
    answer_with(passing[i], NULL);
    export_two();
    assert_int_equal(stats().spans_exported + stats().spans_dropped, 0);
    api_advance(&scene.api, 1000);
    until_handled(2);
    assert_int_equal(stats().spans_exported, 2);
    assert_int_equal(collector.requests, 2);
    assert_int_equal(collector.span_count, 4); /* the same two */
    close_client();
  }
}

static void retry_after_is_kept(void **state) {
  telemetry.no_metrics = true;
  open_client();
  answer_with(ANSWER("429", "Retry-After: 30\r\n"), NULL);
  export_two();
  api_advance(&scene.api, 29000);
  api_spin(&scene.api, 30);
  assert_int_equal(collector.requests, 1);
  api_advance(&scene.api, 1500);
  until_handled(2);
  assert_int_equal(stats().spans_exported, 2);
  /* Longer than we wait: given up at once. */
  collector.requests = 0;
  answer_with(ANSWER("503", "Retry-After: 3600\r\n"), NULL);
  export_two();
  assert_int_equal(stats().spans_dropped, 2);
  assert_int_equal(stats().telemetry_failures, 1);
}

static void what_will_not_pass_is_dropped(void **state) {
  static const char *const final[] = {ANSWER("400", ""),
                                      ANSWER("401", ""),
                                      ANSWER("404", ""),
                                      ANSWER("500", ""),
                                      ANSWER("302", "Location: http://127.0.0.1:1/\r\n"),
                                      ANSWER("307", "Location: /elsewhere\r\n")};
  telemetry.no_metrics = true;
  for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
    open_client();
    collector.requests = 0;
    logged[0] = '\0';
    answer_with(final[i], NULL);
    export_two();
    until_handled(2);
    assert_int_equal(stats().spans_dropped, 2);
    assert_int_equal(collector.requests, 1);
    assert_non_null(strstr(logged, "telemetry: spans could not be exported (status "));
    export_two(); /* the next are tried */
    until_handled(4);
    assert_int_equal(stats().spans_exported, 2);
    close_client();
  }
}

static void a_collector_that_stays_away_is_given_up(void **state) {
  char url[64];
  telemetry.no_metrics = true;
  snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_dead_port());
  telemetry.endpoint = url;
  open_client();
  move();
  for (int i = 0; i < 200 && stats().spans_dropped == 0; i++) {
    api_advance(&scene.api, 5000);
    api_spin(&scene.api, 5);
  }
  assert_int_equal(stats().spans_dropped, 2);
  assert_int_equal(stats().telemetry_failures, 1);
  for (int i = 0; i < 100; i++) move(); /* and at the close at once */
}

static void a_slow_collector_is_given_up(void **state) {
  telemetry.no_metrics = true;
  telemetry.flush_timeout_ms = DAYTONA_NO_WAIT;
  open_client();
  answer_with("", "");
  export_two();
  for (int attempt = 1; attempt < 5; attempt++) {
    assert_int_equal(collector.requests, attempt);
    api_advance(&scene.api, 10001);
    api_spin(&scene.api, 10);
    api_advance(&scene.api, 60000);
    until_exports((size_t)attempt + 1);
  }
  api_advance(&scene.api, 10001);
  until_handled(2);
  assert_int_equal(stats().spans_dropped, 2);
}

static void garbage_counts_as_what_its_status_says(void **state) {
  static const char *const garbage[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\x0a\x7f",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x08\x01\x0a"};
  telemetry.no_metrics = true;
  open_client();
  for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
    collector.requests = 0;
    answer_with(garbage[i], NULL);
    export_two();
    until_handled(2 * (i + 1));
  }
  assert_int_equal(stats().spans_exported, 2 * sizeof garbage / sizeof garbage[0]);
}

static void no_http_at_all_is_given_up(void **state) {
  telemetry.no_metrics = true;
  open_client();
  collector.answers[0] = "SSH-2.0-x\r\nConnection: close\r\n\r\n";
  collector.answer_count = 1;
  move();
  for (int i = 0; i < 100 && stats().spans_dropped == 0; i++) {
    api_advance(&scene.api, 5000);
    api_spin(&scene.api, 20);
  }
  assert_int_equal(stats().spans_dropped, 2);
}

static void rejected_spans_are_counted(void **state) {
  /* partial_success: 1 rejected, "no"; then more than there were */
  static const char *const partial[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x0a\x06\x08\x01\x12\x02no",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x7f"};
  telemetry.no_metrics = true;
  open_client();
  answer_with(partial[0], NULL);
  export_two();
  until_handled(2);
  assert_int_equal(stats().spans_exported, 1);
  assert_int_equal(stats().spans_dropped, 1);
  collector.requests = 0;
  answer_with(partial[1], NULL);
  export_two();
  until_handled(4);
  assert_int_equal(stats().spans_dropped, 3);
}

/* --- how it is sent ----------------------------------------------------------------------------- */

static void bodies_are_compressed_if_wanted(void **state) {
  telemetry.compression = DAYTONA_TELEMETRY_COMPRESSION_GZIP;
  telemetry.no_metrics = true;
  open_client();
  for (int i = 0; i < 256; i++) move();
  until_exports(1);
  assert_string_equal(header(collector.last_head, "Content-Encoding"), "gzip");
  assert_int_equal(collector.span_count, 512);
  assert_true(atoi(header(collector.last_head, "Content-Length")) < 60000); /* some 200,000 else */
}

static void headers_and_endpoints_are_those_that_are_given(void **state) {
  static const daytona_header_t headers[] = {{"x-key", "for the collector"}};
  char url[128];
  snprintf(url, sizeof url, "%s/own/path?tenant=1", collector.url);
  telemetry.traces_endpoint = url;
  telemetry.headers = headers;
  telemetry.header_count = 1;
  telemetry.no_metrics = true;
  telemetry.resource_attributes = "deployment.environment=a%20test,service.name=not-ours";
  open_client();
  move();
  close_client();
  assert_true(strncmp(collector.last_head, "POST /own/path?tenant=1 HTTP/1.1\r\n", 34) == 0);
  assert_string_equal(header(collector.last_head, "x-key"), "for the collector");
  assert_non_null(strstr(collector.resource, "deployment.environment=a test"));
  assert_null(strstr(collector.resource, "not-ours"));
}

static void a_share_of_the_traces_can_be_recorded(void **state) {
  telemetry.sample_ratio = daytona_num(0.5);
  telemetry.no_metrics = true;
  open_client();
  for (int i = 0; i < 200; i++) move();
  close_client();
  assert_in_range(collector.span_count, 2 * 50, 2 * 150);
  for (size_t i = 0; i < collector.span_count; i++) { /* by whole traces */
    const collected_span_t *one = &collector.spans[i];
    if (one->parent_id[0] != '\0') assert_non_null(collector_by_id(&collector, one->parent_id));
  }
}

/* --- closing and memory ------------------------------------------------------------------------- */

static void what_was_under_way_is_recorded_by_the_close(void **state) {
  api_answer(&scene.api, "GET /api/sandbox/x", 0, api_silence);
  daytona_future_t *future = daytona_sandbox_get(scene.api.client, "x", NULL);
  api_until_requests(&scene.api, 1);
  close_client();
  api_fails(future, DAYTONA_ECLOSED);
  assert_int_equal(span("AsyncDaytona.get", 0)->status, 2);
  assert_non_null(strstr(span("AsyncDaytona.get", 0)->event, "DAYTONA_ECLOSED"));
}

static void a_close_sends_again_at_once_what_waits(void **state) {
  telemetry.no_metrics = true;
  open_client();
  answer_with(ANSWER("429", "Retry-After: 30\r\n"), NULL);
  export_two();
  close_client();
  assert_int_equal(collector.requests, 2);
}

static bool has_no_connection(void *user) { return collector.peer.open == 0; }

static void a_connection_that_was_closed_costs_nothing_at_the_close(void **state) {
  telemetry.no_metrics = true;
  open_client();
  export_two();
  until_handled(2);
  for (peer_conn_t *conn = collector.peer.conns; conn != NULL; conn = conn->next) peer_reset(conn);
  api_until(&scene.api, has_no_connection, NULL);
  move();
  close_client();
  assert_int_equal(collector.span_count, 4);
}

static void a_collector_that_is_away_does_not_delay_the_close(void **state) {
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_dead_port());
  telemetry.endpoint = url;
  open_client();
  for (int i = 0; i < 600; i++) move(); /* several batches */
  uint64_t began_ns = uv_hrtime();
  close_client();
  assert_true(uv_hrtime() - began_ns < 4000000000u); /* and not its limit */
  assert_non_null(strstr(logged, "telemetry: spans could not be exported (status 0): "));
}

static void statistics_can_be_had_while_the_rest_is_sent(void **state) {
  bool is_closed = false;
  telemetry.flush_timeout_ms = 100;
  collector.answers[0] = "";
  collector.answer_count = 1;
  open_client();
  move();
  daytona_client_stats_t before = stats(), now = {0};
  daytona_sandbox_release(scene.sandbox);
  scene.sandbox = NULL;
  daytona_client_close(scene.api.client, on_closed, &is_closed);
  while (!is_closed) {
    uv_run(&scene.api.uv, UV_RUN_ONCE);
    if (is_closed) break;
    now = stats();
    assert_int_equal(now.requests, before.requests);
    assert_int_equal(now.sent_bytes, before.sent_bytes);
  }
  assert_int_equal(daytona_telemetry_set_parent(scene.api.client, NULL, NULL), DAYTONA_ECLOSED);
  daytona_client_release(scene.api.client);
  scene.api.client = NULL;
}

/* What a client does in its life, at whichever allocation memory ends. */
static void live(void *user) {
  collector.span_count = 0;
  if (daytona_client_new(&scene.api.uv, &scene.api.config, &scene.api.client) != 0) {
    scene.api.client = NULL;
    return;
  }
  daytona_telemetry_set_parent(scene.api.client, PARENT "01", "a=b");
  daytona_future_t *future = daytona_sandbox_get(scene.api.client, "sb-1", NULL);
  daytona_future_await(future);
  daytona_sandbox_t *sandbox = daytona_future_sandbox(future);
  if (sandbox != NULL) {
    daytona_future_t *moved = daytona_fs_move_files(sandbox, "a", "b", NULL);
    daytona_future_await(moved);
    daytona_future_release(moved);
  }
  daytona_future_release(future);
  api_advance(&scene.api, 5000);
  api_spin(&scene.api, 20);
  bool is_closed = false;
  daytona_client_close(scene.api.client, on_closed, &is_closed);
  daytona_client_release(scene.api.client);
  scene.api.client = NULL;
  while (!is_closed) uv_run(&scene.api.uv, UV_RUN_ONCE);
}

static void memory_may_end_at_any_moment(void **state) {
  for (int gzip = 0; gzip < 2; gzip++) {
    telemetry.compression = gzip ? DAYTONA_TELEMETRY_COMPRESSION_GZIP : DAYTONA_TELEMETRY_COMPRESSION_NONE;
    telemetry.flush_timeout_ms = 2000;
    api_answer(&scene.api, "GET /api/sandbox/sb-1", 200, api_sandbox_json(&scene.api, "sb-1", "started", ""));
    api_answer(&scene.api, "POST /toolbox/sb-1/files/move", 200, "");
    support_alloc_sweep(live, NULL);
    assert_int_equal(collector.span_count, 4);
  }
}

/* --- texts -------------------------------------------------------------------------------------- */

static bool holds(const char *bytes, size_t size, const char *part, size_t part_size) {
  for (size_t i = 0; i + part_size <= size; i++)
    if (memcmp(bytes + i, part, part_size) == 0) return true;
  return false;
}

/* A decoder refuses a request with one byte that is not UTF-8: none gets into one, and long texts are cut. */
static void texts_are_short_and_utf8(void **state) {
  static char large[3000];
  static const uint8_t id[16] = {1};
  static const char mixed[] =
    "a\xff"
    "b\xc3\xa9"
    "c\xe2\x82";
  daytona__strbuf_t out;
  memset(large, 'x', sizeof large - 1);
  daytona__otlp_span_t record = {.trace_id = id, .span_id = id, .name = mixed, .message = large, .status = 2};
  daytona__strbuf_init(&out, 1 << 20);
  assert_int_equal(daytona__otlp_put_span(&out, &record), 0);
  assert_true(holds(out.data, out.size,
                    "\x2a\x08"
                    "a?b\xc3\xa9"
                    "c??",
                    10));
  assert_true(out.size < 1200);
  daytona__strbuf_clear(&out);
}

/* --- names -------------------------------------------------------------------------------------- */

static void names_are_those_of_the_official_sdk(void **state) {
  static const struct {
    const char *name, *span, *metric;
  } rows[] = {
    {"sandbox_create", "AsyncDaytona.create", "async_daytona_create"},
    {"sandbox_stop", "AsyncSandbox.stop", "async_sandbox_stop"},
    {"sandbox_iter_next", "AsyncDaytona.list.fetch_page", "async_daytona_list_fetch_page"},
    {"fs_list_files", "AsyncFileSystem.list_files", "async_file_system_list_files"},
    {"fs_upload", "AsyncFileSystem.upload_file", "async_file_system_upload_file"},
    {"git_list_branches", "AsyncGit.branches", "async_git_branches"},
    {"mouse_click", "AsyncMouse.click", "async_mouse_click"},
    {"session_exec", "AsyncProcess.execute_session_command", "async_process_execute_session_command"},
    {"snapshot_process_image_context", "ObjectStorageApi.process_image_context",
     "object_storage_api_process_image_context"},
    {"warm_pool_list", "AsyncWarmPoolService.list", "async_warm_pool_service_list"},
    {"unheard_of", "AsyncDaytona.unheard_of", "async_daytona_unheard_of"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__span_names_t names;
    daytona__span_names(rows[i].name, &names);
    assert_string_equal(names.span, rows[i].span);
    assert_string_equal(names.metric, rows[i].metric);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
#define BARE(name) cmocka_unit_test_setup_teardown(name, open_bare, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_call_and_its_request_are_spans),
    TEST(what_is_sent_is_otlp_over_http),
    TEST(every_call_has_a_trace_of_its_own),
    TEST(failures_have_status_and_exception),
    TEST(every_attempt_is_a_span),
    TEST(secrets_are_in_no_attribute),
    BARE(both_generations_of_attributes_can_be_had),
    TEST(a_parent_is_taken_and_passed_on),
    TEST(a_trace_that_is_not_recorded_is_passed_on_all_the_same),
    TEST(malformed_parents_are_refused),
    TEST(a_foreign_server_gets_no_trace),
    TEST(a_stream_has_a_request_and_a_call),
    TEST(a_terminal_has_a_span_for_its_life),
    TEST(a_refused_upgrade_is_a_request),
    TEST(durations_are_histograms),
    BARE(each_signal_can_be_left_out),
    BARE(without_telemetry_nothing_is_sent),
    TEST(a_full_batch_goes_at_once),
    BARE(what_has_no_room_is_dropped_and_counted),
    BARE(spans_take_bounded_memory),
    BARE(nothing_keeps_the_loop_alive),
    BARE(what_will_pass_is_sent_again),
    BARE(retry_after_is_kept),
    BARE(what_will_not_pass_is_dropped),
    BARE(a_collector_that_stays_away_is_given_up),
    BARE(a_slow_collector_is_given_up),
    BARE(garbage_counts_as_what_its_status_says),
    BARE(no_http_at_all_is_given_up),
    BARE(rejected_spans_are_counted),
    BARE(bodies_are_compressed_if_wanted),
    BARE(headers_and_endpoints_are_those_that_are_given),
    BARE(a_share_of_the_traces_can_be_recorded),
    TEST(what_was_under_way_is_recorded_by_the_close),
    BARE(a_close_sends_again_at_once_what_waits),
    BARE(a_connection_that_was_closed_costs_nothing_at_the_close),
    BARE(a_collector_that_is_away_does_not_delay_the_close),
    BARE(statistics_can_be_had_while_the_rest_is_sent),
    BARE(memory_may_end_at_any_moment),
    cmocka_unit_test(texts_are_short_and_utf8),
    cmocka_unit_test(names_are_those_of_the_official_sdk),
  };
  return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
