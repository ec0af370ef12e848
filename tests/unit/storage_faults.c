/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads whose storage fails: at every request, before and after it was carried out, once and for good; credentials that
 * expire; cancels and closes at every moment; a storage that says what no storage should; no memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/storage.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/storage_scene.h"

enum { PARTS = 4, REQUESTS = 3 + PARTS }; /* HEAD, POST, the parts, POST */

static storage_scene_t *scene_of(void **state) { return *state; }

/* What the script does at request number `at`, counted from when the plan was made; or at those that match. */
static struct {
  size_t from, at, times;
  const char *match; /* a part of the query; with `verb`: instead of `at` */
  const char *verb;
  int what;
  size_t done;
} plan;

static bool is_planned(const s3_request_t *request) {
  if (plan.match != NULL)
    return strcmp(request->verb, plan.verb) == 0 && strstr(request->query, plan.match) != NULL;
  return request->index - plan.from == plan.at;
}

static int by_plan(s3_peer_t *s3, const s3_request_t *request) {
  (void)s3;
  if (!is_planned(request) || plan.done >= plan.times) return S3_DO;
  plan.done++;
  return plan.what;
}

static void plan_at(storage_scene_t *scene, size_t at, int what) {
  memset(&plan, 0, sizeof plan);
  plan.from = scene->s3.requests;
  plan.at = at;
  plan.what = what;
  plan.times = 1;
  scene->s3.script = by_plan;
}

static void plan_for(storage_scene_t *scene, const char *verb, const char *match, size_t times, int what) {
  plan_at(scene, 0, what);
  plan.verb = verb;
  plan.match = match;
  plan.times = times;
}

static daytona_future_t *run(storage_scene_t *scene) {
  daytona_future_t *future = storage_upload(scene);
  storage_hurry(scene, future);
  return future;
}

/* The storage is as it was at first. */
static void forget(storage_scene_t *scene) {
  s3_peer_forget(&scene->s3);
  for (size_t i = 0; i < scene->s3.upload_count; i++) assert_false(scene->s3.uploads[i].is_open);
  scene->s3.upload_count = 0;
  scene->s3.aborts = scene->s3.completions = 0;
}

/* --- failures that pass ------------------------------------------------------------------------ */

static void a_failure_at_any_request_passes(void **state) {
  storage_scene_t *scene = scene_of(state);
  static const struct {
    int what;
    const char *code;
  } faults[] = {{S3_DROP, ""},     {S3_DO_AND_DROP, ""},    {500, "InternalError"},
                {503, "SlowDown"}, {400, "RequestTimeout"}, {502, "?"},
                {429, "?"}};
  storage_file_of_parts(scene, PARTS);
  for (size_t fault = 0; fault < sizeof faults / sizeof faults[0]; fault++)
    for (size_t at = 0; at < REQUESTS; at++) {
      if (at == 0 && faults[fault].what == 400)
        continue; /* a HEAD does not say why: a list is asked instead */
      plan_at(scene, at, faults[fault].what);
      scene->s3.s3_code = faults[fault].code;
      daytona_future_t *future = run(scene);
      if (daytona_future_code(future) != DAYTONA_OK)
        fail_msg("fault %d at %zu: %s", faults[fault].what, at, daytona_future_message(future));
      assert_int_equal(plan.done, 1);
      daytona_future_release(future);
      storage_holds_file(scene);
      /* A beginning whose answer was lost has no name by which it could be aborted. */
      bool is_lost = at == 1 && faults[fault].what == S3_DO_AND_DROP;
      assert_int_equal(s3_peer_open_uploads(&scene->s3), is_lost);
      if (is_lost) scene->s3.uploads[0].is_open = false;
      assert_int_equal(scene->s3.aborts, 0);
      forget(scene);
    }
}

static void only_the_part_that_failed_is_sent_again(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  plan_for(scene, "PUT", "partNumber=2&", 3, S3_DROP);
  daytona_future_release(api_must(run(scene)));
  assert_int_equal(s3_peer_count(&scene->s3, "PUT partNumber=1&"), 1);
  assert_int_equal(s3_peer_count(&scene->s3, "PUT partNumber=2&"), 4);
  assert_int_equal(s3_peer_count(&scene->s3, "PUT partNumber=3&"), 1);
  assert_int_equal(s3_peer_count(&scene->s3, "POST uploads="), 1);
  storage_holds_file(scene);
}

static void an_upload_whose_completion_was_lost_is_found(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  plan_for(scene, "POST", "uploadId=", 1, S3_DO_AND_DROP);
  daytona_future_release(api_must(run(scene)));
  assert_int_equal(scene->s3.completions, 1);
  assert_int_equal(s3_peer_count(&scene->s3, "HEAD"), 2);
}

/* --- failures that do not ---------------------------------------------------------------------- */

static void a_failure_for_good_is_reported_and_aborted(void **state) {
  storage_scene_t *scene = scene_of(state);
  static const struct {
    int what;
    const char *code;
    daytona_errcode_t error;
    size_t most; /* attempts */
  } faults[] = {
    {403, "AccessDenied", DAYTONA_EFORBIDDEN, 1},   {403, "SignatureDoesNotMatch", DAYTONA_EAUTH, 1},
    {404, "NoSuchBucket", DAYTONA_ENOTFOUND, 1},    {400, "EntityTooLarge", DAYTONA_ELIMIT, 1},
    {301, "PermanentRedirect", DAYTONA_EFAILED, 1}, {500, "InternalError", DAYTONA_EINTERNAL, 11},
    {503, "SlowDown", DAYTONA_ERATELIMIT, 11},      {S3_DROP, "", DAYTONA_ECONNECTION, 11}};
  static const struct {
    const char *verb, *match;
    bool is_begun;
  } places[] = {{"POST", "uploads=", false},
                {"PUT", "partNumber=1&", true},
                {"PUT", "partNumber=4&", true},
                {"POST", "uploadId=", true}};
  storage_file_of_parts(scene, PARTS);
  for (size_t fault = 0; fault < sizeof faults / sizeof faults[0]; fault++)
    for (size_t place = 0; place < sizeof places / sizeof places[0]; place++) {
      plan_for(scene, places[place].verb, places[place].match, 1000, faults[fault].what);
      scene->s3.s3_code = faults[fault].code;
      daytona_future_t *future = run(scene);
      const daytona_error_t *error = daytona_future_error(future);
      if (error == NULL || !daytona_error_is(error, faults[fault].error))
        fail_msg("%s at %s: %s", faults[fault].code, places[place].match,
                 daytona_errcode_name(daytona_future_code(future)));
      assert_true(plan.done <= faults[fault].most);
      if (faults[fault].what >= 100) {
        assert_string_equal(error->server_code, faults[fault].code);
        assert_string_equal(error->source, "OBJECT_STORAGE");
        assert_int_equal(error->http_status, faults[fault].what);
        assert_string_equal(error->request_id, "r-1");
      }
      assert_int_equal(error->attempts, plan.done);
      daytona_future_release(future);
      assert_int_equal(s3_peer_open_uploads(&scene->s3), 0); /* when it is reported nothing is left */
      assert_int_equal(scene->s3.aborts, places[place].is_begun);
      assert_int_equal(scene->s3.object_count, 0);
      forget(scene);
    }
}

static void one_request_fails_for_good_as_well(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file(scene, 10);
  plan_for(scene, "PUT", "", 1000, 403);
  scene->s3.s3_code = "AccessDenied";
  api_fails(run(scene), DAYTONA_EFORBIDDEN);
  plan_for(scene, "HEAD", "", 1000, 500);
  api_fails(run(scene), DAYTONA_EINTERNAL);
  assert_int_equal(scene->s3.aborts, 0);
}

static const char *truncated;

/* Before any part behind the second is read. */
static int truncate_at_plan(s3_peer_t *s3, const s3_request_t *request) {
  (void)s3;
  if (is_planned(request)) assert_int_equal(truncate(truncated, 5000), 0);
  return S3_DO;
}

static int fail_and_refuse_abort(s3_peer_t *s3, const s3_request_t *request) {
  s3->s3_code = strcmp(request->verb, "DELETE") == 0 ? "AccessDenied" : "NoSuchBucket";
  if (strcmp(request->verb, "DELETE") == 0) return s3->user != NULL ? S3_SILENCE : 403;
  return strstr(request->query, "partNumber=3&") != NULL ? 404 : S3_DO;
}

/* The platform's credentials may not abort. */
static void an_abort_that_is_refused_changes_nothing(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  scene->s3.script = fail_and_refuse_abort;
  daytona_future_t *future = run(scene);
  assert_int_equal(daytona_future_code(future), DAYTONA_ENOTFOUND);
  assert_string_equal(daytona_future_error(future)->server_code, "NoSuchBucket");
  daytona_future_release(future);
  assert_int_equal(s3_peer_count(&scene->s3, "DELETE"), 1);
  scene->s3.user = scene; /* and one that is not answered holds it up for a moment only */
  future = storage_upload(scene);
  while (s3_peer_count(&scene->s3, "DELETE") != 2) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_advance(&scene->api, DAYTONA__STORAGE_ABORT_MAX_MS - 100);
  api_spin(&scene->api, 5);
  assert_true(daytona__future_is_pending(future));
  api_advance(&scene->api, 200);
  api_spin(&scene->api, 5);
  assert_false(daytona__future_is_pending(future));
  api_fails(future, DAYTONA_ENOTFOUND);
}

/* The local file fails while the response that names the upload is on its way. */
static void a_failure_during_the_beginning_is_aborted_as_well(void **state) {
  storage_scene_t *scene = scene_of(state);
  for (int i = 0; i < 2; i++) {
    scene->s3.holds_creates = true;
    daytona__storage_part_size = 512 * 1024; /* several reads of the file each */
    storage_file(scene, 4 << 20);
    plan_at(scene, 1, S3_DO);
    scene->s3.script = truncate_at_plan;
    truncated = scene->file;
    daytona_future_t *future = storage_upload(scene);
    storage_until_requests(scene, plan.from + 2);
    api_until_no_job(&scene->api);
    api_spin(&scene->api, 20);
    assert_true(daytona__future_is_pending(future));
    if (i == 0)
      s3_peer_release(&scene->s3);
    else /* which is waited for, but not for long */
      api_advance(&scene->api, DAYTONA__STORAGE_ABORT_MAX_MS + 10);
    api_fails(future, DAYTONA_EIO);
    assert_int_equal(scene->s3.aborts, i == 0);
    assert_int_equal(s3_peer_open_uploads(&scene->s3), i);
    for (size_t n = 0; n < scene->s3.upload_count; n++) scene->s3.uploads[n].is_open = false;
    forget(scene);
  }
}

static const char *const secrets[] = {"the-secret-of-s3", "token-of-a-session"};

/* A storage that shows what it has signed itself shows the token. */
static void credentials_are_in_no_error(void **state) {
  storage_scene_t *scene = scene_of(state);
  char answer[1024];
  const char *body =
    "<Error><Code>SignatureDoesNotMatch</Code><Message>token-of-a-session, the-secret-of-s3</Message>"
    "<CanonicalRequest>x-amz-security-token:token-of-a-session</CanonicalRequest></Error>";
  snprintf(answer, sizeof answer,
           "HTTP/1.1 403 X\r\nX-Token: token-of-a-session\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
           body);
  storage_file_of_parts(scene, PARTS);
  plan_for(scene, "PUT", "partNumber=1&", 1000, S3_RAW);
  scene->s3.s3_raw = answer;
  daytona_future_t *future = run(scene);
  const daytona_error_t *error = daytona_future_error(future);
  assert_int_equal(error->code, DAYTONA_EAUTH);
  for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
    assert_null(strstr(error->message, secrets[i]));
    assert_null(strstr(error->body, secrets[i]));
    assert_string_not_equal(daytona_error_header(error, "X-Token"), secrets[i]);
  }
  daytona_future_release(future);
}

/* --- credentials that expire ------------------------------------------------------------------- */

/* From now on the storage wants another token, which the control plane gives out. */
static void expire(storage_scene_t *scene) {
  snprintf(scene->s3.token, sizeof scene->s3.token, "token-number-%zu", scene->s3.requests);
  api_forget(&scene->api, STORAGE_ACCESS);
  api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
}

static storage_scene_t *expiring;

/* At the planned moment the token expires; who comes with another than the newest one is refused. */
static int expire_at(s3_peer_t *s3, const s3_request_t *request) {
  char line[128];
  if (plan.done == 0 && is_planned(request)) {
    plan.done = 1;
    expire(expiring);
  }
  snprintf(line, sizeof line, "x-amz-security-token: %s\r\n", s3->token);
  s3->s3_code = "ExpiredToken";
  return strstr(request->text, line) != NULL ? S3_DO : 400;
}

static void credentials_that_expire_are_asked_for_anew(void **state) {
  storage_scene_t *scene = scene_of(state);
  expiring = scene;
  storage_file_of_parts(scene, PARTS);
  for (size_t at = 0; at < REQUESTS; at++) {
    size_t asked = api_count(&scene->api, STORAGE_ACCESS),
           created = s3_peer_count(&scene->s3, "POST uploads=");
    plan_at(scene, at, 0);
    scene->s3.script = expire_at;
    daytona_future_release(api_must(run(scene)));
    storage_holds_file(scene);
    assert_int_equal(plan.done, 1);
    assert_int_equal(api_count(&scene->api, STORAGE_ACCESS) - asked, 2); /* once for all parts in flight */
    if (at > 1) assert_int_equal(s3_peer_count(&scene->s3, "POST uploads=") - created, 1); /* it goes on */
    assert_int_equal(scene->s3.aborts, 0);
    forget(scene);
  }
}

static int always_expired(s3_peer_t *s3, const s3_request_t *request) {
  s3->s3_code = "ExpiredToken";
  return strcmp(request->verb, "PUT") == 0 ? 400 : S3_DO;
}

static void credentials_that_always_expire_are_given_up(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  scene->s3.script = always_expired;
  daytona_future_t *future = run(scene);
  assert_int_equal(daytona_future_code(future), DAYTONA_EAUTH);
  assert_string_equal(daytona_future_error(future)->server_code, "ExpiredToken");
  daytona_future_release(future);
  assert_in_range(api_count(&scene->api, STORAGE_ACCESS), 2, 6);
  assert_int_equal(s3_peer_open_uploads(&scene->s3), 0);
}

static void new_credentials_may_be_refused_or_lead_elsewhere(void **state) {
  storage_scene_t *scene = scene_of(state);
  char elsewhere[512], *bucket;
  storage_file_of_parts(scene, PARTS);
  snprintf(elsewhere, sizeof elsewhere, "%s", s3_peer_access(&scene->s3));
  bucket = strstr(elsewhere, "\"bucket\":\"daytona\"");
  memcpy(bucket, "\"bucket\":\"another\"", 18);
  for (int i = 0; i < 2; i++) {
    api_forget(&scene->api, STORAGE_ACCESS);
    api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
    if (i == 0)
      api_answer(&scene->api, STORAGE_ACCESS, 401, "{\"message\":\"who are you\"}");
    else
      api_answer(&scene->api, STORAGE_ACCESS, 200, elsewhere);
    scene->s3.script = always_expired;
    daytona_future_t *future = run(scene);
    assert_int_equal(daytona_future_code(future), i == 0 ? DAYTONA_EAUTH : DAYTONA_EPROTOCOL);
    assert_non_null(strstr(daytona_future_message(future), i == 0 ? "who are you" : "has moved"));
    daytona_future_release(future);
    forget(scene);
  }
}

static void credentials_of_the_program_are_not_renewed(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_upload_opts_t opts = {
    .archive_path = "f",
    .credentials = {.endpoint_url = peer_url(&scene->s3.peer, ""),
                    .access_key = scene->s3.access_key,
                    .secret_key = scene->s3.secret,
                    .session_token = scene->s3.token,
                    .bucket = "daytona",
                    .organization_id = "org-1"}};
  storage_file_of_parts(scene, PARTS);
  scene->s3.script = always_expired;
  daytona_future_t *future = daytona_object_storage_upload(scene->api.client, scene->file, &opts);
  storage_hurry(scene, future);
  api_fails(future, DAYTONA_EAUTH);
  assert_int_equal(scene->api.request_count, 0);
}

static int skewed(s3_peer_t *s3, const s3_request_t *request) {
  s3->s3_code = "RequestTimeTooSkewed"; /* its Date header says the 30th of November 2026, 12:00 */
  return strstr(request->text, "x-amz-date: 20261130T12") != NULL ? S3_DO : 403;
}

static void a_wrong_clock_is_set_by_the_storage(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  scene->s3.script = skewed;
  daytona_future_release(api_must(run(scene)));
  storage_holds_file(scene);
}

/* --- looking ----------------------------------------------------------------------------------- */

static int refuse_looks(s3_peer_t *s3, const s3_request_t *request) {
  s3->s3_code = "AccessDenied";
  if (strcmp(request->verb, "HEAD") == 0) return 403;
  return strcmp(request->verb, "GET") == 0 && s3->user != NULL ? 403 : S3_DO;
}

static void where_a_look_is_refused_a_list_is_asked(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  scene->s3.script = refuse_looks;
  daytona_future_release(api_must(run(scene)));
  storage_holds_file(scene);
  assert_memory_equal(scene->s3.log[1], "GET list-type=2&max-keys=1&prefix=org-1%2F", 42);
  daytona_future_t *future = api_must(run(scene));
  assert_true(daytona_future_object_storage_result(future)->was_there);
  daytona_future_release(future);
  scene->s3.user = scene; /* and where that is refused as well, it is sent */
  future = api_must(run(scene));
  assert_false(daytona_future_object_storage_result(future)->was_there);
  daytona_future_release(future);
}

/* --- what no storage should say ---------------------------------------------------------------- */

static void hostile_answers_are_errors(void **state) {
  storage_scene_t *scene = scene_of(state);
  static const struct {
    const char *verb, *match, *headers, *body;
  } cases[] = {
    {"POST", "uploads=", "", ""},
    {"POST", "uploads=", "", "<html>"},
    {"POST", "uploads=", "", "<InitiateMultipartUploadResult/>"},
    {"POST", "uploads=", "", "<I><UploadId></UploadId></I>"},
    {"POST", "uploads=", "", "<!DOCTYPE x [<!ENTITY a \"b\">]><I><UploadId>&a;</UploadId></I>"},
    {"POST", "uploads=", "", "@LONG@"},
    {"PUT", "partNumber=2&", "", ""},
    {"PUT", "partNumber=2&", "ETag: \r\n", ""},
    {"PUT", "partNumber=2&", "ETag: </ETag><ETag>\r\n", ""},
    {"POST", "uploadId=", "", "<Error><Code>InvalidPart</Code><Message>no</Message></Error>"},
  };
  storage_file_of_parts(scene, PARTS);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    static char answer[8192], id[4096];
    const char *body = cases[i].body;
    if (strcmp(body, "@LONG@") == 0) {
      int used = snprintf(id, sizeof id, "<I><UploadId>");
      memset(id + used, 'u', 1500);
      strcpy(id + used + 1500, "</UploadId></I>");
      body = id;
    }
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s", cases[i].headers,
             strlen(body), body);
    plan_for(scene, cases[i].verb, cases[i].match, 1000, S3_RAW);
    scene->s3.s3_raw = answer;
    daytona_future_t *future = run(scene);
    if (daytona_future_code(future) == DAYTONA_OK) fail_msg("case %zu succeeds", i);
    daytona_future_release(future);
    assert_int_equal(s3_peer_open_uploads(&scene->s3), 0);
    assert_int_equal(scene->s3.object_count, 0);
    forget(scene);
  }
}

static void a_redirect_is_not_followed(void **state) {
  storage_scene_t *scene = scene_of(state);
  char answer[256];
  s3_peer_t other;
  s3_peer_open(&other, &scene->api.uv);
  snprintf(answer, sizeof answer, "HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
           peer_url(&other.peer, "/"));
  scene->s3.s3_raw = answer;
  storage_file_of_parts(scene, PARTS);
  for (size_t at = 0; at < REQUESTS; at++) {
    plan_at(scene, at, S3_RAW);
    plan.times = 1000;
    daytona_future_t *future = run(scene);
    assert_int_not_equal(daytona_future_code(future), DAYTONA_OK);
    daytona_future_release(future);
    assert_int_equal(other.peer.accepted, 0);
    storage_until_clean(scene);
    forget(scene);
  }
  s3_peer_close(&other);
}

/* --- cancel and close -------------------------------------------------------------------------- */

static void a_cancel_leaves_nothing_at_any_moment(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  size_t cancelled = 0;
  for (int turns = 0; turns < 120; turns++) {
    daytona_future_t *future = storage_upload(scene);
    api_spin(&scene->api, turns / 2);
    if (turns % 2 != 0) api_until_no_job(&scene->api);
    cancelled += daytona__future_is_pending(future);
    daytona_future_cancel(future);
    daytona_future_release(future);
    api_settle(&scene->api);
    api_until_no_job(&scene->api);
    api_settle(&scene->api);
    assert_int_equal(s3_peer_open_uploads(&scene->s3), 0);
    if (scene->s3.object_count != 0) storage_holds_file(scene);
    forget(scene);
  }
  assert_true(cancelled > 20);
}

/* At every request, while its answer is waited for. */
static void a_cancel_aborts_what_was_begun(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  for (size_t at = 0; at < REQUESTS; at++) {
    size_t before = scene->s3.requests;
    plan_at(scene, at, S3_SILENCE);
    if (at == 1) plan.what = S3_DO; /* it is cancelled before the answer has come */
    daytona_future_t *future = storage_upload(scene);
    storage_until_requests(scene, before + at + 1);
    daytona_future_cancel(future);
    api_fails(future, DAYTONA_ECANCELED);
    api_settle(&scene->api);
    storage_until_clean(scene);
    assert_int_equal(scene->s3.aborts, at >= 1);
    assert_int_equal(scene->s3.object_count, 0);
    forget(scene);
  }
}

/* An abort in the background that gets no answer ends by itself. */
static void an_abort_in_the_background_is_bounded(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  plan_for(scene, "DELETE", "uploadId", 1000, S3_SILENCE);
  daytona_future_t *future = storage_upload(scene);
  storage_until_requests(scene, 3);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  while (plan.done == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_true(uv_loop_alive(&scene->api.uv));
  size_t in_flight, waiting;
  api_advance(&scene->api, DAYTONA__STORAGE_ABORT_MAX_MS + 10);
  api_spin(&scene->api, 20);
  daytona__http_counts(scene->api.client->http, &in_flight, &waiting);
  assert_int_equal(in_flight + waiting, 0);
}

static void a_close_sends_nothing_at_any_moment(void **state) {
  for (int turns = 0; turns < 90; turns++) {
    storage_scene_t *scene = scene_of(state);
    storage_file_of_parts(scene, PARTS);
    daytona_future_t *future = storage_upload(scene);
    api_spin(&scene->api, turns / 2);
    if (turns % 2 != 0) api_until_no_job(&scene->api);
    size_t requests = scene->s3.requests;
    bool is_pending = daytona__future_is_pending(future);
    api_scene_close_client(&scene->api);
    if (is_pending)
      api_fails(future, DAYTONA_ECLOSED);
    else
      daytona_future_release(future);
    while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
    assert_true(scene->s3.requests <= requests + DAYTONA__STORAGE_PARALLEL_DEFAULT); /* what was on its way */
    assert_int_equal(s3_peer_count(&scene->s3, "DELETE"), 0);
    assert_int_equal(storage_scene_close(state), 0);
    assert_int_equal(storage_scene_open(state), 0);
  }
}

static void a_close_ends_an_abort_in_the_background(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, PARTS);
  plan_for(scene, "DELETE", "uploadId", 1000, S3_SILENCE);
  daytona_future_t *future = storage_upload(scene);
  storage_until_requests(scene, 3);
  daytona_future_cancel(future);
  daytona_future_release(future);
  while (plan.done == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_scene_close_client(&scene->api);
  while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void with_little_memory(void *user) {
  storage_scene_t *scene = user;
  daytona_future_t *future = storage_upload(scene);
  storage_hurry(scene, future);
  int code = daytona_future_code(future);
  if (code != 0 && code != DAYTONA_ENOMEM && !daytona_errcode_is(code, DAYTONA_ECONNECTION))
    fail_msg("%s", daytona_errcode_name(code));
  if (code == 0) storage_holds_file(scene);
  daytona_future_release(future);
  support_alloc_heal();
  api_settle(&scene->api);
  api_until_no_job(&scene->api);
  for (size_t i = 0; i < scene->s3.upload_count; i++) scene->s3.uploads[i].is_open = false;
  forget(scene);
  scene->s3.requests = 0;
}

static void every_allocation_may_fail(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, 3);
  with_little_memory(scene);
  support_alloc_sweep(with_little_memory, scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, storage_scene_open, storage_scene_close)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_failure_at_any_request_passes),
    TEST(only_the_part_that_failed_is_sent_again),
    TEST(an_upload_whose_completion_was_lost_is_found),
    TEST(a_failure_for_good_is_reported_and_aborted),
    TEST(one_request_fails_for_good_as_well),
    TEST(an_abort_that_is_refused_changes_nothing),
    TEST(a_failure_during_the_beginning_is_aborted_as_well),
    TEST(credentials_are_in_no_error),
    TEST(credentials_that_expire_are_asked_for_anew),
    TEST(credentials_that_always_expire_are_given_up),
    TEST(new_credentials_may_be_refused_or_lead_elsewhere),
    TEST(credentials_of_the_program_are_not_renewed),
    TEST(a_wrong_clock_is_set_by_the_storage),
    TEST(where_a_look_is_refused_a_list_is_asked),
    TEST(hostile_answers_are_errors),
    TEST(a_redirect_is_not_followed),
    TEST(a_cancel_leaves_nothing_at_any_moment),
    TEST(a_cancel_aborts_what_was_begun),
    TEST(an_abort_in_the_background_is_bounded),
    TEST(a_close_sends_nothing_at_any_moment),
    TEST(a_close_ends_an_abort_in_the_background),
    TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests_name("storage_faults", tests, NULL, NULL);
}
