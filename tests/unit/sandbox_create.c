/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a sandbox: what is sent, what is refused before, and what happens when the response is lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/same_json.h"

static const char post[] = "POST /api/sandbox";

/* The name in the body of a create request, in a static buffer. */
static const char *name_of(const char *request) {
  const char *name = json_at(api_body_of(request), "name");
  assert_non_null(name);
  return name;
}

static void answer_started(api_scene_t *scene) {
  api_answer(scene, post, 200, api_sandbox_json(scene, "sb-1", "started", ""));
}

/* --- the request ------------------------------------------------------------------------------- */

static void default_body_has_name_env_label_and_volumes(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_started(&scene);
  daytona_future_t *future = api_must(daytona_sandbox_create(scene.client, NULL));
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(future)), "sb-1");
  assert_int_equal(scene.request_count, 1);
  const char *request = api_request(&scene, post, 0);
  const char *name = name_of(request);
  char expected[256];
  assert_int_equal(strlen(name), 36);
  assert_true(name[8] == '-' && name[14] == '4' && name[23] == '-');
  snprintf(expected, sizeof expected,
           "{\"name\":\"%s\",\"env\":{},\"labels\":{\"code-toolbox-language\":\"python\"},\"volumes\":[]}",
           name);
  assert_same_json(api_body_of(request), expected);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void generated_names_differ(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_started(&scene);
  api_done(daytona_sandbox_create(scene.client, NULL));
  api_done(daytona_sandbox_create(scene.client, NULL));
  char first[128];
  snprintf(first, sizeof first, "%s", name_of(api_request(&scene, post, 0)));
  assert_string_not_equal(first, name_of(api_request(&scene, post, 1)));
  api_scene_close(&scene);
}

static void every_option_has_its_place_in_the_body(void **state) {
  (void)state;
  static const daytona_pair_t env[] = {{"A", "1"}, {"B", ""}};
  static const daytona_pair_t labels[] = {{"code-toolbox-language", "ruby"}, {"team", "\"x\"\xc3\xa9"}};
  static const daytona_pair_t secrets[] = {{"TOKEN", "s1"}, {"PASS", "s2"}};
  static const daytona_volume_mount_t volumes[] = {{"v1", "/data", NULL}, {"v2", "/more", "sub"}};
  const daytona_sandbox_create_opts_t opts = {.name = "n",
                                              .snapshot = "snap",
                                              .os_user = "root",
                                              .language = "typescript",
                                              .env = {env, 2},
                                              .labels = {labels, 2},
                                              .is_public = daytona_bool(false),
                                              .auto_stop_minutes = daytona_int(0),
                                              .auto_pause_minutes = daytona_int(0),
                                              .auto_archive_minutes = daytona_int(5),
                                              .auto_delete_minutes = daytona_int(-1),
                                              .ttl_minutes = daytona_int(0),
                                              .volumes = volumes,
                                              .volume_count = 2,
                                              .network_block_all = daytona_bool(true),
                                              .network_allow_list = "10.0.0.0/8",
                                              .domain_allow_list = "a.b",
                                              .secrets = {secrets, 2},
                                              .outbound_proxy_url = "http://p",
                                              .otel_endpoint_override = "http://o",
                                              .linked_sandbox = "other",
                                              .is_spot = daytona_bool(true)};
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.target = "eu";
  api_scene_client(&scene);
  answer_started(&scene);
  api_done(daytona_sandbox_create(scene.client, &opts));
  assert_same_json(
    api_body_of(api_request(&scene, post, 0)),
    "{\"name\":\"n\",\"snapshot\":\"snap\",\"user\":\"root\",\"env\":{\"A\":\"1\",\"B\":\"\"},"
    "\"labels\":{\"team\":\"\\\"x\\\"\xc3\xa9\",\"code-toolbox-language\":\"typescript\"},\"public\":false,"
    "\"target\":\"eu\",\"autoStopInterval\":0,\"autoPauseInterval\":0,\"autoArchiveInterval\":5,"
    "\"autoDeleteInterval\":-1,\"ttlMinutes\":0,\"volumes\":[{\"volumeId\":\"v1\",\"mountPath\":\"/data\"},"
    "{\"volumeId\":\"v2\",\"mountPath\":\"/more\",\"subpath\":\"sub\"}],\"secrets\":[{\"TOKEN\":\"s1\"},"
    "{\"PASS\":\"s2\"}],\"networkBlockAll\":true,\"networkAllowList\":\"10.0.0.0/"
    "8\",\"domainAllowList\":\"a.b\","
    "\"outboundProxyUrl\":\"http://p\",\"otelEndpointOverride\":\"http://o\",\"linkedSandbox\":\"other\","
    "\"spot\":true}");
  api_scene_close(&scene);
}

static void ephemeral_is_sent_as_delete_on_stop(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t opts = {
    .name = "", .snapshot = "", .is_ephemeral = true, .auto_delete_minutes = daytona_int(7)};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_started(&scene);
  api_done(daytona_sandbox_create(scene.client, &opts));
  const char *body = api_body_of(api_request(&scene, post, 0));
  assert_string_equal(json_at(body, "autoDeleteInterval"), "0");
  assert_null(json_at(body, "ephemeral"));
  assert_null(json_at(body, "snapshot"));
  assert_int_equal(strlen(name_of(api_request(&scene, post, 0))), 36);
  api_scene_close(&scene);
}

static void key_mode_sends_no_organization(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.organization_id = "org";
  api_scene_client(&scene);
  answer_started(&scene);
  api_done(daytona_sandbox_create(scene.client, NULL));
  const char *request = api_request(&scene, post, 0);
  assert_true(api_has_header(request, "Authorization", "Bearer key"));
  assert_true(api_has_header(request, "X-Daytona-Source", "sdk-c"));
  assert_true(api_has_header(request, "X-Daytona-SDK-Version", "0.205.1"));
  assert_true(api_has_header(request, "User-Agent", "sdk-c/" DAYTONA_VERSION));
  assert_true(api_has_header(request, "Accept", "application/json"));
  assert_true(api_has_header(request, "Content-Type", "application/json"));
  assert_false(api_has_header(request, "X-Daytona-Organization-ID", NULL));
  assert_false(api_has_header(request, "Expect", NULL));
  api_scene_close(&scene);
}

static void jwt_mode_sends_the_organization(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.api_key = NULL;
  scene.config.jwt_token = "a.b.c";
  scene.config.organization_id = "org";
  api_scene_client(&scene);
  answer_started(&scene);
  api_done(daytona_sandbox_create(scene.client, NULL));
  const char *request = api_request(&scene, post, 0);
  assert_true(api_has_header(request, "Authorization", "Bearer a.b.c"));
  assert_true(api_has_header(request, "X-Daytona-Organization-ID", "org"));
  api_scene_close(&scene);
}

static void bad_arguments_are_refused_before_anything_is_sent(void **state) {
  (void)state;
  static const daytona_pair_t no_value[] = {{"A", NULL}}, no_name[] = {{"", "x"}},
                              bad_text[] = {{"A", "\xff"}};
  static const daytona_volume_mount_t no_id[] = {{NULL, "/x", NULL}}, no_path[] = {{"v", "", NULL}};
  const daytona_sandbox_create_opts_t bad[] = {
    {.timeout_ms = -2},
    {.language = "ruby"},
    {.language = ""},
    {.auto_stop_minutes = daytona_int(-1)},
    {.auto_pause_minutes = daytona_int(-1)},
    {.auto_archive_minutes = daytona_int(-1)},
    {.ttl_minutes = daytona_int(-1)},
    {.auto_stop_minutes = daytona_int(1), .auto_pause_minutes = daytona_int(1)},
    {.auto_pause_minutes = daytona_int(1), .is_ephemeral = true},
    {.auto_pause_minutes = daytona_int(1), .auto_delete_minutes = daytona_int(0)},
    {.env = {NULL, 1}},
    {.env = {no_value, 1}},
    {.env = {no_name, 1}},
    {.env = {bad_text, 1}},
    {.labels = {no_value, 1}},
    {.secrets = {no_name, 1}},
    {.volume_count = 1},
    {.volumes = no_id, .volume_count = 1},
    {.volumes = no_path, .volume_count = 1},
    {.name = "\xc3\x28"},
    {.reserved = {0, 0, 1}},
  };
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, &bad[i]), DAYTONA_EINVAL);
    const char *message = daytona_future_error(future)->message;
    assert_int_equal(strncmp(message, "Failed to create sandbox: ", 26), 0);
    assert_true(strlen(message) > 40);
    daytona_future_release(future);
  }
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

/* --- a lost response ----------------------------------------------------------------------------- */

static const daytona_sandbox_create_opts_t named = {.name = "box"};
static const char by_name[] = "GET /api/sandbox/box";

/* Whatever leaves it open whether the sandbox was made. Status 0: the body is what the server does. */
static const struct {
  int status;
  const char *body;
  daytona_errcode_t code;
} lost[] = {
  {500, "{\"message\":\"boom\"}", DAYTONA_EINTERNAL},
  {502, "<html>bad</html>", DAYTONA_EBADGATEWAY},
  {503, "", DAYTONA_EUNAVAILABLE},
  {504, "{}", DAYTONA_ETIMEOUT},
  {408, "{}", DAYTONA_ETIMEOUT},
  {0, api_break, DAYTONA_ECONNECTION},
  {0, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n{\"id\":", DAYTONA_ETRUNCATED},
  {200, "", DAYTONA_EPROTOCOL},
  {200, "not JSON", DAYTONA_EPROTOCOL},
  {200, "[]", DAYTONA_EPROTOCOL},
  {200, "{\"state\":\"started\"}", DAYTONA_EPROTOCOL},
  {200, "{\"id\":\"\",\"state\":\"started\"}", DAYTONA_EPROTOCOL},
  {201, "{\"id\":7}", DAYTONA_EPROTOCOL},
};

enum { LOST_COUNT = sizeof lost / sizeof lost[0] };

static void (*serve)(peer_conn_t *conn, const char *request, size_t size);

/* A truncated response needs its connection ended. */
static void end_answers(peer_conn_t *conn, const char *request, size_t size) {
  serve(conn, request, size);
  if (strncmp(request, "POST", 4) == 0) peer_end(conn);
}

static void open_lost(api_scene_t *scene, size_t i) {
  api_scene_open(scene);
  serve = scene->peer.on_request;
  if (lost[i].code == DAYTONA_ETRUNCATED) scene->peer.on_request = end_answers;
  api_answer(scene, post, lost[i].status, lost[i].body);
}

static void lost_sandbox_is_found_at_once(void **state) {
  (void)state;
  for (size_t i = 0; i < LOST_COUNT; i++) {
    api_scene_t scene;
    open_lost(&scene, i);
    api_answer(&scene, by_name, 200, api_sandbox_json(&scene, "sb-9", "started", ""));
    daytona_future_t *future = api_must(daytona_sandbox_create(scene.client, &named));
    assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(future)), "sb-9");
    assert_int_equal(api_count(&scene, post), 1);
    assert_int_equal(api_count(&scene, by_name), 1);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

static void lost_sandbox_is_found_later_and_waited_for(void **state) {
  (void)state;
  for (size_t i = 0; i < LOST_COUNT; i++) {
    api_scene_t scene;
    open_lost(&scene, i);
    for (int n = 0; n < 3; n++) api_answer(&scene, by_name, 404, "{}");
    api_answer(&scene, by_name, 200, api_sandbox_json(&scene, "sb-9", "creating", ""));
    api_answer(&scene, "GET /api/sandbox/sb-9", 200, api_sandbox_json(&scene, "sb-9", "started", ""));
    daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
    int64_t passed = api_hurry(&scene, future, 50);
    assert_true(passed >= 1600 && passed <= 2000); /* 250 + 500 + 1000 */
    assert_int_equal(daytona_sandbox_state(daytona_future_sandbox(api_must(future))),
                     DAYTONA_SANDBOX_STARTED);
    assert_int_equal(api_count(&scene, post), 1);
    assert_int_equal(api_count(&scene, by_name), 4);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

static void sandbox_never_found_gives_the_first_error_with_the_name(void **state) {
  (void)state;
  for (size_t i = 0; i < LOST_COUNT; i++) {
    api_scene_t scene;
    open_lost(&scene, i);
    daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
    int64_t passed = api_hurry(&scene, future, 250);
    assert_true(passed >= 14000 && passed <= 18000);
    const daytona_error_t *error = daytona_future_error(api_must_fail(future, lost[i].code));
    assert_non_null(strstr(error->message, "no sandbox named box"));
    assert_int_equal(error->http_status / 100, lost[i].status / 100 != 0            ? lost[i].status / 100
                                               : lost[i].code == DAYTONA_ETRUNCATED ? 2
                                                                                    : 0);
    assert_int_equal(api_count(&scene, post), 1);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

/* The search ends in time for the first error to be told, not the limit that it ran into. */
static void short_limit_still_tells_the_first_error(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t opts = {.name = "box", .timeout_ms = 4000};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 500, "{\"message\":\"boom\"}");
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  int64_t passed = api_hurry(&scene, future, 100);
  assert_true(passed >= 3500 && passed <= 4100);
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_EINTERNAL));
  assert_non_null(strstr(error->message, "boom"));
  assert_non_null(strstr(error->message, "no sandbox named box"));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void silent_server_is_given_up_at_three_quarters(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t opts = {.name = "box", .timeout_ms = 8000};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 0, api_silence);
  api_answer(&scene, by_name, 200, api_sandbox_json(&scene, "sb-9", "started", ""));
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  api_until_requests(&scene, 1);
  api_advance(&scene, 5500);
  api_spin(&scene, 20);
  assert_int_equal(scene.request_count, 1);
  api_advance(&scene, 500);
  uint64_t now = uv_hrtime();
  api_until_requests(&scene, 2);
  assert_true(uv_hrtime() - now < 500 * 1000000u); /* a limit that is another one would need real time */
  api_must(future);
  assert_int_equal(api_count(&scene, post), 1);
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(future)), "sb-9");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void search_survives_errors_of_its_own(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 502, "");
  api_answer(&scene, by_name, 503, "");
  api_answer(&scene, by_name, 200, "rubbish");
  api_answer(&scene, by_name, 0, api_break);
  api_answer(&scene, by_name, 200, api_sandbox_json(&scene, "sb-9", "started", ""));
  daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
  api_hurry(&scene, future, 50);
  api_done(future);
  assert_int_equal(api_count(&scene, post), 1);
  api_scene_close(&scene);
}

static void found_sandbox_in_an_error_state_fails_with_its_reason(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 500, "");
  const char *json = api_sandbox_json(&scene, "sb-9", "error", ",\"errorReason\":\"no runner\"");
  api_answer(&scene, by_name, 200, json);
  api_answer(&scene, "GET /api/sandbox/sb-9", 200, json);
  daytona_future_t *future =
    api_must_fail(daytona_sandbox_create(scene.client, &named), DAYTONA_ESANDBOX_FAILED);
  api_says(future, "sb-9");
  api_says(future, "no runner");
  daytona_future_release(future);
  api_scene_close(&scene);
}

/* --- what is not ambiguous --------------------------------------------------------------------- */

static void refusals_are_not_looked_into(void **state) {
  (void)state;
  static const struct {
    int status;
    daytona_errcode_t code;
  } refusals[] = {{400, DAYTONA_EINVAL},         {401, DAYTONA_EAUTH},     {402, DAYTONA_EFAILED},
                  {403, DAYTONA_EFORBIDDEN},     {404, DAYTONA_ENOTFOUND}, {409, DAYTONA_ECONFLICT},
                  {422, DAYTONA_EUNPROCESSABLE}, {429, DAYTONA_ERATELIMIT}};
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    api_answer(&scene, post, refusals[i].status, "{\"message\":\"no\"}");
    daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, &named), refusals[i].code);
    api_says(future, "Failed to create sandbox: no");
    assert_int_equal(scene.request_count, 1);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

static void failure_to_connect_is_repeated_and_not_looked_into(void **state) {
  (void)state;
  char url[64];
  api_scene_t scene;
  api_scene_open_bare(&scene);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/api", peer_dead_port());
  scene.config.api_url = url;
  api_scene_client(&scene);
  daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
  int64_t passed = api_hurry(&scene, future, 50);
  assert_true(passed >= 700 && passed <= 1100); /* 250 and 500, and at most 100 more each */
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_ECONNECTION));
  assert_int_equal(error->attempts, 3);
  assert_null(strstr(error->message, "carried out"));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void rate_limit_with_a_time_is_waited_for(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer_with(&scene, post, 429, "Retry-After-sandbox-create: 3\r\n", "{}");
  answer_started(&scene);
  daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
  int64_t passed = api_hurry(&scene, future, 100);
  assert_true(passed >= 2900 && passed <= 3300);
  api_done(future);
  assert_int_equal(api_count(&scene, post), 2);
  assert_int_equal(scene.request_count, 2);
  assert_string_equal(api_body_of(api_request(&scene, post, 0)), api_body_of(api_request(&scene, post, 1)));
  api_scene_close(&scene);
}

/* --- after the request ------------------------------------------------------------------------- */

static void failed_poll_names_the_sandbox(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
  api_answer(&scene, "GET /api/sandbox/sb-1", 500, "{\"message\":\"boom\"}");
  daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, &named), DAYTONA_EINTERNAL);
  api_says(future, "boom");
  api_says(future, "box");
  assert_int_equal(api_count(&scene, "GET /api/sandbox/sb-1"), 2);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void limit_on_the_whole_names_the_sandbox(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
  api_answer(&scene, "GET /api/sandbox/sb-1", 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
  daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
  int64_t passed = api_hurry(&scene, future, 100);
  assert_true(passed >= 58000 && passed <= 60100);
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_EDEADLINE));
  static const char *const said[] = {"box", "60000 ms", "sb-1", "creating"};
  for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) api_says(future, said[i]);
  assert_string_equal(error->sandbox, "sb-1");
  assert_int_equal(api_count(&scene, "DELETE /api/sandbox/sb-1"), 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void no_timeout_waits_for_a_silent_server(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t opts = {.name = "box", .timeout_ms = DAYTONA_NO_TIMEOUT};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 0, api_silence);
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  api_until_requests(&scene, 1);
  for (int hour = 0; hour < 24; hour++) {
    api_advance(&scene, 3600 * 1000);
    api_spin(&scene, 5);
  }
  assert_false(daytona_future_is_settled(future));
  assert_int_equal(scene.request_count, 1);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_scene_close(&scene);
}

static void cancel_ends_each_phase(void **state) {
  (void)state;
  for (int phase = 0; phase < 5; phase++) {
    api_scene_t scene;
    api_scene_open(&scene);
    if (phase <= 1) api_answer(&scene, post, 0, api_silence);
    if (phase == 2 || phase == 3)
      api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
    if (phase == 3) api_answer(&scene, "GET /api/sandbox/sb-1", 0, api_silence);
    if (phase == 2)
      api_answer(&scene, "GET /api/sandbox/sb-1", 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
    if (phase == 4) api_answer(&scene, post, 500, "");
    daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
    if (phase != 0) api_until_requests(&scene, phase == 1 ? 1 : 2);
    if (phase == 2 || phase == 4) api_settle(&scene);
    assert_false(daytona_future_is_settled(future));
    size_t before = scene.request_count;
    api_answer(&scene, "DELETE /api/sandbox/sb-1", 200, "");
    daytona_future_cancel(future);
    const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_ECANCELED));
    if (phase == 0)
      assert_null(error->sandbox);
    else
      assert_string_equal(error->sandbox, phase == 2 || phase == 3 ? "sb-1" : "box");
    daytona_future_release(future);
    api_settle(&scene);
    api_advance(&scene, 30000);
    api_spin(&scene, 20);
    /* Only what this call has certainly made is deleted. */
    assert_int_equal(api_count(&scene, "DELETE /api/sandbox/sb-1"), phase == 2 || phase == 3 ? 1 : 0);
    assert_int_equal(scene.request_count, before + (phase == 2 || phase == 3 ? 1 : 0));
    assert_int_equal(before, phase == 0 ? 0 : phase == 1 ? 1 : 2);
    assert_int_equal(scene.client->starting, 0);
    api_scene_close(&scene);
  }
}

/* The name was made up by the client, so it is nobody else's; the sandbox comes into being a while later. */
static void cancel_deletes_by_a_name_of_its_own_until_it_is_there(void **state) {
  (void)state;
  api_scene_t scene;
  char line[128];
  api_scene_open(&scene);
  api_answer(&scene, post, 0, api_silence);
  daytona_future_t *future = daytona_sandbox_create(scene.client, NULL);
  api_until_requests(&scene, 1);
  const char *name = name_of(api_request(&scene, post, 0));
  snprintf(line, sizeof line, "DELETE /api/sandbox/%s", name);
  api_answer(&scene, line, 404, "");
  api_answer(&scene, line, 409, "");
  api_answer(&scene, line, 200, "");
  daytona_future_cancel(future);
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_ECANCELED));
  assert_string_equal(error->sandbox, name);
  assert_non_null(strstr(error->message, name));
  daytona_future_release(future);
  for (int i = 0; i < 20; i++) {
    api_settle(&scene);
    api_advance(&scene, 500);
  }
  assert_int_equal(api_count(&scene, line), 3);
  api_scene_close(&scene);
}

static void cancel_gives_up_deleting_after_ten_seconds(void **state) {
  (void)state;
  api_scene_t scene;
  char line[128];
  api_scene_open(&scene);
  api_answer(&scene, post, 0, api_silence);
  daytona_future_t *future = daytona_sandbox_create(scene.client, NULL);
  api_until_requests(&scene, 1);
  snprintf(line, sizeof line, "DELETE /api/sandbox/%s", name_of(api_request(&scene, post, 0)));
  api_answer(&scene, line, 404, "");
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  for (int i = 0; i < 60; i++) {
    api_settle(&scene);
    api_advance(&scene, 500);
  }
  size_t count = api_count(&scene, line);
  assert_true(count >= 15 && count <= 20);
  api_scene_close(&scene);
}

static void cancel_and_close_leave_alone_what_they_should(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t keeping = {.keeps_on_cancel = true};
  for (int closes = 0; closes <= 1; closes++) {
    api_scene_t scene;
    api_scene_open(&scene);
    api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
    api_answer(&scene, "GET /api/sandbox/sb-1", 0, api_silence);
    daytona_future_t *future = daytona_sandbox_create(scene.client, closes ? NULL : &keeping);
    api_until_requests(&scene, 2);
    if (closes)
      api_scene_close_client(&scene);
    else
      daytona_future_cancel(future);
    const daytona_error_t *error =
      daytona_future_error(api_must_fail(future, closes ? DAYTONA_ECLOSED : DAYTONA_ECANCELED));
    assert_string_equal(error->sandbox, "sb-1");
    daytona_future_release(future);
    if (!closes) {
      api_settle(&scene);
      api_advance(&scene, 30000);
      api_spin(&scene, 20);
    }
    api_scene_close(&scene);
    assert_int_equal(scene.request_count, 2);
  }
}

static void a_wrong_base_url_is_named(void **state) {
  (void)state;
  static const char *const answers[] = {"404 page not found",
                                        "{\"statusCode\":404,\"source\":\"DAYTONA_PROXY\",\"code\":\"NOT_"
                                        "FOUND\",\"message\":\"not found: not found\"}"};
  for (size_t i = 0; i < 2; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    api_answer(&scene, post, 404, answers[i]);
    daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, NULL), DAYTONA_ENOTFOUND);
    assert_non_null(strstr(daytona_future_error(future)->message, scene.api_url));
    assert_non_null(strstr(daytona_future_error(future)->message, "api_url"));
    assert_int_equal(scene.request_count, 1);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

/* A redirect that is not followed, or a response that is no HTTP: nothing was made, nothing is looked for. */
static void what_was_not_carried_out_is_not_looked_for(void **state) {
  (void)state;
  static const char *const answers[] = {
    "HTTP/1.1 301 Moved\r\nLocation: https://api.example.invalid/sandbox\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /api/sandbox/\r\nContent-Length: 0\r\n\r\n",
    "\x15\x03\x03 this is TLS",
  };
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    scene.peer.ends_after_answer = true;
    api_answer(&scene, post, 0, answers[i]);
    daytona_future_t *future = daytona_sandbox_create(scene.client, NULL);
    api_hurry(&scene, future, 100);
    api_fails(future, DAYTONA_EPROTOCOL);
    assert_int_equal(scene.request_count, 1);
    api_scene_close(&scene);
  }
}

/* With these a server says that it does not carry such requests out; the pages are those of web servers. */
static void server_without_the_method_is_not_asked_for_the_sandbox(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } answers[] = {{501, "<html><title>Unsupported method ('POST')</title></html>", DAYTONA_EFAILED},
                 {501, "", DAYTONA_EFAILED},
                 {505, "", DAYTONA_EFAILED},
                 {511, "<html>log in to this network</html>", DAYTONA_EFAILED},
                 {404, "<html>not found</html>", DAYTONA_ENOTFOUND},
                 {404, "", DAYTONA_ENOTFOUND},
                 {405, "<html>not allowed</html>", DAYTONA_EFAILED},
                 {405, "", DAYTONA_EFAILED}};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    api_answer(&scene, post, answers[i].status, answers[i].body);
    daytona_future_t *future = daytona_sandbox_create(scene.client, &named);
    api_hurry(&scene, future, 100);
    api_must_fail(future, answers[i].code);
    assert_int_equal(daytona_future_error(future)->http_status, answers[i].status);
    assert_null(daytona_future_error(future)->sandbox);
    daytona_future_release(future);
    assert_int_equal(scene.request_count, 1);
    api_scene_close(&scene);
  }
}

static void create_and_cancel(void *user) {
  api_scene_t *scene = user;
  daytona_future_t *future = daytona_sandbox_create(scene->client, NULL);
  while (!daytona_future_is_settled(future) && api_count(scene, "GET /api/sandbox/sb-1") == 0)
    uv_run(&scene->uv, UV_RUN_ONCE);
  daytona_future_cancel(future);
  while (!daytona_future_is_settled(future)) uv_run(&scene->uv, UV_RUN_ONCE);
  daytona_future_release(future);
  api_settle(scene);
  for (size_t i = 0; i < scene->request_count; i++) free(scene->requests[i]);
  scene->request_count = 0;
}

static void every_allocation_of_a_cancelled_create_may_fail(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "creating", ""));
  api_answer(&scene, "GET /api/sandbox/sb-1", 0, api_silence);
  api_answer(&scene, "DELETE /api/sandbox/sb-1", 200, "");
  create_and_cancel(&scene);
  support_alloc_sweep(create_and_cancel, &scene);
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(default_body_has_name_env_label_and_volumes),
    cmocka_unit_test(generated_names_differ),
    cmocka_unit_test(every_option_has_its_place_in_the_body),
    cmocka_unit_test(ephemeral_is_sent_as_delete_on_stop),
    cmocka_unit_test(key_mode_sends_no_organization),
    cmocka_unit_test(jwt_mode_sends_the_organization),
    cmocka_unit_test(bad_arguments_are_refused_before_anything_is_sent),
    cmocka_unit_test(lost_sandbox_is_found_at_once),
    cmocka_unit_test(lost_sandbox_is_found_later_and_waited_for),
    cmocka_unit_test(sandbox_never_found_gives_the_first_error_with_the_name),
    cmocka_unit_test(short_limit_still_tells_the_first_error),
    cmocka_unit_test(silent_server_is_given_up_at_three_quarters),
    cmocka_unit_test(search_survives_errors_of_its_own),
    cmocka_unit_test(found_sandbox_in_an_error_state_fails_with_its_reason),
    cmocka_unit_test(refusals_are_not_looked_into),
    cmocka_unit_test(failure_to_connect_is_repeated_and_not_looked_into),
    cmocka_unit_test(rate_limit_with_a_time_is_waited_for),
    cmocka_unit_test(failed_poll_names_the_sandbox),
    cmocka_unit_test(limit_on_the_whole_names_the_sandbox),
    cmocka_unit_test(no_timeout_waits_for_a_silent_server),
    cmocka_unit_test(cancel_ends_each_phase),
    cmocka_unit_test(cancel_deletes_by_a_name_of_its_own_until_it_is_there),
    cmocka_unit_test(cancel_gives_up_deleting_after_ten_seconds),
    cmocka_unit_test(cancel_and_close_leave_alone_what_they_should),
    cmocka_unit_test(every_allocation_of_a_cancelled_create_may_fail),
    cmocka_unit_test(a_wrong_base_url_is_named),
    cmocka_unit_test(what_was_not_carried_out_is_not_looked_for),
    cmocka_unit_test(server_without_the_method_is_not_asked_for_the_sandbox),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
