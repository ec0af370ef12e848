/*
 * Terminals over REST: list, look at, resize, kill.
 */
#include <daytona/pty.h>

#include "call/op.h"

enum { SIZE_LIMIT = 1000 };

static const daytona__json_field_t info_fields[] = {
  DAYTONA__FIELD(daytona_pty_info_t, STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_pty_info_t, STRING, cwd, "cwd"),
  DAYTONA__FIELD(daytona_pty_info_t, MAP, env, "envs", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(daytona_pty_info_t, INT32, cols, "cols"),
  DAYTONA__FIELD(daytona_pty_info_t, INT32, rows, "rows"),
  DAYTONA__FIELD(daytona_pty_info_t, STRING, created_at, "createdAt"),
  DAYTONA__FIELD(daytona_pty_info_t, BOOL, is_active, "active"),
  DAYTONA__FIELD(daytona_pty_info_t, BOOL, is_lazy, "lazyStart"),
};

static DAYTONA__MODEL(info_model, daytona_pty_info_t, "PtySessionInfo", info_fields);

static const daytona__json_field_t list_fields[] = {
  DAYTONA__FIELD_ARRAY(daytona_pty_list_t, items, count, "sessions", &info_model),
};

static DAYTONA__MODEL(list_model, daytona_pty_list_t, "PtyListResponse", list_fields);

typedef struct resize_request {
  int cols, rows;
} resize_request_t;

static const daytona__json_field_t resize_fields[] = {
  DAYTONA__FIELD(resize_request_t, INT32, cols, "cols", .flags = DAYTONA__JSON_ALWAYS),
  DAYTONA__FIELD(resize_request_t, INT32, rows, "rows", .flags = DAYTONA__JSON_ALWAYS),
};

static DAYTONA__MODEL(resize_model, resize_request_t, "PtyResizeRequest", resize_fields);

static const daytona__endpoint_t list_endpoint = {.prefix = "Failed to list PTY sessions: ",
                                                  .method = "GET",
                                                  .path = "/process/pty",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .response = &list_model};
static const daytona__endpoint_t info_endpoint = {.prefix = "Failed to get PTY session info: ",
                                                  .method = "GET",
                                                  .path = "/process/pty/{}",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .response = &info_model};
static const daytona__endpoint_t kill_endpoint = {.prefix = "Failed to kill PTY session: ",
                                                  .method = "DELETE",
                                                  .path = "/process/pty/{}",
                                                  .service = DAYTONA__TOOLBOX};
static const daytona__endpoint_t resize_endpoint = {.prefix = "Failed to resize PTY session: ",
                                                    .method = "POST",
                                                    .path = "/process/pty/{}/resize",
                                                    .service = DAYTONA__TOOLBOX,
                                                    .request = &resize_model,
                                                    .response = &info_model};

static const daytona__type_t type_list = {"PTY list", NULL};
static const daytona__type_t type_info = {"PTY info", NULL};

const daytona_pty_list_t *daytona_future_pty_list(const daytona_future_t *future) {
  return daytona__future_result(future, &type_list);
}

const daytona_pty_info_t *daytona_future_pty_info(const daytona_future_t *future) {
  return daytona__future_result(future, &type_info);
}

static void on_list(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &type_list, answer);
}

static void on_info(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &type_info, answer);
}

daytona_future_t *daytona_pty_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&list_endpoint, NULL, sandbox, 0, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_list) : future;
}

daytona_future_t *daytona_pty_get_info(daytona_sandbox_t *sandbox, const char *id,
                                       const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&info_endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  daytona__op_path(op, id, NULL, NULL);
  return daytona__op_run(op, NULL, opts, on_info);
}

daytona_future_t *daytona_pty_resize(daytona_sandbox_t *sandbox, const char *id, int cols, int rows,
                                     const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&resize_endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  if (cols < 1 || cols > SIZE_LIMIT || rows < 1 || rows > SIZE_LIMIT)
    return daytona__op_reject(op, DAYTONA_EINVAL, "cols and rows must be 1 to %d", (int)SIZE_LIMIT);
  daytona__op_path(op, id, NULL, NULL);
  resize_request_t request = {cols, rows};
  return daytona__op_run(op, &request, opts, on_info);
}

daytona_future_t *daytona_pty_kill(daytona_sandbox_t *sandbox, const char *id,
                                   const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&kill_endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  daytona__op_path(op, id, NULL, NULL);
  return daytona__op_run(op, NULL, opts, daytona__op_done_empty);
}
