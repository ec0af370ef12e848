/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals over REST: list, look at, resize, kill.
 */
#include <daytona/pty.h>

#include "api/pty_impl.h"
#include "call/method.h"
#include "call/results.h"

static DAYTONA__MODEL_OF(info_model, daytona_pty_info_t, "PtySessionInfo",
                         DAYTONA__FIELD(daytona_pty_info_t, STRING, id, "id",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_pty_info_t, STRING, cwd, "cwd"),
                         DAYTONA__FIELD(daytona_pty_info_t, MAP, env, "envs", .flags = DAYTONA__JSON_SECRET),
                         DAYTONA__FIELD(daytona_pty_info_t, INT32, cols, "cols"),
                         DAYTONA__FIELD(daytona_pty_info_t, INT32, rows, "rows"),
                         DAYTONA__FIELD(daytona_pty_info_t, STRING, created_at, "createdAt"),
                         DAYTONA__FIELD(daytona_pty_info_t, BOOL, is_active, "active"),
                         DAYTONA__FIELD(daytona_pty_info_t, BOOL, is_lazy, "lazyStart"));

static DAYTONA__MODEL_OF(list_model, daytona_pty_list_t, "PtyListResponse",
                         DAYTONA__FIELD_LIST(daytona_pty_list_t, items, count, "sessions", &info_model));

typedef struct pty_args {
  const char *id;
  int cols, rows;
} pty_args_t;

#define ID DAYTONA__ARG(IN_PATH, pty_args_t, STRING, id, "id", .rules = DAYTONA__NONEMPTY)
#define SIZE(member)                                                                                        \
  DAYTONA__ARG(IN_BODY, pty_args_t, INT32, member, #member, .rules = DAYTONA__MIN | DAYTONA__MAX, .min = 1, \
               .max = DAYTONA__PTY_SIZE_MAX)

#define PTY(noun, http_verb, tail, what, ...)                                                             \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/process/pty" tail, \
                  .service = DAYTONA__TOOLBOX, __VA_ARGS__)
#define ARGS(...) .request = DAYTONA__ARGS(pty_args_t, __VA_ARGS__)

PTY(list, "GET", "", "list PTY sessions", .response = &list_model, .result = &daytona__type_pty_list);

daytona_future_t *daytona_pty_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &list_method, NULL, DAYTONA__OPTS(opts));
}

PTY(get_info, "GET", "/{id}", "get PTY session info", ARGS(ID), .response = &info_model,
    .result = &daytona__type_pty_info);

daytona_future_t *daytona_pty_get_info(daytona_sandbox_t *sandbox, const char *id,
                                       const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_info_method, &(pty_args_t){id}, DAYTONA__OPTS(opts));
}

PTY(resize, "POST", "/{id}/resize", "resize PTY session", ARGS(ID, SIZE(cols), SIZE(rows)),
    .response = &info_model, .result = &daytona__type_pty_info);

daytona_future_t *daytona_pty_resize(daytona_sandbox_t *sandbox, const char *id, int cols, int rows,
                                     const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &resize_method, &(pty_args_t){id, cols, rows}, DAYTONA__OPTS(opts));
}

PTY(kill, "DELETE", "/{id}", "kill PTY session", ARGS(ID));

daytona_future_t *daytona_pty_kill(daytona_sandbox_t *sandbox, const char *id,
                                   const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &kill_method, &(pty_args_t){id}, DAYTONA__OPTS(opts));
}
