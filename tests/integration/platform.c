/*
 * What the platform has besides sandboxes, against daytona-local: secrets, metrics.
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

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, session_setup, session_teardown)
    TEST(secret_lives_without_its_value),
    TEST(secrets_are_listed_and_walked_over),
    TEST(sandbox_is_given_secrets_and_loses_them),
    TEST(metrics_have_a_past),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
