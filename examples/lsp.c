/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete a line of a file of a project, with the language server of a sandbox.
 *
 *   daytona-local run -- lsp                     a project that it brings along
 *   lsp src/main.py 12                           the end of line 12
 *   lsp src/main.py 12 7 --find Stack            after 7 characters; and where Stack is defined
 *
 * What is worth a look: columns count UTF-16 code units, as editors do, so a line is measured before its end is asked for; an opened
 * file is read by the sandbox, so it is uploaded first; and the first response takes some seconds, in which the server reads
 * the project.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"
#include "shared/text_file.h"

enum { SHOWN = 12, FILES_MAX = 200, FILE_MAX = 1 << 20, START_MS = 60 * 1000 };

static const char project[] = "/home/daytona/project";

static const char usage[] =
  "usage: lsp [OPTIONS] [FILE LINE [COLUMN]]\n"
  "Completes LINE (from 1) of FILE at COLUMN (characters before it; default: its end) in a sandbox.\n"
  "The other sources in the folder of FILE (.py, .ts, .js) are its project. Without FILE: an example.\n";

static const char example_main[] =
  "from stack import Stack\n"
  "\n"
  "größen = Stack()  # a name outside of ASCII\n"
  "größen.\n";

static const char example_stack[] =
  "class Stack:\n"
  "    def __init__(self):\n"
  "        self.items = []\n"
  "\n"
  "    def push(self, item):\n"
  "        self.items.append(item)\n"
  "\n"
  "    def pop(self):\n"
  "        return self.items.pop()\n";

typedef struct {
  const char *file; /* its path here; NULL: the example */
  const char *name; /* in the project */
  const char *language, *find;
  char *text;
  size_t size;
  int64_t line, column; /* from 0; column -1: the end */
} task_t;

/* --- this side --------------------------------------------------------------------------------- */

static const char *language_of(const char *name) {
  const char *dot = strrchr(name, '.');
  if (dot == NULL) return NULL;
  if (strcmp(dot, ".py") == 0) return "python";
  if (strcmp(dot, ".ts") == 0 || strcmp(dot, ".tsx") == 0) return "typescript";
  return strcmp(dot, ".js") == 0 || strcmp(dot, ".mjs") == 0 ? "javascript" : NULL;
}

/* The length of `bytes` of UTF-8 in UTF-16 code units: characters of four bytes are two. */
static int64_t utf16_length(const char *text, size_t bytes) {
  int64_t units = 0;
  for (const unsigned char *at = (const unsigned char *)text; bytes-- > 0; at++)
    units += ((*at & 0xc0) != 0x80) + (*at >= 0xf0);
  return units;
}

/* Where the line begins and how long it is; false when the file has fewer. */
static bool find_line(const task_t *task, const char **line, size_t *length) {
  const char *at = task->text, *end = task->text + task->size;
  for (int64_t i = 0; i < task->line; i++) {
    at = memchr(at, '\n', (size_t)(end - at));
    if (at++ == NULL) return false;
  }
  const char *stop = memchr(at, '\n', (size_t)(end - at));
  *line = at;
  *length = (size_t)((stop != NULL ? stop : end) - at);
  return true;
}

static bool read_number(const char *text, int64_t *out) {
  char *end;
  long long value = strtoll(text, &end, 10);
  if (!isdigit((unsigned char)text[0]) || *end != '\0' || value > INT32_MAX) return false;
  *out = value;
  return true;
}

static void parse(task_t *task, int argc, char **argv) {
  const option_row_t row = {'f', "find", "NAME", "also print where symbols with NAME in theirs are defined",
                            .text = &task->find};
  int first = parse_options(argc, argv, usage, &row, 1), count = argc - first;
  char **words = argv + first;
  *task = (task_t){.name = "main.py", .language = "python", .find = task->find, .line = 3, .column = -1};
  if (count == 0) return;
  if (count == 1 || count > 3 || !read_number(words[1], &task->line) || task->line < 1 ||
      (count == 3 && !read_number(words[2], &task->column)))
    refuse_arguments(usage, NULL);
  task->line--;
  task->file = words[0];
  task->name = strrchr(words[0], '/') != NULL ? strrchr(words[0], '/') + 1 : words[0];
  task->language = language_of(task->name);
  if (task->language == NULL) refuse_arguments(usage, "FILE is no .py, .ts or .js file");
}

/* --- the project in the sandbox ---------------------------------------------------------------- */

static bool upload(daytona_sandbox_t *sandbox, const char *name, const char *text, size_t size) {
  char path[512];
  if (snprintf(path, sizeof path, "%s/%s", project, name) >= (int)sizeof path) return true; /* left out */
  return is_done(daytona_fs_upload(sandbox, text, size, path, NULL));
}

/* The sources beside the file. */
static bool upload_folder(daytona_sandbox_t *sandbox, const task_t *task) {
  char folder[4096], path[8192];
  bool ok = true;
  size_t length = (size_t)(task->name - task->file), count = 0;
  snprintf(folder, sizeof folder, "%.*s", (int)(length > 0 ? length : 1), length > 0 ? task->file : ".");
  DIR *stream = opendir(folder);
  for (struct dirent *entry; ok && stream != NULL && (entry = readdir(stream)) != NULL;) {
    size_t size;
    if (language_of(entry->d_name) == NULL || strcmp(entry->d_name, task->name) == 0) continue;
    if (++count > FILES_MAX) break;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    char *text = read_text_file(path, FILE_MAX, &size);
    if (text != NULL) ok = upload(sandbox, entry->d_name, text, size);
    free(text);
  }
  if (stream != NULL) closedir(stream);
  return ok;
}

static bool upload_project(daytona_sandbox_t *sandbox, const task_t *task) {
  return upload(sandbox, task->name, task->text, task->size) &&
         (task->file != NULL ? upload_folder(sandbox, task)
                             : upload(sandbox, "stack.py", example_stack, sizeof example_stack - 1));
}

/* --- what the server says ---------------------------------------------------------------------- */

/* Names of the protocol's CompletionItemKind. */
static const char *kind_name(int kind) {
  static const char *const names[] = {
    "",         "text",      "method", "function", "constructor",   "field",  "variable",
    "class",    "interface", "module", "property", "unit",          "value",  "enum",
    "keyword",  "snippet",   "color",  "file",     "reference",     "folder", "member",
    "constant", "struct",    "event",  "operator", "type parameter"};
  return kind > 0 && kind < (int)(sizeof names / sizeof names[0]) ? names[kind] : "";
}

static const char *sort_key(const daytona_lsp_completion_t *item) {
  return item->sort_text != NULL ? item->sort_text : item->label;
}

static int by_sort_text(const void *a, const void *b) {
  const daytona_lsp_completion_t *const *one = a, *const *other = b;
  return strcmp(sort_key(*one), sort_key(*other));
}

/* In the order in which an editor would show them. */
static void print_completions(const daytona_lsp_completion_list_t *list) {
  const daytona_lsp_completion_t **items = malloc((list->count + 1) * sizeof *items);
  if (items == NULL) return;
  if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
  qsort(items, list->count, sizeof *items, by_sort_text);
  for (size_t i = 0; i < list->count && i < SHOWN; i++)
    printf("  %-10s %s\n", kind_name(items[i]->kind), items[i]->label);
  if (list->count > SHOWN) printf("  and %zu more\n", list->count - SHOWN);
  if (list->count == 0) printf("  nothing\n");
  free(items);
}

static bool complete(daytona_lsp_t *lsp, const task_t *task, const char *path) {
  const char *line;
  size_t length;
  if (!find_line(task, &line, &length)) {
    fprintf(stderr, "%s has no line %lld\n", task->name, (long long)task->line + 1);
    return false;
  }
  int64_t column = task->column >= 0 ? task->column : utf16_length(line, length);
  daytona_future_t *future = daytona_lsp_completions(lsp, path, task->line, column, NULL);
  bool ok = succeeds(future);
  if (ok) {
    printf("%s:%lld: %.*s\n", task->name, (long long)task->line + 1, (int)length, line);
    print_completions(daytona_future_lsp_completion_list(future));
  }
  daytona_future_release(future);
  return ok;
}

static bool find_symbols(daytona_lsp_t *lsp, const char *name) {
  if (name == NULL) return true;
  daytona_future_t *future = daytona_lsp_sandbox_symbols(lsp, name, NULL);
  const daytona_lsp_symbol_list_t *list = NULL;
  bool ok = succeeds(future);
  if (ok) list = daytona_future_lsp_symbol_list(future);
  for (size_t i = 0; ok && i < list->count; i++)
    printf("%s: %s:%lld\n", list->items[i]->name, list->items[i]->location.uri,
           (long long)list->items[i]->location.range.start.line + 1);
  if (ok && list->count == 0) printf("%s: not found\n", name);
  daytona_future_release(future);
  return ok;
}

static bool use_server(daytona_sandbox_t *sandbox, const task_t *task) {
  const daytona_call_opts_t patient = {.timeout_ms = START_MS};
  char path[512];
  daytona_lsp_t *lsp;
  snprintf(path, sizeof path, "%s/%s", project, task->name);
  int rc = daytona_lsp_new(sandbox, task->language, project, &lsp);
  if (rc != 0) {
    fprintf(stderr, "%s\n", daytona_errcode_name(rc));
    return false;
  }
  bool is_started = is_done(daytona_lsp_start(lsp, &patient));
  bool ok = is_started && is_done(daytona_lsp_did_open(lsp, path, NULL)) && complete(lsp, task, path) &&
            find_symbols(lsp, task->find);
  if (is_started) ok = is_done(daytona_lsp_stop(lsp, NULL)) && ok;
  daytona_lsp_release(lsp);
  return ok;
}

int main(int argc, char **argv) {
  task_t task = {0};
  parse(&task, argc, argv);
  task.text = task.file != NULL ? read_text_file(task.file, FILE_MAX, &task.size) : strdup(example_main);
  if (task.file == NULL) task.size = sizeof example_main - 1;
  if (task.text == NULL) {
    perror(task.file);
    return EXIT_FAILURE;
  }
  daytona_client_t *client = open_client();
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && upload_project(sandbox, &task) && use_server(sandbox, &task);
  ok = discard(sandbox) && ok;
  ok = close_client(client) && ok;
  free(task.text);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
