/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of agent: from files, and from a command of this machine that writes the next version. See agent.h.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_LIMIT_MS = 10 * 60 * 1000, CHECK_MS = 50 };

/* What is left of the file, up to PROGRAM_MAX bytes. */
static text_t read_rest(FILE *file, const char *name) {
  text_t text = {malloc(PROGRAM_MAX + 1), 0};
  const char *problem = "no memory";
  if (text.bytes != NULL) {
    text.size = fread(text.bytes, 1, PROGRAM_MAX, file);
    text.bytes[text.size] = '\0';
    problem = ferror(file) ? strerror(errno) : fgetc(file) != EOF ? "more than 1 MiB" : NULL;
  }
  if (problem == NULL) return text;
  fprintf(stderr, "agent: %s: %s\n", name, problem);
  text_clear(&text);
  return text;
}

text_t text_of_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "agent: %s: %s\n", path, strerror(errno));
    return (text_t){0};
  }
  text_t text = read_rest(file, path);
  fclose(file);
  return text;
}

text_t text_copy(const char *bytes) {
  text_t text = {strdup(bytes), strlen(bytes)};
  return text;
}

bool text_write(const text_t *text, const char *path) {
  FILE *file = fopen(path, "wb");
  bool ok = file != NULL && fwrite(text->bytes, 1, text->size, file) == text->size;
  if (file != NULL && fclose(file) != 0) ok = false;
  if (!ok) fprintf(stderr, "agent: %s: %s\n", path, strerror(errno));
  return ok;
}

bool text_has(const text_t *text, const char *wanted) {
  size_t length = strlen(wanted);
  for (size_t i = 0; i + length <= text->size; i++)
    if (memcmp(text->bytes + i, wanted, length) == 0) return true;
  return false;
}

void text_clear(text_t *text) {
  free(text->bytes);
  *text = (text_t){0};
}

/* --- the command ------------------------------------------------------------------------------- */

typedef struct child {
  uv_process_t process;
  uv_timer_t timer;
  const bool *is_interrupted;
  uint64_t limit; /* when it is ended */
  bool has_exited;
  int open;
  int64_t status;
} child_t;

static void on_closed(uv_handle_t *handle) { ((child_t *)handle->data)->open--; }

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal) {
  child_t *child = process->data;
  child->has_exited = true;
  child->status = signal != 0 ? 128 + signal : status;
}

static void on_check(uv_timer_t *timer) {
  child_t *child = timer->data;
  if (!child->has_exited && (*child->is_interrupted || uv_now(timer->loop) >= child->limit))
    uv_kill(-child->process.pid, SIGKILL); /* and what it has started */
}

/* Its exit code, or an error of libuv. */
static int64_t run_child(uv_loop_t *loop, const char *command, int from, int to, const bool *is_interrupted) {
  child_t child = {.is_interrupted = is_interrupted, .open = 2};
  char *const args[] = {"sh", "-c", (char *)command, NULL};
  uv_stdio_container_t stdio[3] = {{.flags = UV_INHERIT_FD, .data.fd = from},
                                   {.flags = UV_INHERIT_FD, .data.fd = to},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2}};
  const uv_process_options_t options = {.file = "/bin/sh",
                                        .args = (char **)args,
                                        .exit_cb = on_exit_of_child,
                                        .stdio = stdio,
                                        .stdio_count = 3,
                                        .flags = UV_PROCESS_DETACHED}; /* a group of its own */
  uv_update_time(loop);
  child.limit = uv_now(loop) + COMMAND_LIMIT_MS;
  child.process.data = child.timer.data = &child;
  uv_timer_init(loop, &child.timer);
  uv_timer_start(&child.timer, on_check, CHECK_MS, CHECK_MS);
  int rc = uv_spawn(loop, &child.process, &options);
  while (rc == 0 && !child.has_exited) uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&child.process, on_closed);
  uv_close((uv_handle_t *)&child.timer, on_closed);
  while (child.open > 0) uv_run(loop, UV_RUN_ONCE);
  return rc != 0 ? rc : child.status;
}

static bool put_request(FILE *to, const char *outcome, const text_t *output, const text_t *program) {
  fprintf(to, "%s\n\n", outcome);
  fwrite(output->bytes, 1, output->size, to);
  fputs(output->size != 0 && output->bytes[output->size - 1] != '\n' ? "\n---\n" : "---\n", to);
  fwrite(program->bytes, 1, program->size, to);
  bool ok = fflush(to) == 0 && !ferror(to);
  rewind(to);
  return ok;
}

text_t next_by_command(uv_loop_t *loop, const char *command, const char *outcome, const text_t *output,
                       const text_t *program, const bool *is_interrupted) {
  FILE *from = tmpfile(), *to = tmpfile();
  text_t text = {0};
  if (from == NULL || to == NULL || !put_request(from, outcome, output, program)) {
    fprintf(stderr, "agent: a temporary file: %s\n", strerror(errno));
  } else {
    int64_t status = run_child(loop, command, fileno(from), fileno(to), is_interrupted);
    rewind(to);
    if (status == 0)
      text = read_rest(to, "what --fix printed");
    else
      fprintf(stderr, "agent: --fix has ended with %lld\n", (long long)status);
  }
  if (from != NULL) fclose(from);
  if (to != NULL) fclose(to);
  return text;
}
