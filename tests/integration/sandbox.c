/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes against daytona-local: creating, finding, listing, data and life.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/session.h"

static void created_sandbox_is_started_and_described(void **state) {
  session_t *session = *state;
  daytona_pair_t labels[] = {{"team", "infra"}, {"empty", ""}};
  daytona_pair_t env[] = {{"GREETING", "grüß dich"}};
  daytona_sandbox_create_opts_t opts = {.name = "described",
                                        .language = "typescript",
                                        .labels = {labels, 2},
                                        .env = {env, 1},
                                        .auto_stop_minutes = daytona_int(30)};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  const daytona_sandbox_info_t *info = daytona_sandbox_info(sandbox);
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  assert_string_equal(info->name, "described");
  assert_string_equal(daytona_map_value(&info->labels, "team"), "infra");
  assert_string_equal(daytona_map_value(&info->labels, "empty"), "");
  assert_string_equal(daytona_map_value(&info->labels, "code-toolbox-language"), "typescript");
  assert_string_equal(daytona_map_value(&info->env, "GREETING"), "grüß dich");
  assert_int_equal(info->auto_stop_minutes.value, 30);
  assert_true(info->cpu >= 1 && info->memory_gib >= 1 && info->disk_gib >= 1);
  assert_string_equal(info->os_user, "daytona");
  session_expect(sandbox, "printf %s \"$GREETING\"", 0, "grüß dich");
  session_delete(sandbox);
}

static void unnamed_sandbox_gets_a_name_of_its_own(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *a = session_sandbox(session, NULL), *b = session_sandbox(session, NULL);
  assert_string_not_equal(daytona_sandbox_id(a), daytona_sandbox_id(b));
  assert_string_not_equal(daytona_sandbox_info(a)->name, daytona_sandbox_info(b)->name);
  session_delete(a);
  session_delete(b);
}

static void sandbox_is_found_by_id_name_and_labels(void **state) {
  session_t *session = *state;
  daytona_pair_t labels[] = {{"found", "yes, \"quoted\" & ü"}};
  daytona_sandbox_create_opts_t opts = {.name = "to be found/ü", .labels = {labels, 1}};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  daytona_sandbox_find_one_opts_t by_label = {.labels = {labels, 1}};
  daytona_sandbox_find_one_opts_t by_name = {.id_or_name = "to be found/ü"};
  daytona_future_t *found[] = {
    api_must(daytona_sandbox_get(session->client, daytona_sandbox_id(sandbox), NULL)),
    api_must(daytona_sandbox_get(session->client, "to be found/ü", NULL)),
    api_must(daytona_sandbox_find_one(session->client, &by_label)),
    api_must(daytona_sandbox_find_one(session->client, &by_name)),
  };
  for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
    assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(found[i])), daytona_sandbox_id(sandbox));
    daytona_future_release(found[i]);
  }
  session_delete(sandbox);
  api_fails_as(daytona_sandbox_get(session->client, "to be found/ü", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_sandbox_find_one(session->client, &by_label), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_sandbox_find_one(session->client, &by_name), DAYTONA_ENOTFOUND);
}

enum { LISTED = 5 };

static void pages_and_the_walk_show_every_sandbox_once(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *made[LISTED];
  daytona_pair_t label[] = {{"listed", "here"}};
  for (int i = 0; i < LISTED; i++) {
    daytona_sandbox_create_opts_t opts = {.labels = {label, 1}};
    made[i] = session_sandbox(session, &opts);
  }
  int seen[LISTED] = {0};
  for (int number = 1; number <= 3; number++) {
    daytona_sandbox_list_opts_t opts = {
      .labels = {label, 1}, .page = daytona_int(number), .limit = daytona_int(2)};
    daytona_future_t *future = api_must(daytona_sandbox_list(session->client, &opts));
    const daytona_sandbox_page_t *page = daytona_future_sandbox_page(future);
    assert_int_equal(page->total, LISTED);
    assert_int_equal(page->total_pages, 3);
    assert_int_equal(page->page, number);
    assert_int_equal(page->count, number < 3 ? 2 : 1);
    for (size_t i = 0; i < page->count; i++)
      for (int k = 0; k < LISTED; k++)
        seen[k] += strcmp(daytona_sandbox_id(page->items[i]), daytona_sandbox_id(made[k])) == 0;
    daytona_future_release(future);
  }
  daytona_sandbox_state_t started = DAYTONA_SANDBOX_STARTED;
  daytona_sandbox_query_t query = {.labels = {label, 1},
                                   .page_size = daytona_int(2),
                                   .states = &started,
                                   .state_count = 1,
                                   .sort = "createdAt",
                                   .order = "asc"};
  daytona_sandbox_iter_t *iter;
  assert_int_equal(daytona_sandbox_iter_new(session->client, &query, &iter), 0);
  for (int at = 0;; at++) {
    daytona_future_t *future = api_must(daytona_sandbox_iter_next(iter));
    daytona_sandbox_t *sandbox = daytona_future_sandbox(future);
    if (sandbox == NULL) {
      assert_int_equal(at, LISTED);
      daytona_future_release(future);
      break;
    }
    assert_string_equal(daytona_sandbox_id(sandbox), daytona_sandbox_id(made[at]));
    assert_int_equal(daytona_sandbox_info(sandbox)->env.count, 0);
    seen[at]++;
    daytona_future_release(future);
  }
  api_done(daytona_sandbox_iter_next(iter)); /* the end stays the end */
  daytona_sandbox_iter_release(iter);
  for (int i = 0; i < LISTED; i++) {
    assert_int_equal(seen[i], 2);
    session_delete(made[i]);
  }
}

static void a_second_step_of_a_walk_is_refused(void **state) {
  session_t *session = *state;
  daytona_sandbox_iter_t *iter;
  assert_int_equal(daytona_sandbox_iter_new(session->client, NULL, &iter), 0);
  daytona_future_t *first = daytona_sandbox_iter_next(iter);
  api_fails_as(daytona_sandbox_iter_next(iter), DAYTONA_EREENTRANT);
  api_done(first);
  daytona_sandbox_iter_release(iter);
}

static void labels_are_replaced(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_pair_t pairs[] = {{"a", "1"}, {"b", "2"}};
  daytona_map_t labels = {pairs, 2};
  daytona_future_t *future = api_must(daytona_sandbox_set_labels(sandbox, &labels, NULL));
  assert_string_equal(daytona_map_value(daytona_future_map(future), "b"), "2");
  daytona_future_release(future);
  assert_string_equal(daytona_map_value(&daytona_sandbox_info(sandbox)->labels, "a"), "1");
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_int_equal(daytona_sandbox_info(sandbox)->labels.count, 2);
  api_done(daytona_sandbox_set_labels(sandbox, NULL, NULL));
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_int_equal(daytona_sandbox_info(sandbox)->labels.count, 0);
  session_delete(sandbox);
}

static void stop_and_start_keep_files(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(sandbox, "echo kept > note", 0, "");
  api_done(daytona_sandbox_stop(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STOPPED);
  api_fails_as(daytona_process_exec(sandbox, "true", NULL), DAYTONA_EFAILED);
  api_done(daytona_sandbox_start(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  session_expect(sandbox, "cat note", 0, "kept\n");
  daytona_sandbox_lifecycle_opts_t forced = {.is_forced = true};
  api_done(daytona_sandbox_stop(sandbox, &forced));
  session_delete(sandbox);
}

static void archived_sandbox_comes_back_with_its_files(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(sandbox, "mkdir -p d/e; echo deep > d/e/f; ln -s d/e/f l", 0, "");
  api_fails_as(daytona_sandbox_archive(sandbox, NULL), DAYTONA_EINVAL); /* not stopped */
  api_done(daytona_sandbox_stop(sandbox, NULL));
  api_done(daytona_sandbox_archive(sandbox, NULL));
  api_done(daytona_sandbox_start(sandbox, NULL));
  session_expect(sandbox, "cat l", 0, "deep\n");
  session_delete(sandbox);
}

static void ephemeral_sandbox_is_gone_after_stop(void **state) {
  session_t *session = *state;
  daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  assert_int_equal(daytona_sandbox_info(sandbox)->auto_delete_minutes.value, 0);
  api_done(daytona_sandbox_stop(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_DESTROYED);
  api_fails_as(daytona_sandbox_refresh_data(sandbox, NULL), DAYTONA_ENOTFOUND);
  daytona_sandbox_release(sandbox);
}

static void intervals_are_set(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  api_done(daytona_sandbox_set_autostop_interval(sandbox, 0, NULL));
  api_done(daytona_sandbox_set_auto_archive_interval(sandbox, 90, NULL));
  api_done(daytona_sandbox_set_auto_delete_interval(sandbox, -1, NULL));
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  const daytona_sandbox_info_t *info = daytona_sandbox_info(sandbox);
  assert_true(info->auto_stop_minutes.is_set);
  assert_int_equal(info->auto_stop_minutes.value, 0);
  assert_int_equal(info->auto_archive_minutes.value, 90);
  assert_int_equal(info->auto_delete_minutes.value, -1);
  api_fails_as(daytona_sandbox_set_autostop_interval(sandbox, -1, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_set_auto_archive_interval(sandbox, -1, NULL), DAYTONA_EINVAL);
  api_done(daytona_sandbox_refresh_activity(sandbox, NULL));
  session_delete(sandbox);
}

static void resize_waits_for_the_new_size(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_sandbox_resize_opts_t opts = {.cpu = daytona_int(2), .memory_gib = daytona_int(2)};
  api_done(daytona_sandbox_resize(sandbox, &opts));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_true(daytona_sandbox_info(sandbox)->cpu == 2);
  assert_true(daytona_sandbox_info(sandbox)->memory_gib == 2);
  daytona_sandbox_resize_opts_t disk = {.disk_gib = daytona_int(20)};
  api_fails_as(daytona_sandbox_resize(sandbox, &disk), DAYTONA_EINVAL); /* while it runs */
  daytona_sandbox_resize_opts_t zero = {.cpu = daytona_int(0)};
  api_fails_as(daytona_sandbox_resize(sandbox, &zero), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_resize(sandbox, NULL), DAYTONA_EINVAL);
  session_delete(sandbox);
}

static void failed_sandbox_tells_its_reason_and_recovers(void **state) {
  session_t *session = *state;
  char path[160];
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  snprintf(path, sizeof path, "/sandbox/%s/state", daytona_sandbox_id(sandbox));
  assert_int_equal(session_admin("PUT", path,
                                 "{\"state\":\"error\",\"errorReason\":\"disk broke\","
                                 "\"recoverable\":true}"),
                   200);
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_ERROR);
  assert_true(daytona_sandbox_info(sandbox)->is_recoverable);
  daytona_future_t *future =
    api_must_fail_as(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_ESANDBOX_FAILED);
  assert_non_null(strstr(daytona_future_error(future)->message, "disk broke"));
  daytona_future_release(future);
  api_done(daytona_sandbox_recover(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  session_delete(sandbox);
}

static void waits_end_at_once_in_the_state_they_wait_for(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL));
  api_done(daytona_sandbox_wait_for_resize_complete(sandbox, NULL));
  api_done(daytona_sandbox_stop(sandbox, NULL));
  api_done(daytona_sandbox_wait_for_stop(sandbox, NULL));
  session_delete(sandbox);
}

static void network_of_a_sandbox_can_be_blocked(void **state) {
  session_t *session = *state;
  daytona_sandbox_create_opts_t opts = {.network_block_all = daytona_bool(true)};
  daytona_sandbox_t *sandbox = session_sandbox(session, &opts);
  assert_true(daytona_sandbox_info(sandbox)->network_block_all);
  session_expect(sandbox,
                 "ls /sys/class/net 2>/dev/null || awk -F: 'NR>2{print $1}' /proc/net/dev | tr -d ' '", 0,
                 "lo\n");
  session_delete(sandbox);
}

/* What is reached is looked at by daytona-local's own tests; here it is that the calls are carried out. */
static void network_settings_change_while_it_runs(void **state) {
  session_t *session = *state;
  const daytona_sandbox_update_network_settings_opts_t list = {.network_allow_list = "192.0.2.0/24"},
                                                       names = {.domain_allow_list = "*.example.com"},
                                                       block = {.network_block_all = daytona_bool(true)},
                                                       open = {.network_block_all = daytona_bool(false),
                                                               .domain_allow_list = ""};
  static const char devices[] = "awk -F: 'NR>2{print $1}' /proc/net/dev | tr -d ' ' | sort | tr '\\n' ' '";
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  api_done(daytona_sandbox_update_network_settings(sandbox, &list));
  assert_string_equal(daytona_sandbox_info(sandbox)->network_allow_list, "192.0.2.0/24");
  session_expect(
    sandbox,
    "timeout 3 bash -c '< /dev/tcp/198.51.100.1/80' 2>&1 | grep -qE 'refused|unreachable' && printf no", 0,
    "no");
  api_done(daytona_sandbox_update_network_settings(sandbox, &names));
  assert_string_equal(daytona_sandbox_info(sandbox)->domain_allow_list, "*.example.com");
  assert_string_equal(daytona_sandbox_info(sandbox)->network_allow_list, "192.0.2.0/24");
  api_done(daytona_sandbox_update_network_settings(sandbox, &block));
  assert_true(daytona_sandbox_info(sandbox)->network_block_all);
  assert_null(daytona_sandbox_info(sandbox)->network_allow_list);
  session_expect(sandbox, devices, 0, "lo ");
  api_done(daytona_sandbox_update_network_settings(sandbox, &open));
  assert_null(daytona_sandbox_info(sandbox)->domain_allow_list);
  assert_false(daytona_sandbox_info(sandbox)->network_block_all);
  if (access("/dev/net/tun", R_OK | W_OK) == 0) session_expect(sandbox, devices, 0, "lo tap0 ");
  session_delete(sandbox);
}

static void linked_sandbox_reaches_its_owner(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *owner = session_sandbox(session, NULL);
  daytona_sandbox_create_opts_t opts = {.linked_sandbox = daytona_sandbox_id(owner), .is_ephemeral = true};
  session_expect(
    owner,
    "(setsid python3 -c 'import socket; s = socket.create_server((\"\", 3000)); open(\"/tmp/up\", \"w\"); "
    "c = s.accept()[0]; c.sendall(b\"owner\")' > /dev/null 2>&1 &); until [ -e /tmp/up ]; do sleep 0.02; "
    "done",
    0, "");
  daytona_sandbox_t *follower = session_sandbox(session, &opts);
  assert_string_equal(daytona_sandbox_info(follower)->linked_sandbox_id, daytona_sandbox_id(owner));
  char command[256];
  snprintf(command, sizeof command, "timeout 5 bash -c 'cat < /dev/tcp/%s/3000'",
           daytona_sandbox_info(owner)->name);
  session_expect(follower, command, 0, "owner");
  opts.is_ephemeral = false;
  api_fails_as(daytona_sandbox_create(session->client, &opts), DAYTONA_EINVAL);
  session_delete(follower);
  session_delete(owner);
}

static void errors_say_what_and_why(void **state) {
  session_t *session = *state;
  daytona_sandbox_create_opts_t taken = {.name = "taken"};
  daytona_sandbox_t *sandbox = session_sandbox(session, &taken);
  daytona_future_t *future =
    api_must_fail_as(daytona_sandbox_create(session->client, &taken), DAYTONA_ECONFLICT);
  const daytona_error_t *error = daytona_future_error(future);
  assert_int_equal(error->http_status, 409);
  assert_ptr_equal(strstr(error->message, "Failed to create sandbox: "), error->message);
  assert_non_null(daytona_error_header(error, "content-type"));
  daytona_future_release(future);
  daytona_sandbox_create_opts_t unknown = {.snapshot = "no/such:snapshot"};
  api_fails_as(daytona_sandbox_create(session->client, &unknown), DAYTONA_EINVAL);
  daytona_volume_mount_t mount = {"no-such-volume", "/mnt/x", NULL};
  daytona_sandbox_create_opts_t volume = {.volumes = &mount, .volume_count = 1};
  api_fails_as(daytona_sandbox_create(session->client, &volume), DAYTONA_ENOTFOUND);
  session_delete(sandbox);
}

static void wrong_key_is_an_authentication_error(void **state) {
  session_t other;
  daytona_config_t config = {.api_key = "dtn_wrong"};
  session_open(&other, &config);
  daytona_future_t *future = api_must_fail_as(daytona_sandbox_get(other.client, "x", NULL), DAYTONA_EAUTH);
  assert_null(strstr(daytona_future_error(future)->message, "dtn_wrong"));
  daytona_future_release(future);
  session_close(&other);
}

static void preview_reaches_a_server_in_the_sandbox(void **state) {
  session_t *session = *state;
  char body[256], header[256], token[128];
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(
    sandbox,
    "echo previewed > index.html; (python3 -m http.server 3000 >/dev/null 2>&1 &)\n"
    "for i in $(seq 100); do python3 -c \"import socket; socket.create_connection(('127.0.0.1', 3000))\""
    " 2>/dev/null && exit 0; sleep 0.05; done; exit 1",
    0, "");
  daytona_future_t *future = api_must(daytona_sandbox_get_preview_link(sandbox, 3000, NULL));
  const daytona_preview_link_t *link = daytona_future_preview_link(future);
  assert_int_equal(link->port, 3000);
  snprintf(header, sizeof header, "X-Daytona-Preview-Token: %s", link->token);
  assert_int_equal(session_fetch(link->url, header, body, sizeof body), 200);
  assert_string_equal(body, "previewed\n");
  assert_int_not_equal(session_fetch(link->url, NULL, body, sizeof body), 200);
  daytona_future_release(future);
  daytona_sandbox_create_signed_preview_url_opts_t opts = {.expires_in_seconds = daytona_int(600)};
  future = api_must(daytona_sandbox_create_signed_preview_url(sandbox, 3000, &opts));
  link = daytona_future_preview_link(future);
  assert_int_equal(session_fetch(link->url, NULL, body, sizeof body), 200);
  snprintf(token, sizeof token, "%s", link->token);
  api_done(daytona_sandbox_expire_signed_preview_url(sandbox, 3000, token, NULL));
  assert_int_not_equal(session_fetch(link->url, NULL, body, sizeof body), 200);
  daytona_future_release(future);
  daytona_sandbox_create_signed_preview_url_opts_t too_long = {.expires_in_seconds = daytona_int(86401)};
  api_fails_as(daytona_sandbox_create_signed_preview_url(sandbox, 3000, &too_long), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_get_preview_link(sandbox, 0, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_get_preview_link(sandbox, 65536, NULL), DAYTONA_EINVAL);
  session_delete(sandbox);
}

static bool is_valid(daytona_sandbox_t *sandbox, const char *token) {
  daytona_future_t *future = api_must(daytona_sandbox_validate_ssh_access(sandbox, token, NULL));
  bool valid = daytona_future_ssh_validation(future)->is_valid;
  daytona_future_release(future);
  return valid;
}

static void ssh_tokens_are_made_checked_and_withdrawn(void **state) {
  session_t *session = *state;
  char token[128];
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_sandbox_create_ssh_access_opts_t opts = {.expires_in_minutes = daytona_num(1.5)};
  daytona_future_t *future = api_must(daytona_sandbox_create_ssh_access(sandbox, &opts));
  const daytona_ssh_access_t *access = daytona_future_ssh_access(future);
  assert_non_null(strstr(access->ssh_command, access->token));
  snprintf(token, sizeof token, "%s", access->token);
  daytona_future_release(future);
  assert_true(is_valid(sandbox, token));
  api_done(daytona_sandbox_revoke_ssh_access(sandbox, "another", NULL));
  assert_true(is_valid(sandbox, token)); /* only the named one is withdrawn */
  api_fails_as(daytona_sandbox_revoke_ssh_access(sandbox, "", NULL), DAYTONA_EINVAL);
  api_done(daytona_sandbox_revoke_ssh_access(sandbox, token, NULL));
  assert_false(is_valid(sandbox, token));
  session_delete(sandbox);
}

static void bad_arguments_fail_through_the_future(void **state) {
  session_t *session = *state;
  daytona_client_t *client = session->client;
  daytona_sandbox_create_opts_t bad[] = {
    {.timeout_ms = -5},
    {.language = "cobol"},
    {.auto_stop_minutes = daytona_int(-1)},
    {.auto_archive_minutes = daytona_int(-1)},
    {.ttl_minutes = daytona_int(-1)},
    {.auto_stop_minutes = daytona_int(1), .auto_pause_minutes = daytona_int(1)},
    {.auto_pause_minutes = daytona_int(1), .is_ephemeral = true},
    {.name = "not \xff utf-8"},
    {.env = {NULL, 1}},
    {.labels = {NULL, 1}},
    {.volume_count = 1},
    {.reserved = {0, 1}},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails_as(daytona_sandbox_create(client, &bad[i]), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_get(client, NULL, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_get(client, "", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_get(client, "..", NULL), DAYTONA_EINVAL);
  daytona_call_opts_t negative = {.timeout_ms = -2};
  api_fails_as(daytona_sandbox_get(client, "x", &negative), DAYTONA_EINVAL);
  daytona_sandbox_list_opts_t page = {.page = daytona_int(0)}, limit = {.limit = daytona_int(0)};
  api_fails_as(daytona_sandbox_list(client, &page), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_list(client, &limit), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_start(NULL, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_create(NULL, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_sandbox_start(NULL, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_process_exec(NULL, "true", NULL), DAYTONA_EINVAL);
}

/* --- settings, URLs, metrics ------------------------------------------------------------------- */

static void settings_are_stored(void **state) {
  session_t *session = *state;
  const daytona_sandbox_update_network_settings_opts_t open = {.network_block_all = daytona_bool(false)},
                                                       bad = {.network_allow_list = "10.0.0.0"};
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  api_done(daytona_sandbox_set_public(sandbox, true, NULL));
  assert_true(daytona_sandbox_info(sandbox)->is_public);
  api_done(daytona_sandbox_set_ttl(sandbox, 600, NULL));
  assert_non_null(daytona_sandbox_info(sandbox)->auto_destroy_at);
  api_done(daytona_sandbox_set_ttl(sandbox, 0, NULL));
  assert_null(daytona_sandbox_info(sandbox)->auto_destroy_at);
  api_done(daytona_sandbox_update_network_settings(sandbox, &open));
  api_fails_as(daytona_sandbox_update_network_settings(sandbox, &bad), DAYTONA_EINVAL);
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_false(daytona_sandbox_info(sandbox)->network_block_all);
  assert_true(daytona_sandbox_info(sandbox)->is_public);
  session_delete(sandbox);
}

static void changed_environment_is_that_of_new_processes(void **state) {
  session_t *session = *state;
  static const char *const names[] = {"OLD"};
  static const daytona_pair_t before[] = {{"OLD", "1"}, {"KEPT", "2"}}, after[] = {{"NEW", "grüß"}};
  const daytona_map_t first = {before, 2}, second = {after, 1};
  const daytona_sandbox_update_env_opts_t opts = {.unset = {names, 1}};
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  api_done(daytona_sandbox_update_env(sandbox, &first, NULL));
  session_expect(sandbox, "printf %s \"$OLD$KEPT\"", 0, "12");
  api_done(daytona_sandbox_update_env(sandbox, &second, &opts));
  session_expect(sandbox, "printf %s \"$OLD$KEPT$NEW\"", 0, "2grüß");
  session_delete(sandbox);
}

static void signed_url_opens_one_file_until_the_key_changes(void **state) {
  session_t *session = *state;
  char body[4096];
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  session_expect(sandbox, "printf content > 'a b+ü.txt'; pwd", 0, "/home/daytona\n");
  daytona_future_t *url = api_must(daytona_sandbox_download_url(sandbox, "/home/daytona/a b+ü.txt", NULL));
  assert_int_equal(session_fetch(daytona_future_string(url), NULL, body, sizeof body), 200);
  assert_string_equal(body, "content");
  api_done(daytona_sandbox_rotate_signing_key(sandbox, NULL));
  assert_true(session_fetch(daytona_future_string(url), NULL, body, sizeof body) >= 400);
  daytona_future_release(url);
  url = api_must(daytona_sandbox_download_url(sandbox, "/home/daytona/a b+ü.txt", NULL));
  assert_int_equal(session_fetch(daytona_future_string(url), NULL, body, sizeof body), 200);
  daytona_future_release(url);
  session_delete(sandbox);
}

static void signed_url_takes_one_file(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_future_t *url = api_must(daytona_sandbox_upload_url(sandbox, "sent ü.txt", NULL));
  assert_int_equal(session_upload(daytona_future_string(url), "from outside"), 200);
  session_expect(sandbox, "cat 'sent ü.txt'", 0, "from outside");
  api_done(daytona_sandbox_rotate_signing_key(sandbox, NULL));
  assert_true(session_upload(daytona_future_string(url), "later") >= 400);
  session_expect(sandbox, "cat 'sent ü.txt'", 0, "from outside");
  daytona_future_release(url);
  session_delete(sandbox);
}

static void metrics_of_a_running_sandbox(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_future_t *future = api_must(daytona_sandbox_get_metrics_latest(sandbox, NULL));
  const daytona_sandbox_metrics_t *sample = daytona_future_sandbox_metrics(future);
  assert_non_null(sample->timestamp);
  assert_true(sample->cpu_count >= 1 && sample->cpu_used_pct >= 0);
  assert_true(sample->memory_total_bytes > 0 && sample->disk_total_bytes > 0);
  daytona_future_release(future);
  session_delete(sandbox);
}

/* The class of its sandboxes is that of containers. */
static void containers_are_neither_forked_nor_paused(void **state) {
  session_t *session = *state;
  daytona_sandbox_t *sandbox = session_sandbox(session, NULL);
  daytona_future_t *calls[] = {daytona_sandbox_fork(sandbox, NULL), daytona_sandbox_pause(sandbox, NULL)};
  for (int i = 0; i < 2; i++) {
    assert_int_not_equal(daytona_future_await(calls[i]), 0);
    assert_in_range(daytona_future_error(calls[i])->http_status, 400, 499);
    assert_null(daytona_future_error(calls[i])->sandbox);
    daytona_future_release(calls[i]);
  }
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTED);
  session_delete(sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, session_setup, session_teardown)
    TEST(created_sandbox_is_started_and_described),
    TEST(unnamed_sandbox_gets_a_name_of_its_own),
    TEST(sandbox_is_found_by_id_name_and_labels),
    TEST(pages_and_the_walk_show_every_sandbox_once),
    TEST(a_second_step_of_a_walk_is_refused),
    TEST(labels_are_replaced),
    TEST(stop_and_start_keep_files),
    TEST(archived_sandbox_comes_back_with_its_files),
    TEST(ephemeral_sandbox_is_gone_after_stop),
    TEST(intervals_are_set),
    TEST(resize_waits_for_the_new_size),
    TEST(failed_sandbox_tells_its_reason_and_recovers),
    TEST(waits_end_at_once_in_the_state_they_wait_for),
    TEST(network_of_a_sandbox_can_be_blocked),
    TEST(network_settings_change_while_it_runs),
    TEST(linked_sandbox_reaches_its_owner),
    TEST(errors_say_what_and_why),
    TEST(wrong_key_is_an_authentication_error),
    TEST(preview_reaches_a_server_in_the_sandbox),
    TEST(ssh_tokens_are_made_checked_and_withdrawn),
    TEST(bad_arguments_fail_through_the_future),
    TEST(settings_are_stored),
    TEST(changed_environment_is_that_of_new_processes),
    TEST(signed_url_opens_one_file_until_the_key_changes),
    TEST(signed_url_takes_one_file),
    TEST(metrics_of_a_running_sandbox),
    TEST(containers_are_neither_forked_nor_paused),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
