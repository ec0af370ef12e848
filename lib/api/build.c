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

static void on_text(void *user, const char *text, size_t size) {
  daytona__build_t *build = user;
  const daytona_build_event_t event = {
    .state_name = build->state, .text = text, .size = size, .offset = build->offset};
  build->offset += size;
  build->on_event(&event, build->user);
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
  const daytona__wait_rule_t *rule = build->life->rule;
  if (!daytona__wait_is_met(rule, rule->of->state_of(&build->life->op))) build->has_begun = true;
  if (build->log_url != NULL && build->has_log(&build->life->op)) follow(build);
  if (strncmp(state, build->state, sizeof build->state - 1) == 0) return;
  snprintf(build->state, sizeof build->state, "%s", state);
  build->on_event(&(daytona_build_event_t){.state_name = build->state, .offset = build->offset}, build->user);
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

/* All contexts are in the storage. */
static void on_stored(daytona__build_t *build, const daytona_strings_t *hashes) {
  daytona__op_t *op = &build->life->op;
  const build_body_t body = {.dockerfile = build->content->view.dockerfile, .hashes = *hashes};
  int rc = daytona__op_add_member(op, "buildInfo", &built_model, &body);
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  else
    build->ready(op);
}

static void on_content(daytona__image_content_t *content, const daytona_error_t *error, void *user) {
  daytona__build_t *build = user;
  build->job = NULL;
  if (error != NULL) {
    daytona__op_fail(&build->life->op, error);
    return;
  }
  build->content = daytona__image_content_retain(content);
  if (content->view.context_count != 0) {
    daytona__op_reject(&build->life->op, DAYTONA_EUNSUPPORTED, "local files cannot be uploaded yet");
    return;
  }
  on_stored(build, &(daytona_strings_t){NULL, 0});
}

void daytona__build_from(daytona__build_t *build, daytona_image_t *image, const daytona_strings_t *entrypoint,
                         void (*ready)(daytona__op_t *op)) {
  daytona__op_t *op = &build->life->op;
  build->ready = ready;
  daytona__life_limit(build->life);
  build->job = daytona__image_job_new(op->client->loop, image, entrypoint, on_content, build);
  if (build->job == NULL) daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
}
