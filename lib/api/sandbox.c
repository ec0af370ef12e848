/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes: the calls that are one request each. Creating, waiting and listing have files of their own.
 */
#include <daytona/sandbox.h>

#include "call/method.h"
#include "call/results.h"

typedef struct sandbox_args {
  const char *id_or_name;
  int64_t minutes;
  daytona_map_t labels;
} sandbox_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(sandbox_args_t, __VA_ARGS__)

#define SANDBOX(noun, http_verb, tail, what, ...)                                                     \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/sandbox" tail, \
                  __VA_ARGS__)

/* --- looking ----------------------------------------------------------------------------------- */

SANDBOX(get, "GET", "/{id}", "get sandbox",
        ARGS(DAYTONA__ARG(IN_PATH, sandbox_args_t, STRING, id_or_name, "id", .rules = DAYTONA__NONEMPTY)),
        .gives_sandbox = true);

daytona_future_t *daytona_sandbox_get(daytona_client_t *client, const char *id_or_name,
                                      const daytona_call_opts_t *opts) {
  return daytona__call(client, &get_method, &(sandbox_args_t){id_or_name}, DAYTONA__OPTS(opts));
}

SANDBOX(refresh_data, "GET", "/{sandbox}", "refresh sandbox data", .gives_sandbox = true);

daytona_future_t *daytona_sandbox_refresh_data(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &refresh_data_method, NULL, DAYTONA__OPTS(opts));
}

SANDBOX(refresh_activity, "POST", "/{sandbox}/last-activity", "refresh sandbox activity");

daytona_future_t *daytona_sandbox_refresh_activity(daytona_sandbox_t *sandbox,
                                                   const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &refresh_activity_method, NULL, DAYTONA__OPTS(opts));
}

/* --- folders ----------------------------------------------------------------------------------- */

static DAYTONA__MODEL_OF(dir_model, daytona__text_t, "Directory",
                         DAYTONA__FIELD(daytona__text_t, STRING, text, "dir",
                                        .flags = DAYTONA__JSON_REQUIRED));

#define FOLDER(noun, route, what)                                                           \
  DAYTONA__METHOD(noun, .prefix = "Failed to get " what ": ", .verb = "GET", .path = route, \
                  .service = DAYTONA__TOOLBOX, .response = &dir_model, .gives_text = true)

FOLDER(home_dir, "/user-home-dir", "user home directory");

daytona_future_t *daytona_sandbox_get_user_home_dir(daytona_sandbox_t *sandbox,
                                                    const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &home_dir_method, NULL, DAYTONA__OPTS(opts));
}

FOLDER(work_dir, "/work-dir", "working directory path");

daytona_future_t *daytona_sandbox_get_work_dir(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &work_dir_method, NULL, DAYTONA__OPTS(opts));
}

/* --- settings ---------------------------------------------------------------------------------- */

static DAYTONA__MODEL_OF(labels_model, daytona_map_t, "SandboxLabels",
                         {.key = "labels", .type = DAYTONA__JSON_MAP});

static int finish_labels(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  return daytona__sandbox_set_labels(op->sandbox, *answer);
}

SANDBOX(set_labels, "PUT", "/{sandbox}/labels", "set labels",
        ARGS(DAYTONA__ARG(IN_BODY, sandbox_args_t, MAP, labels, "labels", .flags = DAYTONA__JSON_ALWAYS)),
        .response = &labels_model, .result = &daytona__type_map, .finish = finish_labels);

daytona_future_t *daytona_sandbox_set_labels(daytona_sandbox_t *sandbox, const daytona_map_t *labels,
                                             const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &set_labels_method, &(sandbox_args_t){.labels = DAYTONA__OR_EMPTY(labels)},
                       DAYTONA__OPTS(opts));
}

SANDBOX(archive, "POST", "/{sandbox}/archive", "archive sandbox", .gives_sandbox = true, .is_lenient = true);

daytona_future_t *daytona_sandbox_archive(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &archive_method, NULL, DAYTONA__OPTS(opts));
}

#define INTERVAL(noun, route, what, ...)                                                     \
  SANDBOX(noun, "POST", "/{sandbox}/" route "/{minutes}", "set " what " interval",           \
          ARGS(DAYTONA__ARG(IN_PATH, sandbox_args_t, INT, minutes, "minutes", __VA_ARGS__)), \
          .gives_sandbox = true, .is_lenient = true)

INTERVAL(auto_stop, "autostop", "auto-stop", .rules = DAYTONA__MIN, .min = 0);

daytona_future_t *daytona_sandbox_set_autostop_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                        const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &auto_stop_method, &(sandbox_args_t){.minutes = minutes},
                       DAYTONA__OPTS(opts));
}

INTERVAL(auto_archive, "autoarchive", "auto-archive", .rules = DAYTONA__MIN, .min = 0);

daytona_future_t *daytona_sandbox_set_auto_archive_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                            const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &auto_archive_method, &(sandbox_args_t){.minutes = minutes},
                       DAYTONA__OPTS(opts));
}

/* Negative: never. */
INTERVAL(auto_delete, "autodelete", "auto-delete", .rules = 0);

daytona_future_t *daytona_sandbox_set_auto_delete_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                           const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &auto_delete_method, &(sandbox_args_t){.minutes = minutes},
                       DAYTONA__OPTS(opts));
}

INTERVAL(auto_pause, "autopause", "auto-pause", .rules = DAYTONA__MIN, .min = 0);

daytona_future_t *daytona_sandbox_set_auto_pause_interval(daytona_sandbox_t *sandbox, int64_t minutes,
                                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &auto_pause_method, &(sandbox_args_t){.minutes = minutes},
                       DAYTONA__OPTS(opts));
}

SANDBOX(ttl, "POST", "/{sandbox}/ttl/{minutes}", "set TTL",
        ARGS(DAYTONA__ARG(IN_PATH, sandbox_args_t, INT, minutes, "minutes", .rules = DAYTONA__MIN, .min = 0)),
        .gives_sandbox = true, .is_lenient = true);

daytona_future_t *daytona_sandbox_set_ttl(daytona_sandbox_t *sandbox, int64_t minutes,
                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &ttl_method, &(sandbox_args_t){.minutes = minutes}, DAYTONA__OPTS(opts));
}
