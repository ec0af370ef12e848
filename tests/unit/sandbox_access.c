/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into a sandbox: preview links, signed ones, SSH permissions. Exact paths and queries, what is refused before
 * anything is sent, and what the responses become.
 */
#define _GNU_SOURCE /* memmem() */

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"

#define PORTS "/api/sandbox/sb-1/ports/"
#define SSH "/api/sandbox/sb-1/ssh-access"

static void preview_link_has_its_port(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET " PORTS "3000/preview-url", 200,
             "{\"sandboxId\":\"sb-1\",\"url\":\"http://u\",\"token\":\"t\"}");
  daytona_future_t *future = api_must(daytona_sandbox_get_preview_link(sandbox, 3000, NULL));
  const daytona_preview_link_t *link = daytona_future_preview_link(future);
  assert_int_equal(link->port, 3000);
  assert_string_equal(link->url, "http://u");
  assert_string_equal(link->token, "t");
  assert_string_equal(link->sandbox_id, "sb-1");
  assert_string_equal(api_line_of(scene.requests[0]), "GET " PORTS "3000/preview-url");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void signed_link_says_how_long_if_asked(void **state) {
  (void)state;
  const daytona_sandbox_create_signed_preview_url_opts_t opts = {.expires_in_seconds = daytona_int(86400)};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET " PORTS "1/signed-preview-url", 200, "{\"url\":\"u\",\"token\":\"t\",\"port\":7}");
  api_done(daytona_sandbox_create_signed_preview_url(sandbox, 1, NULL));
  daytona_future_t *future = api_must(daytona_sandbox_create_signed_preview_url(sandbox, 1, &opts));
  assert_int_equal(daytona_future_preview_link(future)->port, 7);
  assert_wrong_accessor(daytona_future_ssh_access(future));
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[0]), "GET " PORTS "1/signed-preview-url");
  assert_string_equal(api_line_of(scene.requests[1]),
                      "GET " PORTS "1/signed-preview-url?expiresInSeconds=86400");
  api_close_with(&scene, sandbox);
}

static void signed_link_is_ended_by_its_token(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " PORTS "65535/signed-preview-url/a%2Fb%20c/expire", 204, "");
  daytona_future_t *future =
    api_must(daytona_sandbox_expire_signed_preview_url(sandbox, 65535, "a/b c", NULL));
  assert_wrong_accessor(daytona_future_preview_link(future));
  daytona_future_release(future);
  assert_string_equal(api_body_of(scene.requests[0]), "");
  api_close_with(&scene, sandbox);
}

static void bad_ports_and_times_are_refused(void **state) {
  (void)state;
  static const int ports[] = {0, -1, 65536, 1 << 30};
  const daytona_sandbox_create_signed_preview_url_opts_t bad[] = {{.expires_in_seconds = daytona_int(0)},
                                                                  {.expires_in_seconds = daytona_int(-1)},
                                                                  {.expires_in_seconds = daytona_int(86401)},
                                                                  {.timeout_ms = -9}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (int i = 0; i < 4; i++) {
    api_fails(daytona_sandbox_get_preview_link(sandbox, ports[i], NULL), DAYTONA_EINVAL);
    api_fails(daytona_sandbox_create_signed_preview_url(sandbox, ports[i], NULL), DAYTONA_EINVAL);
    api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, ports[i], "t", NULL), DAYTONA_EINVAL);
    api_fails(daytona_sandbox_create_signed_preview_url(sandbox, 80, &bad[i]), DAYTONA_EINVAL);
  }
  api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, 80, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, 80, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, 80, "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, 80, "\xff", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

static void links_without_an_address_are_malformed(void **state) {
  (void)state;
  static const char *const bodies[] = {"", "{}", "{\"url\":null}", "{\"url\":7}",
                                       "{\"url\":\"u\",\"port\":\"x\"}"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    api_answer(&scene, "GET " PORTS "80/preview-url", 200, bodies[i]);
    api_fails(daytona_sandbox_get_preview_link(sandbox, 80, NULL), DAYTONA_EPROTOCOL);
  }
  api_close_with(&scene, sandbox);
}

/* --- secrets ----------------------------------------------------------------------------------- */

static const char secret[] = "hush-hush-token";
static int secrets_seen;

/* Every block begins zeroed to its end, so that what is found in it was written by the library. */
static void *plain_malloc(size_t size, void *user) {
  (void)user;
  void *block = malloc(size);
  if (block != NULL) memset(block, 0, malloc_usable_size(block));
  return block;
}
static void *plain_calloc(size_t count, size_t size, void *user) {
  return size != 0 && count > SIZE_MAX / size ? NULL : plain_malloc(count * size, user);
}
static void watching_free(void *block, void *user) {
  (void)user;
  size_t size = block != NULL ? malloc_usable_size(block) : 0;
  if (memmem(block, size, secret, sizeof secret - 1) != NULL) secrets_seen++;
  free(block);
}

static void *plain_realloc(void *block, size_t size, void *user) {
  size_t old = block != NULL ? malloc_usable_size(block) : 0;
  void *moved = plain_malloc(size, user);
  if (moved == NULL || block == NULL) return moved;
  memcpy(moved, block, old < size ? old : size);
  watching_free(block, NULL);
  return moved;
}

static void tokens_are_wiped_when_they_are_freed(void **state) {
  (void)state;
  const daytona_allocator_t watching = {plain_malloc, plain_calloc, plain_realloc, watching_free, NULL};
  char body[128];
  api_scene_t scene;
  api_scene_open_bare(&scene);
  assert_int_equal(daytona_memory_set_allocator(&watching), 0);
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  snprintf(body, sizeof body, "{\"token\":\"%s\",\"url\":\"u\"}", secret);
  api_answer(&scene, "POST " SSH, 200, body);
  api_answer(&scene, "GET " PORTS "80/preview-url", 200, body);
  api_answer(&scene, "DELETE " SSH, 200, "{}");
  api_answer(&scene, "GET /api/sandbox/ssh-access/validate", 200, "{\"valid\":false}");
  secrets_seen = 0;
  api_done(daytona_sandbox_create_ssh_access(sandbox, NULL));
  assert_int_equal(secrets_seen, 0);
  api_done(daytona_sandbox_get_preview_link(sandbox, 80, NULL));
  assert_int_equal(secrets_seen, 0);
  api_done(daytona_sandbox_revoke_ssh_access(sandbox, secret, NULL));
  api_done(daytona_sandbox_validate_ssh_access(sandbox, secret, NULL));
  assert_int_equal(secrets_seen, 0);
  api_fails(daytona_sandbox_expire_signed_preview_url(sandbox, 80, secret, NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(secrets_seen, 0);
  api_close_with(&scene, sandbox);
}

static void ssh_access_travels_in_the_query(void **state) {
  (void)state;
  const daytona_sandbox_create_ssh_access_opts_t opts = {.expires_in_minutes = daytona_num(0.5)};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " SSH, 200,
             "{\"id\":\"i\",\"sandboxId\":\"sb-1\",\"token\":\"t\",\"expiresAt\":\"e\",\"createdAt\":\"c\","
             "\"updatedAt\":\"u\",\"sshCommand\":\"ssh t@h\"}");
  api_done(daytona_sandbox_create_ssh_access(sandbox, NULL));
  daytona_future_t *future = api_must(daytona_sandbox_create_ssh_access(sandbox, &opts));
  const daytona_ssh_access_t *access = daytona_future_ssh_access(future);
  assert_string_equal(access->token, "t");
  assert_string_equal(access->expires_at, "e");
  assert_string_equal(access->ssh_command, "ssh t@h");
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[0]), "POST " SSH);
  assert_string_equal(api_body_of(scene.requests[0]), "");
  assert_string_equal(api_line_of(scene.requests[1]), "POST " SSH "?expiresInMinutes=0.5");
  api_close_with(&scene, sandbox);
}

/* Without its token the server would withdraw all. */
static void revoking_always_names_the_token(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "DELETE " SSH, 200, "{}");
  api_done(daytona_sandbox_revoke_ssh_access(sandbox, "a+b&c=d", NULL));
  assert_string_equal(api_line_of(scene.requests[0]), "DELETE " SSH "?token=a%2Bb%26c%3Dd");
  assert_false(api_has_header(scene.requests[0], "X-Daytona-Organization-ID", NULL));
  api_fails(daytona_sandbox_revoke_ssh_access(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_revoke_ssh_access(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_revoke_ssh_access(sandbox, "\xff", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

static void validation_has_no_sandbox_in_its_path(void **state) {
  (void)state;
  static const char line[] = "GET /api/sandbox/ssh-access/validate";
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, line, 200, "{\"valid\":true,\"sandboxId\":\"sb-1\"}");
  api_answer(&scene, line, 200, "{\"valid\":false}");
  daytona_future_t *good = api_must(daytona_sandbox_validate_ssh_access(sandbox, "t", NULL));
  daytona_future_t *bad = api_must(daytona_sandbox_validate_ssh_access(sandbox, "u", NULL));
  assert_true(daytona_future_ssh_validation(good)->is_valid);
  assert_string_equal(daytona_future_ssh_validation(good)->sandbox_id, "sb-1");
  assert_false(daytona_future_ssh_validation(bad)->is_valid);
  assert_string_equal(daytona_future_ssh_validation(bad)->sandbox_id, "");
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/sandbox/ssh-access/validate?token=t");
  daytona_future_release(good);
  daytona_future_release(bad);
  api_close_with(&scene, sandbox);
}

static void bad_ssh_times_are_refused(void **state) {
  (void)state;
  const double bad[] = {0, -1, NAN, INFINITY, -INFINITY};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const daytona_sandbox_create_ssh_access_opts_t opts = {.expires_in_minutes = daytona_num(bad[i])};
    api_fails(daytona_sandbox_create_ssh_access(sandbox, &opts), DAYTONA_EINVAL);
  }
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

/* A permission is not made twice: its response was lost, and the server may have made it. */
static void lost_answer_to_a_post_is_not_asked_for_again(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " SSH, 0, api_break);
  daytona_future_t *future = daytona_sandbox_create_ssh_access(sandbox, NULL);
  api_hurry(&scene, future, 100);
  api_fails(future, DAYTONA_ECONNECTION);
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(preview_link_has_its_port),
    cmocka_unit_test(signed_link_says_how_long_if_asked),
    cmocka_unit_test(signed_link_is_ended_by_its_token),
    cmocka_unit_test(bad_ports_and_times_are_refused),
    cmocka_unit_test(links_without_an_address_are_malformed),
    cmocka_unit_test(tokens_are_wiped_when_they_are_freed),
    cmocka_unit_test(ssh_access_travels_in_the_query),
    cmocka_unit_test(revoking_always_names_the_token),
    cmocka_unit_test(validation_has_no_sandbox_in_its_path),
    cmocka_unit_test(bad_ssh_times_are_refused),
    cmocka_unit_test(lost_answer_to_a_post_is_not_asked_for_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
