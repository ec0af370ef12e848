/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process/session: requests and answers of sessions. What a client sees of a log depends on the
 * version of its SDK (sdk_version.h).
 */
#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/core/websocket.h"
#include "toolbox/process/session.h"
#include "toolbox/process/session_log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRUNCATED "\2\2\2[log truncated for this answer]\n"

/* --- logs --- */

/* The whole log, or as much as a response may hold. 0, or an errno value. */
static int read_log(const dl_command_t *c, dl_buf_t *out) {
  char *path = dl_xprintf("%s/output.log", c->dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), error = fd < 0 ? errno : 0;
  free(path);
  dl_buf_init(out, DL_TB_OUTPUT_MAX + sizeof TRUNCATED);
  while (fd >= 0) {
    char block[65536];
    ssize_t got = read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (out->len + (size_t)got > DL_TB_OUTPUT_MAX) {
      dl_buf_puts(out, TRUNCATED);
      break;
    }
    dl_buf_append(out, block, (size_t)got);
  }
  if (fd >= 0) close(fd);
  return error;
}

static void split(const dl_buf_t *log, dl_buf_t *before, dl_buf_t *out, dl_buf_t *err) {
  dl_demux_t d = {0};
  dl_buf_t *const to[3] = {before, out, err};
  dl_demux_feed(&d, log->data, log->len, to);
  dl_demux_end(&d, to);
}

static json_t *text_of(const dl_buf_t *b) { return dl_tb_text(b->data != NULL ? b->data : "", b->len); }

/* The fields "output", "stdout" and "stderr". */
static void put_log(json_t *answer, const dl_buf_t *log, dl_log_view_t view) {
  dl_buf_t out, err;
  dl_buf_init(&out, log->len);
  dl_buf_init(&err, log->len);
  if (view == DL_LOG_VIEW_STRIPPED) split(log, &out, &out, &out);
  if (view == DL_LOG_VIEW_SPLIT) split(log, NULL, &out, &err);
  json_object_set_new(answer, "output", text_of(view == DL_LOG_VIEW_STRIPPED ? &out : log));
  json_object_set_new(answer, "stdout", view == DL_LOG_VIEW_SPLIT ? text_of(&out) : json_null());
  json_object_set_new(answer, "stderr", view == DL_LOG_VIEW_SPLIT ? text_of(&err) : json_null());
  dl_buf_clear(&out);
  dl_buf_clear(&err);
}

static void reply_log_text(dl_req_t *req, const dl_buf_t *log, bool is_stripped) {
  dl_buf_t out;
  dl_buf_init(&out, log->len);
  if (is_stripped)
    split(log, &out, &out, &out);
  else
    dl_buf_append(&out, log->data, log->len);
  const char *type = is_stripped && out.len == 0 ? NULL : "text/plain; charset=utf-8"; /* as the platform */
  dl_tb_add_request_id(req);
  dl_reply_bytes(req, 200, type, out.data, out.len);
  dl_buf_clear(&out);
}

static void reply_log(dl_req_t *req, const dl_command_t *c, dl_log_view_t view) {
  dl_buf_t log;
  int error = read_log(c, &log);
  if (error == EACCES) {
    dl_tb_reply_error(req, 403, "the log may not be read");
  } else if (error != 0) {
    dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "log not found");
  } else if (view == DL_LOG_VIEW_SPLIT) {
    json_t *answer = json_object();
    put_log(answer, &log, view);
    dl_tb_reply_json(req, 200, answer);
  } else {
    reply_log_text(req, &log, view == DL_LOG_VIEW_STRIPPED);
  }
  dl_buf_clear(&log);
}

/* --- what is asked for --- */

static dl_session_t *find_session(dl_toolbox_t *tb, dl_req_t *req) {
  dl_session_t *s = dl_session_find(tb, dl_req_param(req, "sessionId"));
  if (s != NULL && !s->is_deleting) return s;
  dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "session not found");
  return NULL;
}

static dl_command_t *find_command(dl_toolbox_t *tb, dl_req_t *req) {
  dl_session_t *s = find_session(tb, req);
  if (s == NULL) return NULL;
  dl_command_t *c = dl_session_command(s, dl_req_param(req, "commandId"));
  if (c == NULL) dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "command not found");
  return c;
}

static bool is_entrypoint(dl_req_t *req, const char *what) {
  if (strcmp(dl_req_param(req, "sessionId"), DL_ENTRYPOINT_ID) != 0) return false;
  dl_tb_reply_error(req, 400, "the entrypoint session cannot %s", what);
  return true;
}

static json_t *command_json(const dl_command_t *c) {
  json_t *o = json_object();
  json_object_set_new(o, "id", json_string(c->id));
  json_object_set_new(o, "command", dl_tb_text(c->text, strlen(c->text)));
  if (c->state == DL_COMMAND_DONE) json_object_set_new(o, "exitCode", json_integer(c->exit_code));
  return o;
}

static json_t *session_json(const dl_session_t *s) {
  json_t *o = json_object(), *commands = json_array();
  DL_LIST_EACH(&s->commands, node)
  json_array_append_new(commands, command_json(DL_CONTAINER(node, dl_command_t, link)));
  json_object_set_new(o, "sessionId", json_string(s->id));
  json_object_set_new(o, "commands", commands);
  return o;
}

/* --- sessions --- */

static bool is_good_id(const char *id) {
  return strcmp(id, ".") != 0 && strcmp(id, "..") != 0 && strchr(id, '/') == NULL && strlen(id) <= NAME_MAX;
}

static void create(dl_toolbox_t *tb, dl_req_t *req, const json_t *body) {
  const char *id = NULL;
  if (!dl_tb_field_text(req, body, "sessionId", true, &id)) return;
  if (strcmp(id, DL_ENTRYPOINT_ID) == 0) {
    dl_tb_reply_error(req, 400, "the session id '%s' is reserved", id);
  } else if (!is_good_id(id)) {
    dl_tb_reply_error(req, 400, "the session id is not fit for a directory's name");
  } else if (dl_session_find(tb, id) != NULL) {
    dl_tb_reply_error(req, 409, "session already exists");
  } else {
    int error = dl_session_create(tb, id, dl_sdk_rules_of(req).starts_at_home ? tb->home : tb->work_dir);
    if (error != 0) {
      dl_tb_reply_error(req, 500, "cannot start the session: %s", strerror(error));
      return;
    }
    dl_tb_add_request_id(req);
    dl_reply_empty(req, 201);
  }
}

static void on_create_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  create(user, req, body);
  json_decref(body);
}

static void on_create(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_create_body); }

static void on_list(dl_req_t *req, void *user) {
  json_t *list = json_array();
  DL_LIST_EACH(dl_sessions_list(user), node) {
    const dl_session_t *s = DL_CONTAINER(node, dl_session_t, link);
    bool is_entrypoint = strcmp(s->id, DL_ENTRYPOINT_ID) == 0;
    if (!s->is_deleting && !is_entrypoint) json_array_append_new(list, session_json(s));
  }
  dl_tb_reply_json(req, 200, list);
}

static void on_get(dl_req_t *req, void *user) {
  dl_session_t *s = find_session(user, req);
  if (s != NULL) dl_tb_reply_json(req, 200, session_json(s));
}

static void on_delete(dl_req_t *req, void *user) {
  if (is_entrypoint(req, "be deleted")) return;
  dl_session_t *s = find_session(user, req);
  if (s != NULL) dl_session_delete(s, req);
}

/* --- commands --- */

static void on_command_end(dl_command_t *c) {
  dl_req_t *req = c->req;
  dl_buf_t log;
  c->req = NULL;
  if (c->state != DL_COMMAND_DONE) {
    dl_tb_reply_error_code(req, 410, "SESSION_ENDED", "failed to execute command: session ended");
    return;
  }
  json_t *answer = json_object();
  read_log(c, &log); /* a log that the command has removed is an empty one */
  json_object_set_new(answer, "cmdId", json_string(c->id));
  put_log(answer, &log, c->view);
  json_object_set_new(answer, "exitCode", json_integer(c->exit_code));
  dl_tb_reply_json(req, 200, answer);
  dl_buf_clear(&log);
}

static bool is_blank(const char *text) {
  while (isspace((unsigned char)*text)) text++;
  return *text == '\0';
}

static void submit(dl_session_t *s, dl_req_t *req, const char *text, bool is_async, bool hides_input) {
  dl_command_t *c = NULL;
  int error = dl_session_submit(s, text, &c);
  if (error != 0) {
    dl_tb_reply_error(req, 500, "failed to execute command: %s", strerror(error));
    return;
  }
  c->is_async = is_async;
  c->hides_input = hides_input;
  if (is_async) {
    dl_tb_reply_json(
      req, 202,
      json_pack("{s:s, s:n, s:n, s:n, s:n}", "cmdId", c->id, "output", "stdout", "stderr", "exitCode"));
  } else {
    c->req = req;
    c->on_end = on_command_end;
    c->view = dl_sdk_rules_of(req).view;
  }
  dl_session_advance(s);
}

static void on_exec_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  const char *text = NULL;
  bool is_async = false, is_async_too = false, hides_input = false;
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  bool ok = dl_tb_field_text(req, body, "command", true, &text) &&
            dl_tb_field_bool(req, body, "runAsync", &is_async) &&
            dl_tb_field_bool(req, body, "async", &is_async_too) &&
            dl_tb_field_bool(req, body, "suppressInputEcho", &hides_input);
  if (ok && is_blank(text)) {
    dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY", "the command is empty");
  } else if (ok) {
    dl_session_t *s = find_session(user, req);
    if (s != NULL && !s->is_alive)
      dl_tb_reply_error_code(req, 410, "SESSION_ENDED",
                             "failed to execute command: the session's shell has ended");
    else if (s != NULL)
      submit(s, req, text, is_async || is_async_too, hides_input);
  }
  json_decref(body);
}

static void on_exec(dl_req_t *req, void *user) {
  if (!is_entrypoint(req, "execute commands")) dl_tb_read_body_gated(user, req, on_exec_body);
}

static void on_command(dl_req_t *req, void *user) {
  dl_command_t *c = find_command(user, req);
  if (c != NULL) dl_tb_reply_json(req, 200, command_json(c));
}

static void logs_of(dl_command_t *c, dl_req_t *req, dl_log_view_t view) {
  const char *follow = dl_query_get(dl_req_query(req), "follow");
  bool is_following = follow != NULL && strcmp(follow, "true") == 0;
  if (dl_ws_is_wanted(req))
    dl_command_follow_socket(c, req, view, is_following);
  else if (is_following)
    dl_command_follow_stream(c, req);
  else
    reply_log(req, c, view);
}

static void on_logs(dl_req_t *req, void *user) {
  dl_command_t *c = find_command(user, req);
  if (c != NULL) logs_of(c, req, dl_sdk_rules_of(req).view);
}

static void input(dl_command_t *c, dl_req_t *req, const char *data) {
  if (c->state == DL_COMMAND_DONE) {
    dl_tb_reply_error_code(req, 410, "COMMAND_ALREADY_COMPLETED",
                           "command has already completed with exit code %d", c->exit_code);
  } else if (c->state == DL_COMMAND_LOST) {
    dl_tb_reply_error_code(req, 410, "SESSION_ENDED", "the session's shell has ended");
  } else if (c->state == DL_COMMAND_WAITING) {
    dl_tb_reply_error(req, 500, "the command waits for its turn and takes no input yet");
  } else {
    size_t len = strlen(data);
    char *line = dl_xprintf("%s%s", data, data[len - 1] == '\n' ? "" : "\n");
    len = strlen(line);
    if (!c->hides_input) dl_session_run_echo(c->session->run, line, len);
    if (dl_session_run_input(c->session->run, line, len)) {
      dl_tb_add_request_id(req);
      dl_reply_empty(req, 204);
    } else {
      dl_tb_reply_error(req, 422, "too much input waits for the command");
    }
    free(line);
  }
}

static void on_input_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  const char *data = NULL;
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  if (dl_tb_field_text(req, body, "data", true, &data)) {
    dl_command_t *c = find_command(user, req);
    if (c != NULL) input(c, req, data);
  }
  json_decref(body);
}

static void on_input(dl_req_t *req, void *user) {
  if (!is_entrypoint(req, "take input")) dl_req_read_body(req, DL_TB_BODY_MAX, on_input_body, user);
}

/* --- the entrypoint --- */

static dl_session_t *find_entrypoint(dl_toolbox_t *tb, dl_req_t *req) {
  dl_session_t *s = dl_session_find(tb, DL_ENTRYPOINT_ID);
  if (s == NULL) dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "session not found");
  return s;
}

static void on_entrypoint(dl_req_t *req, void *user) {
  const dl_session_t *s = find_entrypoint(user, req);
  if (s != NULL) dl_tb_reply_json(req, 200, session_json(s));
}

/* Unlike those of other commands these are never without markers. */
static void on_entrypoint_logs(dl_req_t *req, void *user) {
  dl_session_t *s = find_entrypoint(user, req);
  dl_log_view_t view = dl_sdk_rules_of(req).view;
  if (s != NULL)
    logs_of(DL_CONTAINER(s->commands.next, dl_command_t, link), req,
            view == DL_LOG_VIEW_STRIPPED ? DL_LOG_VIEW_MARKED : view);
}

static const dl_route_t ROUTES[] = {
  {"POST", "/process/session", on_create, 0},
  {"GET", "/process/session", on_list, 0},
  {"GET", "/process/session/entrypoint", on_entrypoint, 0},
  {"GET", "/process/session/entrypoint/logs", on_entrypoint_logs, 0},
  {"GET", "/process/session/{sessionId}", on_get, 0},
  {"DELETE", "/process/session/{sessionId}", on_delete, 0},
  {"POST", "/process/session/{sessionId}/exec", on_exec, 0},
  {"GET", "/process/session/{sessionId}/command/{commandId}", on_command, 0},
  {"GET", "/process/session/{sessionId}/command/{commandId}/logs", on_logs, 0},
  {"POST", "/process/session/{sessionId}/command/{commandId}/input", on_input, 0},
};
const dl_route_table_t DL_TB_SESSION_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
