/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox lets in and out, and URLs to its files: exact requests, what is refused before anything is sent, and
 * signatures that others verify.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call/sandbox_object.h"
#include "core/ascii.h"
#include "net/digest.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

#define BASE "/api/sandbox/sb-1"
#define KEY "GET " BASE "/signing-key"

/* --- settings ---------------------------------------------------------------------------------- */

static void minutes_travel_in_the_path(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " BASE "/autopause/60", 200,
             api_sandbox_json(&scene, "sb-1", "started", ",\"autoPauseInterval\":60,\"autoStopInterval\":0"));
  api_answer(&scene, "POST " BASE "/ttl/5", 201,
             api_sandbox_json(&scene, "sb-1", "started", ",\"autoDestroyAt\":\"2026-11-30T10:00:00Z\""));
  daytona_future_t *future = api_must(daytona_sandbox_set_auto_pause_interval(sandbox, 60, NULL));
  assert_ptr_equal(daytona_future_sandbox(future), sandbox);
  assert_int_equal(daytona_sandbox_info(sandbox)->auto_pause_minutes.value, 60);
  daytona_future_release(future);
  api_done(daytona_sandbox_set_ttl(sandbox, 5, NULL));
  assert_string_equal(daytona_sandbox_info(sandbox)->auto_destroy_at, "2026-11-30T10:00:00Z");
  api_fails(daytona_sandbox_set_auto_pause_interval(sandbox, -1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_set_ttl(sandbox, -1, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void public_is_spelled_in_lower_case(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " BASE "/public/true", 200,
             api_sandbox_json(&scene, "sb-1", "started", ",\"public\":true"));
  api_answer(&scene, "POST " BASE "/public/false", 200, "");
  api_done(daytona_sandbox_set_public(sandbox, true, NULL));
  assert_true(daytona_sandbox_info(sandbox)->is_public);
  api_done(daytona_sandbox_set_public(sandbox, false, NULL)); /* any 2xx is enough */
  assert_string_equal(api_body_of(scene.requests[0]), "");
  api_close_with(&scene, sandbox);
}

static void network_settings_send_what_is_given(void **state) {
  (void)state;
  const daytona_sandbox_update_network_settings_opts_t block = {.network_block_all = daytona_bool(true)},
                                                       lists = {.network_allow_list =
                                                                  "10.0.0.0/8,192.168.1.0/24",
                                                                .domain_allow_list = ""},
                                                       open = {.network_block_all = daytona_bool(false)},
                                                       nothing = {.timeout_ms = 9};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(
    &scene, "POST " BASE "/network-settings", 200,
    api_sandbox_json(&scene, "sb-1", "started",
                     ",\"networkBlockAll\":true,\"networkAllowList\":null,\"domainAllowList\":\"d\""));
  api_done(daytona_sandbox_update_network_settings(sandbox, &block));
  assert_true(daytona_sandbox_info(sandbox)->network_block_all);
  assert_null(daytona_sandbox_info(sandbox)->network_allow_list);
  assert_string_equal(daytona_sandbox_info(sandbox)->domain_allow_list, "d");
  api_done(daytona_sandbox_update_network_settings(sandbox, &lists));
  api_done(daytona_sandbox_update_network_settings(sandbox, &open));
  assert_same_json(api_body_of(scene.requests[0]), "{\"networkBlockAll\":true}");
  assert_same_json(api_body_of(scene.requests[1]),
                   "{\"networkAllowList\":\"10.0.0.0/8,192.168.1.0/24\",\"domainAllowList\":\"\"}");
  assert_same_json(api_body_of(scene.requests[2]), "{\"networkBlockAll\":false}");
  api_fails(daytona_sandbox_update_network_settings(sandbox, &nothing), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_update_network_settings(sandbox, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 3);
  api_close_with(&scene, sandbox);
}

static void secrets_are_pairs_and_none_detaches_all(void **state) {
  (void)state;
  static const daytona_pair_t pairs[] = {{"TOKEN", "pkg_key"}, {"DB", "db-pass"}}, bad[] = {{"a-b", "n"}};
  const daytona_map_t secrets = {pairs, 2}, misnamed = {bad, 1};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "PUT " BASE "/secrets", 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  api_done(daytona_sandbox_update_secrets(sandbox, &secrets, NULL));
  api_done(daytona_sandbox_update_secrets(sandbox, NULL, NULL));
  assert_same_json(api_body_of(scene.requests[0]),
                   "{\"secrets\":[{\"TOKEN\":\"pkg_key\"},{\"DB\":\"db-pass\"}]}");
  assert_same_json(api_body_of(scene.requests[1]), "{\"secrets\":[]}");
  api_fails(daytona_sandbox_update_secrets(sandbox, &misnamed, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void environment_is_set_and_unset(void **state) {
  (void)state;
  static const char *const names[] = {"OLD", "OLDER"};
  static const daytona_pair_t pairs[] = {{"A", "b"}}, bad[] = {{"A=", "b"}};
  const daytona_map_t env = {pairs, 1}, misnamed = {bad, 1};
  const daytona_sandbox_update_env_opts_t opts = {.unset = {names, 2}, .unset_value_prefix = "tmp-"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST /toolbox/sb-1/env", 200, "{\"A\":\"b\"}");
  api_done(daytona_sandbox_update_env(sandbox, &env, &opts));
  api_done(daytona_sandbox_update_env(sandbox, NULL, &opts));
  assert_same_json(api_body_of(scene.requests[0]),
                   "{\"set\":{\"A\":\"b\"},\"unset\":[\"OLD\",\"OLDER\"],\"unsetValuePrefix\":\"tmp-\"}");
  assert_same_json(api_body_of(scene.requests[1]),
                   "{\"set\":{},\"unset\":[\"OLD\",\"OLDER\"],\"unsetValuePrefix\":\"tmp-\"}");
  api_fails(daytona_sandbox_update_env(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_update_env(sandbox, &misnamed, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

/* --- URLs to files ------------------------------------------------------------------------------ */

static void url_has_the_signature_of_the_protocol(void **state) {
  (void)state;
  const daytona_sandbox_file_url_opts_t never = {.expires_in_seconds = daytona_int(0)};
  char expected[512];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer_with(&scene, KEY, 200, "Content-Type: text/plain\r\n", "k3y");
  daytona_future_t *future = api_must(daytona_sandbox_download_url(sandbox, "/home/daytona/a b.txt", &never));
  snprintf(expected, sizeof expected,
           "%s/sb-1/files/download?path=/home/daytona/a%%20b.txt&expires=0&signature="
           "v1_Zw1bbZOFGUVabaT3kn05U8gm88FnyBH9zKnboYIi2dI",
           scene.toolbox_url);
  assert_string_equal(daytona_future_string(future), expected);
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

/* What a server does with the URL. */
static void verify(const char *url, const char *route, const char *verb, const char *key, int64_t life_s) {
  char text[256], encoded[DAYTONA__BASE64_ROOM(DAYTONA__SHA256_SIZE)];
  unsigned char mac[DAYTONA__SHA256_SIZE];
  const char *expires = strstr(url, "expires=") + 8, *signature = strstr(url, "signature=v1_") + 13;
  int64_t until = strtoll(expires, NULL, 10), now = (int64_t)time(NULL);
  assert_non_null(strstr(url, route));
  assert_in_range(until, now + life_s - 5, now + life_s);
  snprintf(text, sizeof text, "v1:files:%s:out.bin:%.*s", verb, (int)strcspn(expires, "&"), expires);
  assert_int_equal(daytona__hmac_sha256(key, strlen(key), text, strlen(text), mac), 0);
  daytona__base64_url(encoded, mac, sizeof mac);
  assert_string_equal(signature, encoded);
}

static void key_is_kept_for_a_while_and_rotated(void **state) {
  (void)state;
  const daytona_sandbox_file_url_opts_t short_lived = {.expires_in_seconds = daytona_int(60)};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer_with(&scene, KEY, 200, "Content-Type: text/html\r\n", "first-key");
  api_answer(&scene, KEY, 200, "\"second-key\""); /* as JSON */
  api_answer_with(&scene, "POST " BASE "/signing-key/rotate", 200, "Content-Type: text/plain\r\n",
                  "third-key");
  api_answer(&scene, "POST " BASE "/signing-key/rotate", 204, "");
  daytona_future_t *future = api_must(daytona_sandbox_download_url(sandbox, "out.bin", NULL));
  verify(daytona_future_string(future), "/files/download?", "GET", "first-key", 3600);
  daytona_future_release(future);
  future = api_must(daytona_sandbox_upload_url(sandbox, "out.bin", &short_lived));
  verify(daytona_future_string(future), "/files/upload-v2?", "POST", "first-key", 60);
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 1);
  api_advance(&scene, 15000);
  future = api_must(daytona_sandbox_upload_url(sandbox, "out.bin", NULL));
  verify(daytona_future_string(future), "/files/upload-v2?", "POST", "second-key", 3600);
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 2);
  api_done(daytona_sandbox_rotate_signing_key(sandbox, NULL));
  future = api_must(daytona_sandbox_download_url(sandbox, "out.bin", NULL));
  verify(daytona_future_string(future), "/files/download?", "GET", "third-key", 3600);
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 3);
  /* A rotation whose response does not show the key: the old one must not be used any more. */
  api_done(daytona_sandbox_rotate_signing_key(sandbox, NULL));
  api_done(daytona_sandbox_download_url(sandbox, "out.bin", NULL));
  assert_int_equal(scene.request_count, 5);
  api_close_with(&scene, sandbox);
}

static void what_is_no_key_signs_nothing(void **state) {
  (void)state;
  static const char *const bodies[] = {"", "{\"key\":\"k\"}", "\"\"", "\"a b\"", "null", "7"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    api_forget(&scene, KEY);
    api_answer(&scene, KEY, 200, bodies[i]);
    api_fails(daytona_sandbox_download_url(sandbox, "x", NULL), DAYTONA_EPROTOCOL);
  }
  api_forget(&scene, KEY);
  api_fails(daytona_sandbox_download_url(sandbox, "x", NULL), DAYTONA_ENOTFOUND);
  size_t before = scene.request_count;
  api_fails(daytona_sandbox_download_url(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_download_url(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_upload_url(sandbox, "\xff", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, before);
  api_close_with(&scene, sandbox);
}

static void toolbox_is_found_first(void **state) {
  (void)state;
  char body[128];
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox_at(&scene, NULL, "started");
  snprintf(body, sizeof body, "{\"url\":\"%s\"}", scene.toolbox_url);
  api_answer(&scene, "GET " BASE "/toolbox-proxy-url", 200, body);
  api_answer(&scene, KEY, 200, "\"k\"");
  daytona_future_t *future = api_must(daytona_sandbox_download_url(sandbox, "x", NULL));
  assert_true(strncmp(daytona_future_string(future), scene.toolbox_url, strlen(scene.toolbox_url)) == 0);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(minutes_travel_in_the_path),
    cmocka_unit_test(public_is_spelled_in_lower_case),
    cmocka_unit_test(network_settings_send_what_is_given),
    cmocka_unit_test(secrets_are_pairs_and_none_detaches_all),
    cmocka_unit_test(environment_is_set_and_unset),
    cmocka_unit_test(url_has_the_signature_of_the_protocol),
    cmocka_unit_test(key_is_kept_for_a_while_and_rotated),
    cmocka_unit_test(what_is_no_key_signs_nothing),
    cmocka_unit_test(toolbox_is_found_first),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
