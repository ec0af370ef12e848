/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox of an example. See box.h.
 */
#include "box.h"

#include <stddef.h>
#include <stdio.h>

enum { AWAKE_MS = 5 * 60 * 1000, DELETE_LIMIT_MS = 20 * 1000 };

static void on_awake(uv_timer_t *timer) {
  box_t *box = timer->data;
  daytona_future_then(daytona_sandbox_refresh_activity(box->sandbox, NULL), NULL, NULL);
}

static void on_deleted(daytona_future_t *future, void *user) {
  box_t *box = user;
  const daytona_error_t *error = daytona_future_error(future);
  box->on_closed(box, error != NULL ? error->message : NULL, box->user);
  daytona_sandbox_release(box->sandbox);
  box->sandbox = NULL;
}

static void leave(box_t *box) {
  daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  if (box->sandbox != NULL && box->is_fresh && !box->keeps) {
    daytona_future_then(daytona_sandbox_delete(box->sandbox, &opts), on_deleted, box);
    return;
  }
  box->on_closed(box, NULL, box->user);
  daytona_sandbox_release(box->sandbox);
  box->sandbox = NULL;
}

static void opened(box_t *box, daytona_future_t *future) {
  box->is_opening = false;
  box->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  if (box->is_closing) {
    leave(box);
    return;
  }
  if (box->sandbox != NULL) uv_timer_start(&box->awake, on_awake, AWAKE_MS, AWAKE_MS);
  box->on_opened(box, box->sandbox == NULL ? daytona_future_message(future) : NULL, box->user);
}

static void on_started(daytona_future_t *future, void *user) { opened(user, future); }

static void on_found(daytona_future_t *future, void *user) {
  daytona_sandbox_t *sandbox = daytona_future_sandbox(future);
  if (sandbox == NULL || daytona_sandbox_state(sandbox) == DAYTONA_SANDBOX_STARTED)
    opened(user, future);
  else
    daytona_future_then(daytona_sandbox_start(sandbox, NULL), on_started, user);
}

void box_open(box_t *box, daytona_client_t *client, const char *id_or_name, bool keeps,
              box_opened_cb on_opened, box_closed_cb on_closed, void *user) {
  daytona_sandbox_create_opts_t opts = {.is_ephemeral = !keeps};
  *box = (box_t){.client = client,
                 .keeps = keeps,
                 .is_fresh = id_or_name == NULL,
                 .is_opening = true,
                 .on_opened = on_opened,
                 .on_closed = on_closed,
                 .user = user};
  uv_timer_init(daytona_client_loop(client), &box->awake);
  uv_unref((uv_handle_t *)&box->awake);
  box->awake.data = box;
  if (id_or_name != NULL)
    daytona_future_then(daytona_sandbox_get(client, id_or_name, NULL), on_found, box);
  else
    daytona_future_then(daytona_sandbox_create(client, &opts), on_started, box);
}

void box_close(box_t *box) {
  if (box->is_closing) return;
  box->is_closing = true;
  uv_close((uv_handle_t *)&box->awake, NULL);
  if (!box->is_opening) leave(box);
}

const char *box_name(const box_t *box) {
  const daytona_sandbox_info_t *info = daytona_sandbox_info(box->sandbox);
  if (info == NULL) return "";
  return box->is_fresh || info->name == NULL ? info->id : info->name;
}

void box_tell_left(const box_t *box, const char *program, const char *problem) {
  if (problem != NULL)
    fprintf(stderr, "%s: the sandbox %s is left behind: %s\n", program, box_name(box), problem);
  if (box->is_fresh && box->keeps && box->sandbox != NULL)
    fprintf(stderr, "%s: the sandbox %s was kept\n", program, box_name(box));
}
