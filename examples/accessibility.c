/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A form on a desktop, filled in without a mouse and without looking at pixels: by the names of its parts.
 *
 *   daytona-local run -- accessibility                       a form that it brings along (GTK for Python)
 *   accessibility --press OK --program 'my-gtk-program'      the parts of a program of yours, and a button
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { TRIES = 200, BETWEEN_MS = 100 };

static const char usage[] =
  "usage: accessibility [OPTIONS]\n"
  "Opens a program on the desktop of a sandbox, prints its parts, fills in a field and presses a button.\n";

static const char form[] =
  "import gi\n"
  "gi.require_version('Gtk', '3.0')\n"
  "from gi.repository import Gtk\n"
  "window, box, entry = Gtk.Window(title='Form'), Gtk.Box(), Gtk.Entry()\n"
  "entry.get_accessible().set_name('Your name')\n"
  "button = Gtk.Button(label='Send')\n"
  "button.connect('clicked', lambda *_: open('/tmp/sent', 'w').write(entry.get_text()))\n"
  "window.add(box)\n"
  "for part in entry, button: box.add(part)\n"
  "window.show_all()\n"
  "Gtk.main()\n";

typedef struct task {
  const char *program, *field, *value, *press;
} task_t;

/* Everything that has a name. */
static void print_node(const daytona_accessibility_node_t *node, int depth) {
  if (node->name[0] != '\0') printf("%*s%s \"%s\"\n", depth * 2, "", node->role, node->name);
  for (size_t i = 0; i < node->child_count; i++) print_node(node->children[i], depth + 1);
}

static bool print_tree(daytona_sandbox_t *sandbox) {
  const daytona_accessibility_get_tree_opts_t opts = {.scope = "all"};
  daytona_future_t *future = daytona_accessibility_get_tree(sandbox, &opts);
  const daytona_accessibility_tree_t *tree =
    succeeds(future) ? daytona_future_accessibility_tree(future) : NULL;
  bool ok = tree != NULL && tree->root != NULL;
  if (ok) print_node(tree->root, 0);
  daytona_future_release(future);
  return ok;
}

/* The id of a part with this name, yours to free, once there is one. Programs take their time until they show something. */
static char *find(daytona_sandbox_t *sandbox, const char *name) {
  const daytona_accessibility_find_nodes_opts_t opts = {.scope = "all", .name = name, .name_match = "exact"};
  for (int i = 0; i < TRIES; i++) {
    daytona_future_t *future = daytona_accessibility_find_nodes(sandbox, &opts);
    int rc = daytona_future_await(future);
    bool is_early = rc == 0 || daytona_errcode_is(rc, DAYTONA_ENOTFOUND);
    const daytona_accessibility_node_list_t *nodes = daytona_future_accessibility_node_list(future);
    char *id = nodes != NULL && nodes->count > 0 ? strdup(nodes->items[0]->id) : NULL;
    if (!is_early) fprintf(stderr, "%s\n", daytona_future_message(future));
    daytona_future_release(future);
    if (id != NULL || !is_early) return id;
    uv_sleep(BETWEEN_MS);
  }
  fprintf(stderr, "there is no \"%s\"\n", name);
  return NULL;
}

static bool use_program(daytona_sandbox_t *sandbox, const task_t *task) {
  char *button = find(sandbox, task->press), *field = NULL;
  bool ok = button != NULL && print_tree(sandbox);
  if (ok && task->field != NULL) {
    field = find(sandbox, task->field);
    ok = field != NULL && is_done(daytona_accessibility_focus_node(sandbox, field, NULL)) &&
         is_done(daytona_accessibility_set_node_value(sandbox, field, task->value, NULL));
  }
  ok = ok && is_done(daytona_accessibility_invoke_node(sandbox, button, NULL));
  free(button);
  free(field);
  return ok;
}

static bool use_desktop(daytona_sandbox_t *sandbox, const task_t *task) {
  if (!is_done(daytona_computer_use_start(sandbox, NULL))) return false;
  bool ok =
    task->program != NULL || is_done(daytona_fs_upload(sandbox, form, sizeof form - 1, "/tmp/form.py", NULL));
  const char *program = task->program != NULL ? task->program : "/usr/bin/python3 /tmp/form.py";
  ok = ok && run_in_background(sandbox, program, "/tmp/said") && use_program(sandbox, task);
  if (task->program == NULL) ok = ok && run_and_print(sandbox, "cat /tmp/sent; echo");
  if (!ok) run_and_print(sandbox, "cat /tmp/said");
  return is_done(daytona_computer_use_stop(sandbox, NULL)) && ok;
}

int main(int argc, char **argv) {
  task_t task = {.field = NULL, .value = "someone", .press = "Send"};
  const option_row_t rows[] = {
    {'p', "program", "COMMAND", "what is opened instead of the form", .text = &task.program},
    {'f', "field", "NAME", "of the field that is filled in (default with the form: Your name)",
     .text = &task.field},
    {'v', "value", "TEXT", "for it", .text = &task.value},
    {'b', "press", "NAME", "of the button (default Send)", .text = &task.press},
  };
  if (parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]) != argc)
    refuse_arguments(usage, "only options, please");
  if (task.program == NULL && task.field == NULL) task.field = "Your name";
  daytona_client_t *client = open_client();
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && use_desktop(sandbox, &task);
  ok = discard(sandbox) && ok;
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
