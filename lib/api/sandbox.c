/*
 * Sandboxes: the calls that are one request each. Creating, waiting and listing have files of their own.
 */
#include <daytona/sandbox.h>

#include <inttypes.h>
#include <stdio.h>

#include "call/op.h"

/* --- fetch ------------------------------------------------------------------------------------- */

static void on_fetched(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  daytona_sandbox_t *sandbox = daytona__sandbox_new(op->client, op->data, answer);
  if (sandbox == NULL)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve_sandbox(op, sandbox);
}

static const daytona__endpoint_t get_endpoint = {
  .prefix = "Failed to get sandbox: ", .method = "GET", .path = "/sandbox/{}", .gives_sandbox = true};

daytona_future_t *daytona_sandbox_get(daytona_client_t *client, const char *id_or_name,
                                      const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&get_endpoint, client, NULL, 0, &future);
  if (op == NULL) return future;
  if (id_or_name == NULL || id_or_name[0] == '\0')
    return daytona__op_reject(op, DAYTONA_EINVAL, "id_or_name is required");
  daytona__op_path(op, id_or_name, NULL, NULL);
  return daytona__op_run(op, NULL, opts, on_fetched);
}

/* An operation on a sandbox whose path needs its id and perhaps one or two more arguments. */
static daytona_future_t *run_on(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                const char *second, const void *request, const daytona_call_opts_t *opts,
                                void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer)) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  if (endpoint->service == DAYTONA__CONTROL_PLANE) daytona__op_path(op, sandbox->id, second, NULL);
  return daytona__op_run(op, request, opts, done);
}

static const daytona__endpoint_t refresh_endpoint = {.prefix = "Failed to refresh sandbox data: ",
                                                     .method = "GET",
                                                     .path = "/sandbox/{}",
                                                     .gives_sandbox = true};

daytona_future_t *daytona_sandbox_refresh_data(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return run_on(sandbox, &refresh_endpoint, NULL, NULL, opts, daytona__op_done_sandbox);
}

static const daytona__endpoint_t activity_endpoint = {
  .prefix = "Failed to refresh sandbox activity: ", .method = "POST", .path = "/sandbox/{}/last-activity"};

daytona_future_t *daytona_sandbox_refresh_activity(daytona_sandbox_t *sandbox,
                                                   const daytona_call_opts_t *opts) {
  return run_on(sandbox, &activity_endpoint, NULL, NULL, opts, daytona__op_done_empty);
}

/* --- folders ----------------------------------------------------------------------------------- */

typedef struct dir {
  const char *path;
} dir_t;

static const daytona__json_field_t dir_fields[] = {
  DAYTONA__FIELD(dir_t, STRING, path, "dir", .flags = DAYTONA__JSON_REQUIRED),
};

static DAYTONA__MODEL(dir_model, dir_t, "Directory", dir_fields);

static void on_dir(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_string, (void *)((const dir_t *)answer)->path);
}

static const daytona__endpoint_t home_endpoint = {.prefix = "Failed to get user home directory: ",
                                                  .method = "GET",
                                                  .path = "/user-home-dir",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .response = &dir_model};

daytona_future_t *daytona_sandbox_get_user_home_dir(daytona_sandbox_t *sandbox,
                                                    const daytona_call_opts_t *opts) {
  return run_on(sandbox, &home_endpoint, NULL, NULL, opts, on_dir);
}

static const daytona__endpoint_t work_endpoint = {.prefix = "Failed to get working directory path: ",
                                                  .method = "GET",
                                                  .path = "/work-dir",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .response = &dir_model};

daytona_future_t *daytona_sandbox_get_work_dir(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return run_on(sandbox, &work_endpoint, NULL, NULL, opts, on_dir);
}

/* --- labels ------------------------------------------------------------------------------------ */

typedef struct labels {
  daytona_map_t map;
} labels_t;

static const daytona__json_field_t label_fields[] = {
  DAYTONA__FIELD(labels_t, MAP, map, "labels", .flags = DAYTONA__JSON_ALWAYS),
};

static DAYTONA__MODEL(labels_model, labels_t, "SandboxLabels", label_fields);

static void on_labels(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  labels_t *labels = answer;
  if (daytona__sandbox_set_labels(op->sandbox, &labels->map) != 0)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve(op, &daytona__type_map, &labels->map);
}

static const daytona__endpoint_t labels_endpoint = {.prefix = "Failed to set labels: ",
                                                    .method = "PUT",
                                                    .path = "/sandbox/{}/labels",
                                                    .request = &labels_model,
                                                    .response = &labels_model};

daytona_future_t *daytona_sandbox_set_labels(daytona_sandbox_t *sandbox, const daytona_map_t *labels,
                                             const daytona_call_opts_t *opts) {
  labels_t request = {{NULL, 0}};
  if (labels != NULL) request.map = *labels;
  return run_on(sandbox, &labels_endpoint, NULL, &request, opts, on_labels);
}

/* --- archive and intervals --------------------------------------------------------------------- */

static const daytona__endpoint_t archive_endpoint = {.prefix = "Failed to archive sandbox: ",
                                                     .method = "POST",
                                                     .path = "/sandbox/{}/archive",
                                                     .gives_sandbox = true,
                                                     .is_lenient = true};

daytona_future_t *daytona_sandbox_archive(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return run_on(sandbox, &archive_endpoint, NULL, NULL, opts, daytona__op_done_sandbox);
}

/* A setter with a number in its path. */
static daytona_future_t *set_minutes(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                     int64_t minutes, bool takes_negative, const daytona_call_opts_t *opts) {
  char text[24];
  if (minutes < 0 && !takes_negative && sandbox != NULL)
    return daytona__future_failed(sandbox->client->loop, endpoint->prefix, DAYTONA_EINVAL,
                                  "minutes must not be negative");
  snprintf(text, sizeof text, "%" PRId64, minutes);
  return run_on(sandbox, endpoint, text, NULL, opts, daytona__op_done_sandbox);
}

static const daytona__endpoint_t auto_stop_endpoint = {.prefix = "Failed to set auto-stop interval: ",
                                                       .method = "POST",
                                                       .path = "/sandbox/{}/autostop/{}",
                                                       .gives_sandbox = true,
                                                       .is_lenient = true};

daytona_future_t *daytona_sandbox_set_autostop_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                        const daytona_call_opts_t *opts) {
  return set_minutes(sandbox, &auto_stop_endpoint, minutes, false, opts);
}

static const daytona__endpoint_t auto_archive_endpoint = {.prefix = "Failed to set auto-archive interval: ",
                                                          .method = "POST",
                                                          .path = "/sandbox/{}/autoarchive/{}",
                                                          .gives_sandbox = true,
                                                          .is_lenient = true};

daytona_future_t *daytona_sandbox_set_auto_archive_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                            const daytona_call_opts_t *opts) {
  return set_minutes(sandbox, &auto_archive_endpoint, minutes, false, opts);
}

static const daytona__endpoint_t auto_delete_endpoint = {.prefix = "Failed to set auto-delete interval: ",
                                                         .method = "POST",
                                                         .path = "/sandbox/{}/autodelete/{}",
                                                         .gives_sandbox = true,
                                                         .is_lenient = true};

daytona_future_t *daytona_sandbox_set_auto_delete_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                           const daytona_call_opts_t *opts) {
  return set_minutes(sandbox, &auto_delete_endpoint, minutes, true, opts);
}
