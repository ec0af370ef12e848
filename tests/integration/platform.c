/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the platform has besides sandboxes, against daytona-local: secrets, warm pools, metrics, pauses, forks, snapshots of
 * sandboxes, the entrypoint.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/session.h"

/* --- secrets ----------------------------------------------------------------------------------- */

static char *new_secret(session_t *session, const char *name, const char *value) {
  daytona_future_t *made = api_must(daytona_secret_create(session->client, name, value, NULL));
  char *id = strdup(daytona_future_secret(made)->id);
  daytona_future_release(made);
  return id;
}

static void secret_lives_without_its_value(void **state) {
  session_t *session = *state;
  const char *hosts[] = {"example.com", "*.example.org"};
  const daytona_secret_create_opts_t opts = {.description = "of a test", .hosts = {hosts, 2}};
  daytona_future_t *made = api_must(daytona_secret_create(session->client, "pkg_key", "s3cret value", &opts));
  const daytona_secret_t *secret = daytona_future_secret(made);
  assert_string_equal(secret->name, "pkg_key");
  assert_string_equal(secret->description, "of a test");
  assert_int_equal(secret->hosts.count, 2);
  assert_true(strncmp(secret->placeholder, "dtn_secret_", 11) == 0);
  api_fails_as(daytona_secret_create(session->client, "pkg_key", "other", NULL), DAYTONA_ECONFLICT);
  const daytona_secret_update_opts_t update = {.description = "changed", .removes_hosts = true};
  daytona_future_t *changed = api_must(daytona_secret_update(session->client, secret->id, &update));
  assert_string_equal(daytona_future_secret(changed)->description, "changed");
  assert_int_equal(daytona_future_secret(changed)->hosts.count, 0);
  daytona_future_release(changed);
  daytona_future_t *got = api_must(daytona_secret_get(session->client, secret->id, NULL));
  assert_string_equal(daytona_future_secret(got)->id, secret->id);
  daytona_future_release(got);
  api_done(daytona_secret_delete(session->client, secret->id, NULL));
  api_fails_as(daytona_secret_get(session->client, secret->id, NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_secret_update(session->client, secret->id, &update), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_secret_delete(session->client, secret->id, NULL), DAYTONA_ENOTFOUND);
  daytona_future_release(made);
}

enum { SECRETS = 5 };

static void secrets_are_listed_and_walked_over(void **state) {
  session_t *session = *state;
  char *ids[SECRETS], name[16];
  for (int i = 0; i < SECRETS; i++) {
    snprintf(name, sizeof name, "walk_%d", i);
    ids[i] = new_secret(session, name, "v");
  }
  const daytona_secret_list_opts_t opts = {
    .name = "walk_", .limit = daytona_int(2), .sort = "name", .order = "asc"};
  daytona_future_t *page = api_must(daytona_secret_list(session->client, &opts));
  assert_int_equal(daytona_future_secret_page(page)->total, SECRETS);
  assert_int_equal(daytona_future_secret_page(page)->count, 2);
  assert_non_null(daytona_future_secret_page(page)->next_cursor);
  daytona_future_release(page);
  daytona_secret_iter_t *iter;
  assert_int_equal(daytona_secret_iter_new(session->client, &opts, &iter), 0);
  for (int i = 0;; i++) {
    daytona_future_t *step = api_must(daytona_secret_iter_next(iter));
    const daytona_secret_t *secret = daytona_future_secret(step);
    if (secret == NULL) assert_int_equal(i, SECRETS);
    if (secret != NULL) assert_string_equal(secret->id, ids[i]);
    daytona_future_release(step);
    if (secret == NULL) break;
  }
  daytona_secret_iter_release(iter);
  for (int i = 0; i < SECRETS; i++) {
    api_done(daytona_secret_delete(session->client, ids[i], NULL));
    free(ids[i]);
  }
}

static void sandbox_is_given_secrets_and_loses_them(void **state) {
  session_t *session = *state;
  char *id = new_secret(session, "attached", "the value");
  daytona_pair_t pair = {"TOKEN", "attached"}, other = {"OTHER", "attached"}, unknown = {"TOKEN", "unknown"};
  daytona_sandbox_create_opts_t opts = {.secrets = {&pair, 1}};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  session_expect(sandbox, "printf %s \"$TOKEN\"", 0, "the value");
  assert_null(daytona_map_value(&daytona_sandbox_info(sandbox)->env, "TOKEN"));
  api_done(daytona_sandbox_update_secrets(sandbox, &(daytona_map_t){&other, 1}, NULL));
  session_expect(sandbox, "printf %s \"$TOKEN:$OTHER\"", 0, ":the value");
  api_done(daytona_sandbox_update_secrets(sandbox, NULL, NULL));
  session_expect(sandbox, "printf %s \"$TOKEN:$OTHER\"", 0, ":");
  api_fails_as(daytona_sandbox_update_secrets(sandbox, &(daytona_map_t){&unknown, 1}, NULL),
               DAYTONA_ENOTFOUND);
  opts.secrets = (daytona_map_t){&unknown, 1};
  api_fails_as(daytona_sandbox_create(session->client, &opts), DAYTONA_ENOTFOUND);
  session_delete(sandbox);
  api_done(daytona_secret_delete(session->client, id, NULL));
  free(id);
}

/* --- warm pools -------------------------------------------------------------------------------- */

static int64_t ready_in(session_t *session, const char *id) {
  daytona_future_t *listed = api_must(daytona_warm_pool_list(session->client, NULL));
  const daytona_warm_pool_list_t *pools = daytona_future_warm_pool_list(listed);
  int64_t count = -1;
  for (size_t i = 0; i < pools->count; i++)
    if (strcmp(pools->items[i]->id, id) == 0) count = pools->items[i]->ready_count;
  daytona_future_release(listed);
  return count;
}

static void warm_pool_is_filled_and_serves_creates(void **state) {
  static const char snapshot[] = "daytona-local/default:1.0";
  session_t *session = *state;
  daytona_future_t *made = api_must(daytona_warm_pool_create(session->client, snapshot, 1, NULL));
  const daytona_warm_pool_t *pool = daytona_future_warm_pool(made);
  assert_int_equal(pool->size, 1);
  assert_string_equal(pool->os_user, "daytona");
  api_fails_as(daytona_warm_pool_create(session->client, snapshot, 1, NULL), DAYTONA_ECONFLICT);
  api_fails_as(daytona_warm_pool_create(session->client, "unknown", 1, NULL), DAYTONA_ENOTFOUND);
  while (ready_in(session, pool->id) < 1) uv_sleep(20);
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(sandbox, "test $DAYTONA_SANDBOX_ID = $(hostname) && echo same", 0, "same\n");
  daytona_future_t *changed = api_must(daytona_warm_pool_update(session->client, pool->id, 0, NULL));
  assert_int_equal(daytona_future_warm_pool(changed)->size, 0);
  daytona_future_release(changed);
  api_done(daytona_warm_pool_delete(session->client, pool->id, NULL));
  assert_int_equal(ready_in(session, pool->id), -1);
  api_fails_as(daytona_warm_pool_update(session->client, pool->id, 1, NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_warm_pool_delete(session->client, pool->id, NULL), DAYTONA_ENOTFOUND);
  daytona_future_release(made);
  session_delete(sandbox);
}

/* --- metrics ----------------------------------------------------------------------------------- */

static void metrics_have_a_past(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_future_t *latest = api_must(daytona_sandbox_get_metrics_latest(sandbox, NULL));
  assert_int_equal(daytona_future_sandbox_metrics(latest)->memory_total_bytes, INT64_C(1) << 30);
  daytona_future_t *past = api_must(daytona_sandbox_get_metrics(sandbox, NULL));
  const daytona_sandbox_metrics_list_t *list = daytona_future_sandbox_metrics_list(past);
  assert_true(list->count >= 1);
  const daytona_sandbox_metrics_t *first = list->items[0];
  assert_non_null(first->timestamp);
  assert_true(first->cpu_count >= 1 && first->cpu_used_pct >= 0 && first->cpu_used_pct <= 100);
  assert_int_equal(first->memory_total_bytes, INT64_C(1) << 30);
  assert_true(first->memory_used_bytes > 0 && first->memory_used_bytes < first->memory_total_bytes);
  assert_true(first->disk_used_bytes > 0 && first->disk_used_bytes < first->disk_total_bytes);
  const daytona_sandbox_get_metrics_opts_t before = {.start = "2001-01-01T00:00:00Z",
                                                     .end = "2002-01-01T00:00:00Z"};
  daytona_future_t *none = api_must(daytona_sandbox_get_metrics(sandbox, &before));
  assert_int_equal(daytona_future_sandbox_metrics_list(none)->count, 0);
  daytona_future_release(none);
  daytona_future_release(past);
  daytona_future_release(latest);
  session_delete(sandbox);
}

/* --- copies and pauses ------------------------------------------------------------------------- */

#define VM "daytona-local/vm:1.0"

static void virtual_machine_is_paused_and_resumed(void **state) {
  session_t *session = *state;
  daytona_sandbox_create_opts_t opts = {.snapshot = VM, .auto_pause_minutes = daytona_int(30)};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  assert_int_equal(daytona_sandbox_info(sandbox)->auto_pause_minutes.value, 30);
  session_expect(sandbox, "echo kept > file", 0, "");
  api_done(daytona_sandbox_pause(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_PAUSED);
  api_done(daytona_sandbox_start(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  session_expect(sandbox, "cat file", 0, "kept\n");
  api_done(daytona_sandbox_set_auto_pause_interval(sandbox, 0, NULL));
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_int_equal(daytona_sandbox_info(sandbox)->auto_pause_minutes.value, 0);
  api_done(daytona_sandbox_pause(sandbox, NULL));
  api_fails_as(daytona_sandbox_pause(sandbox, NULL), DAYTONA_EINVAL);
  session_delete(sandbox);
}

static void fork_is_a_sandbox_of_its_own(void **state) {
  session_t *session = *state;
  daytona_pair_t env[] = {{"A", "b"}}, labels[] = {{"l", "m"}};
  daytona_sandbox_create_opts_t opts = {.snapshot = VM, .env = {env, 1}, .labels = {labels, 1}};
  daytona_sandbox_t *parent = session_sandbox(session, &opts);
  session_expect(parent, "echo text > file", 0, "");
  const daytona_sandbox_fork_opts_t named = {.name = "a child"};
  daytona_future_t *future = api_must(daytona_sandbox_fork(parent, &named));
  daytona_sandbox_t *child = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  assert_string_equal(daytona_sandbox_info(child)->name, "a child");
  assert_string_equal(daytona_map_value(&daytona_sandbox_info(child)->labels, "l"), "m");
  assert_int_equal(daytona_sandbox_state(child), DAYTONA_SANDBOX_STARTED);
  session_expect(child, "cat file; echo $A; echo other > file", 0, "text\nb\n");
  session_expect(parent, "cat file", 0, "text\n");
  api_fails_as(daytona_sandbox_fork(parent, &named), DAYTONA_ECONFLICT);
  api_fails_as(daytona_sandbox_delete(parent, NULL), DAYTONA_EINVAL);
  session_delete(child);
  session_delete(parent);
}

static void snapshot_of_a_sandbox_makes_sandboxes(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(sandbox, "mkdir -p a/b && echo text > a/b/c", 0, "");
  api_done(daytona_sandbox_create_snapshot(sandbox, "of-a-sandbox:1", NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  api_fails_as(daytona_sandbox_create_snapshot(sandbox, "of-a-sandbox:1", NULL), DAYTONA_ECONFLICT);
  const daytona_sandbox_create_snapshot_opts_t memory = {.includes_memory = true};
  api_fails_as(daytona_sandbox_create_snapshot(sandbox, "with-memory:1", &memory), DAYTONA_EINVAL);
  session_delete(sandbox);
  daytona_sandbox_create_opts_t opts = {.snapshot = "of-a-sandbox:1"};
  daytona_sandbox_t *other = session_sandbox(session, &opts);
  session_expect(other, "cat a/b/c", 0, "text\n");
  session_delete(other);
  daytona_future_t *found = api_must(daytona_snapshot_get(session->client, "of-a-sandbox:1", NULL));
  api_done(daytona_snapshot_delete(session->client, daytona_future_snapshot(found)->id, NULL));
  daytona_future_release(found);
}

/* --- the entrypoint ---------------------------------------------------------------------------- */

static void entrypoint_is_shown_with_its_log(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_future_t *got = api_must(daytona_session_get_entrypoint(sandbox, NULL));
  const daytona_session_t *entrypoint = daytona_future_session(got);
  assert_string_equal(entrypoint->id, "entrypoint");
  assert_int_equal(entrypoint->command_count, 1);
  assert_string_equal(entrypoint->commands[0]->command, "'sleep' 'infinity'");
  daytona_future_release(got);
  daytona_future_t *logs = api_must(daytona_session_get_entrypoint_logs(sandbox, NULL));
  assert_int_equal(daytona_future_session_logs(logs)->output.size, 0);
  daytona_future_release(logs);
  session_delete(sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, session_setup, session_teardown)
    TEST(secret_lives_without_its_value),
    TEST(secrets_are_listed_and_walked_over),
    TEST(sandbox_is_given_secrets_and_loses_them),
    TEST(metrics_have_a_past),
    TEST(warm_pool_is_filled_and_serves_creates),
    TEST(virtual_machine_is_paused_and_resumed),
    TEST(fork_is_a_sandbox_of_its_own),
    TEST(snapshot_of_a_sandbox_makes_sandboxes),
    TEST(entrypoint_is_shown_with_its_log),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
