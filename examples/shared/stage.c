/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program in a sandbox. See stage.h.
 */
#include "stage.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "steps.h"

static void on_box(box_t *box, const char *problem, void *user) {
  stage_t *stage = user;
  (void)box;
  if (problem == NULL) {
    stage->events->on_opened(stage->user);
  } else {
    stage_say(stage, "%s", problem);
    stage->events->end(stage->user, stage->failed, false);
  }
}

static void on_left(box_t *box, const char *problem, void *user) {
  stage_t *stage = user;
  box_tell_left(box, stage->program, problem);
  if (stage->events->on_left != NULL) stage->events->on_left(stage->user);
  printer_close(&stage->printer);
  ending_close(&stage->ending);
  daytona_client_close(stage->client, NULL, NULL);
}

static void on_unwritten(int rc, bool is_stderr, void *user) {
  stage_t *stage = user;
  stage_say(stage, "%s: %s", is_stderr ? "stderr" : "stdout", uv_strerror(rc));
  stage->events->end(stage->user, rc == UV_EPIPE ? 128 + SIGPIPE : stage->failed, true);
}

static void on_written(void *user) {
  stage_t *stage = user;
  stage->events->on_written(stage->user);
}

static void on_signal(uv_signal_t *handle, int number) {
  stage_t *stage = handle->data;
  stage->events->on_signal(number, stage->user);
}

int stage_run(stage_t *stage, const stage_events_t *events, void *user) {
  stage->events = events;
  stage->user = user;
  stage->loop = uv_default_loop();
  stage->client = open_client_with(NULL, stage->program, stage->failed);
  stage->printer = (printer_t){.on_failed = on_unwritten, .on_written = on_written, .user = stage};
  printer_open(&stage->printer, stage->loop);
  ending_open(&stage->ending, stage->loop, on_signal, stage);
  box_open(&stage->box, stage->client, stage->sandbox, stage->keeps, on_box, on_left, stage);
  uv_run(stage->loop, UV_RUN_DEFAULT);
  daytona_client_release(stage->client);
  return uv_loop_close(stage->loop) != 0 ? stage->failed : stage->status;
}

void stage_say(stage_t *stage, const char *format, ...) {
  int used = snprintf(stage->message, sizeof stage->message, "%s: ", stage->program);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(stage->message + used, sizeof stage->message - (size_t)used, format, arguments);
  va_end(arguments);
}

bool stage_deletes_sandbox(const stage_t *stage) { return stage->box.is_fresh && !stage->keeps; }

void stage_print_message(const stage_t *stage) {
  if (stage->message[0] != '\0') fprintf(stderr, "%s\n", stage->message);
}

void stage_leave(stage_t *stage) { box_close(&stage->box); }

void stage_abandon(stage_t *stage, int status) {
  stage->status = status;
  daytona_client_close(stage->client, NULL, NULL);
}
