/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a build; see build.h.
 *
 * The wait of the operation polls the state. The log is followed beside it from the first state on that can have one. When
 * the state decides the wait, the operation holds until the rest of the log was delivered, and then settles.
 *
 *   image -> (thread pool: its files) -> contexts into object storage -> "buildInfo" in the body -> the request
 */
#include "api/build.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

static const char *state_of(const daytona__build_t *build) {
  const char *name = build->life->rule != NULL ? build->life->rule->of->state_name(&build->life->op) : NULL;
  return name != NULL ? name : "unknown";
}

/* It may end the operation, and with it the build. */
static void call_user(daytona__build_t *build, const daytona_build_event_t *event) {
  daytona__loop_t *loop = daytona__loop_retain(build->life->op.client->loop);
  daytona__loop_enter(loop);
  build->on_event(event, build->user);
  daytona__loop_leave(loop);
  daytona__loop_release(loop);
}

static void on_text(void *user, const char *text, size_t size) {
  daytona__build_t *build = user;
  const daytona_build_event_t event = {
    .state_name = build->state, .text = text, .size = size, .offset = build->offset};
  build->offset += size;
  call_user(build, &event);
}

static void on_log_end(void *user) {
  daytona__build_t *build = user;
  daytona__build_log_stop(build->log);
  build->log = NULL;
  build->is_log_over = true;
  if (build->is_holding) daytona__life_decide(build->life);
}

static void follow(daytona__build_t *build) {
  daytona__op_t *op = &build->life->op;
  const daytona__build_log_opts_t opts = {.url_method = build->log_url,
                                          .id = build->id(op),
                                          .on_text = on_text,
                                          .on_end = on_log_end,
                                          .user = build};
  if (build->log != NULL || build->is_log_over) return;
  build->log = daytona__build_log_new(op->client, &opts);
  build->is_log_over = build->log == NULL;
}

void daytona__build_report(daytona__build_t *build) {
  const char *state = state_of(build);
  if (build->on_event == NULL) return;
  if (build->log_url != NULL) {
    if (build->is_built(&build->life->op)) build->has_begun = true;
    if (build->has_begun && build->has_log(&build->life->op)) follow(build);
  }
  if (strncmp(state, build->state, sizeof build->state - 1) == 0) return;
  snprintf(build->state, sizeof build->state, "%s", state);
  call_user(build, &(daytona_build_event_t){.state_name = build->state, .offset = build->offset});
}

static void on_polled(daytona__life_t *life) { daytona__build_report(life->watcher); }

/* The wait is decided. What was built before this operation has no log that is wanted. */
static bool holds(daytona__life_t *life) {
  daytona__build_t *build = life->watcher;
  if (build->on_event == NULL || build->log_url == NULL || !build->has_begun) return false;
  follow(build);
  build->is_holding = build->log != NULL;
  if (build->is_holding) daytona__build_log_finish(build->log);
  return build->is_holding;
}

void daytona__build_watch(daytona__build_t *build) {
  build->life->watcher = build;
  build->life->polled = on_polled;
  build->life->holds = holds;
}

bool daytona__build_late(daytona__build_t *build) {
  if (!build->is_holding) return false;
  daytona__life_decide(build->life);
  return true;
}

void daytona__build_end(daytona__build_t *build) {
  daytona__image_job_cancel(build->job);
  build->job = NULL;
  daytona__storage_close(build->storage);
  build->storage = NULL;
  daytona__image_content_release(build->content);
  build->content = NULL;
  daytona__build_log_stop(build->log);
  build->log = NULL;
  build->is_log_over = true;
}

/* --- from an image ----------------------------------------------------------------------------- */

typedef struct build_body {
  const char *dockerfile;
  daytona_strings_t hashes;
} build_body_t;

static const daytona__json_field_t named_fields[] = {
  DAYTONA__FIELD(build_body_t, STRING, dockerfile, "dockerfileContent"),
};
static DAYTONA__MODEL(named_model, build_body_t, "BuildInfo", named_fields);

static const daytona__json_field_t built_fields[] = {
  DAYTONA__FIELD(build_body_t, STRING, dockerfile, "dockerfileContent"),
  DAYTONA__FIELD(build_body_t, STRINGS, hashes, "contextHashes", .flags = DAYTONA__JSON_ALWAYS),
};
static DAYTONA__MODEL(built_model, build_body_t, "BuildInfo", built_fields);

int daytona__build_from_name(daytona__op_t *op, const char *image_name) {
  const build_body_t body = {.dockerfile =
                               daytona__arena_printf(&op->future->arena, "FROM %s\n", image_name)};
  return body.dockerfile != NULL ? daytona__op_add_member(op, "buildInfo", &named_model, &body)
                                 : DAYTONA_ENOMEM;
}

int daytona__build_hashes(const daytona__build_t *build, daytona_strings_t *out) {
  *out = (daytona_strings_t){NULL, 0};
  if (build->storage == NULL) return 0;
  return daytona__storage_hashes(build->storage, build->content->view.context_count,
                                 &build->life->op.future->arena, out);
}

static daytona__build_t *build_of(daytona__op_t *op) { return ((daytona__life_t *)op)->watcher; }

static void on_stored(daytona__op_t *op, const daytona_error_t *error) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    build_of(op)->stored(op);
}

static void on_content(daytona__image_content_t *content, const daytona_error_t *error, void *user) {
  daytona__build_t *build = user;
  daytona__op_t *op = &build->life->op;
  build->job = NULL;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  const daytona_image_content_t *view = &content->view;
  build->content = daytona__image_content_retain(content);
  if (view->context_count == 0) {
    build->stored(op);
    return;
  }
  build->storage = daytona__storage_new(op, view->contexts, view->context_count,
                                        &(daytona__storage_opts_t){.done = on_stored});
  if (build->storage == NULL) daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
}

void daytona__build_store(daytona__build_t *build, daytona_image_t *image,
                          const daytona_strings_t *entrypoint, void (*stored)(daytona__op_t *op)) {
  daytona__op_t *op = &build->life->op;
  build->stored = stored;
  daytona__life_limit(build->life);
  build->job = daytona__image_job_new(op->client->loop, image, entrypoint, on_content, build);
  if (build->job == NULL) daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
}

/* The Dockerfile goes with the hashes of its contexts. Servers take an empty one for none, and would make something else. */
static void finish_body(daytona__op_t *op) {
  daytona__build_t *build = build_of(op);
  build_body_t body = {.dockerfile = build->content->view.dockerfile};
  if (body.dockerfile[strspn(body.dockerfile, " \t\r\n")] == '\0') {
    daytona__op_reject(op, DAYTONA_EINVAL, "the Dockerfile of the image is empty");
    return;
  }
  int rc = daytona__build_hashes(build, &body.hashes);
  if (rc == 0) rc = daytona__op_add_member(op, "buildInfo", &built_model, &body);
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  else
    build->ready(op);
}

void daytona__build_from(daytona__build_t *build, daytona_image_t *image, const daytona_strings_t *entrypoint,
                         void (*ready)(daytona__op_t *op)) {
  build->ready = ready;
  daytona__build_store(build, image, entrypoint, finish_body);
}
