/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessibility against daytona-local, with a window of GTK; skipped where a desktop, its bus or GTK for Python is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/session.h"

static const char program[] =
  "import gi\n"
  "gi.require_version('Gtk', '3.0')\n"
  "from gi.repository import Gtk\n"
  "window, box, entry = Gtk.Window(title='Form'), Gtk.Box(orientation=Gtk.Orientation.VERTICAL), "
  "Gtk.Entry()\n"
  "window.add(box)\n"
  "entry.get_accessible().set_name('Your name')\n"
  "button = Gtk.Button(label='Send')\n"
  "button.connect('clicked', lambda *_: open('sent', 'w').write(entry.get_text()))\n"
  "box.add(button)\n"
  "box.add(entry)\n"
  "window.show_all()\n"
  "Gtk.main()\n";

static session_t shared;
static daytona_sandbox_t *sandbox;
static bool has_window;

/* Runs a command until it succeeds. */
static bool comes_true(const char *command) {
  for (int i = 0; i < 300; i++) {
    daytona_future_t *future = api_must(daytona_process_exec(sandbox, command, NULL));
    bool is_true = daytona_future_exec_result(future)->exit_code == 0;
    daytona_future_release(future);
    if (is_true) return true;
  }
  return false;
}

static daytona_future_t *find(const char *name, const char *role) {
  const daytona_accessibility_find_nodes_opts_t opts = {
    .scope = "all", .name = name, .name_match = "exact", .role = role};
  return api_must(daytona_accessibility_find_nodes(sandbox, &opts));
}

static bool open_window(void) {
  daytona_future_t *future = daytona_computer_use_start(sandbox, NULL);
  int rc = daytona_future_await(future);
  daytona_future_release(future);
  if (rc != 0) return false;
  daytona_future_release(
    api_must(daytona_fs_upload(sandbox, program, sizeof program - 1, "window.py", NULL)));
  session_expect(sandbox, "(/usr/bin/python3 window.py >said 2>&1; touch ended) & echo $! >pid", 0, "");
  for (int i = 0; i < 300; i++) {
    future = daytona_accessibility_find_nodes(
      sandbox, &(daytona_accessibility_find_nodes_opts_t){.scope = "all", .name = "Send"});
    rc = daytona_future_await(future);
    bool found = rc == 0 && daytona_future_accessibility_node_list(future)->count > 0;
    bool is_missing = rc == DAYTONA_EA11Y_UNAVAILABLE;
    daytona_future_release(future);
    if (found) return true;
    if (is_missing) return false;
    future = api_must(daytona_process_exec(sandbox, "test -e ended || ! sleep 0.1", NULL));
    bool has_ended = daytona_future_exec_result(future)->exit_code == 0;
    daytona_future_release(future);
    if (has_ended) return false; /* no GTK */
  }
  return false;
}

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

static void there_is_none_without_a_desktop(void **state) {
  const daytona_accessibility_get_tree_opts_t all = {.scope = "all"};
  api_fails_as(daytona_accessibility_get_tree(sandbox, &all), DAYTONA_EA11Y_UNAVAILABLE);
  api_fails_as(daytona_accessibility_find_nodes(sandbox, NULL), DAYTONA_EA11Y_UNAVAILABLE);
  api_fails_as(daytona_accessibility_focus_node(sandbox, ":1.1:/x", NULL), DAYTONA_EA11Y_UNAVAILABLE);
}

static void trees_show_windows(void **state) {
  has_window = open_window();
  if (!has_window) skip();
  const daytona_accessibility_get_tree_opts_t all = {.scope = "all"};
  daytona_future_t *future = api_must(daytona_accessibility_get_tree(sandbox, &all));
  const daytona_accessibility_tree_t *tree = daytona_future_accessibility_tree(future);
  assert_false(tree->is_truncated);
  assert_true(tree->root->child_count >= 1);
  daytona_future_release(future);
  const daytona_accessibility_get_tree_opts_t root = {.scope = "all", .max_depth = daytona_int(0)};
  future = api_must(daytona_accessibility_get_tree(sandbox, &root));
  assert_int_equal(daytona_future_accessibility_tree(future)->root->child_count, 0);
  daytona_future_release(future);
  const daytona_accessibility_get_tree_opts_t nobody = {.scope = "pid", .pid = daytona_int(1)};
  api_fails_as(daytona_accessibility_get_tree(sandbox, &nobody), DAYTONA_ENOTFOUND);
}

static void nodes_are_found_and_acted_on(void **state) {
  if (!has_window) skip();
  daytona_future_t *buttons = find("Send", "button"), *entries = find("Your name", NULL);
  const daytona_accessibility_node_list_t *list = daytona_future_accessibility_node_list(buttons);
  assert_int_equal(list->count, 1);
  const daytona_accessibility_node_t *button = list->items[0];
  assert_true(button->bounds.width > 0);
  assert_string_equal(button->actions.items[0], "click");
  assert_int_equal(daytona_future_accessibility_node_list(entries)->count, 1);
  const char *entry = daytona_future_accessibility_node_list(entries)->items[0]->id;
  daytona_future_release(api_must(daytona_accessibility_focus_node(sandbox, entry, NULL)));
  daytona_future_release(api_must(daytona_accessibility_set_node_value(sandbox, entry,
                                                                       "Ada gr\xc3\xb6\xc3\x9f"
                                                                       "e",
                                                                       NULL)));
  const daytona_accessibility_invoke_node_opts_t click = {.action = "CLICK"}, fly = {.action = "fly"};
  daytona_future_release(api_must(daytona_accessibility_invoke_node(sandbox, button->id, &click)));
  assert_true(
    comes_true("sleep 0.05; test \"$(cat sent)\" = 'Ada gr\xc3\xb6\xc3\x9f"
               "e'"));
  api_fails_as(daytona_accessibility_invoke_node(sandbox, button->id, &fly), DAYTONA_EINVAL);
  api_fails_as(daytona_accessibility_focus_node(sandbox, ":1.9999:/x", NULL), DAYTONA_ENOTFOUND);
  daytona_future_release(entries);
  daytona_future_release(buttons);
}

static void patterns_are_checked(void **state) {
  if (!has_window) skip();
  const daytona_accessibility_find_nodes_opts_t words = {
    .scope = "all", .name = "^(Send|Your \\w+)$", .name_match = "regex", .limit = daytona_int(10)};
  daytona_future_t *future = api_must(daytona_accessibility_find_nodes(sandbox, &words));
  assert_int_equal(daytona_future_accessibility_node_list(future)->count, 2);
  daytona_future_release(future);
  const daytona_accessibility_find_nodes_opts_t open_bracket = {
    .scope = "all", .name = "(", .name_match = "regex"};
  api_fails_as(daytona_accessibility_find_nodes(sandbox, &open_bracket), DAYTONA_EINVAL);
  daytona_future_release(api_must(daytona_computer_use_stop(sandbox, NULL)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(there_is_none_without_a_desktop),
    cmocka_unit_test(trees_show_windows),
    cmocka_unit_test(nodes_are_found_and_acted_on),
    cmocka_unit_test(patterns_are_checked),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
