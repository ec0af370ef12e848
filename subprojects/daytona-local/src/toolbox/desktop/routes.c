/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start, stop and the processes of the desktop.
 */
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/desktop/desktop.h"
#include "toolbox/desktop/life.h"

#include <stdlib.h>
#include <string.h>

/* The bus of accessibility counts as a process, which nobody starts and which has no output. */
#define BUS "atspi"
#define BUS_PRIORITY 250

/* `pid` is taken. The platform's keys begin with capitals, and its clients read others, which its description has: both are sent. */
static json_t *describe(bool is_running, int priority, bool restarts, json_t *pid) {
  static const char *const NAMES[4][2] = {
    {"Running", "running"}, {"Priority", "priority"}, {"AutoRestart", "autoRestart"}, {"Pid", "pid"}};
  json_t *value = json_object();
  for (int i = 0; i < 2; i++) {
    json_object_set_new(value, NAMES[0][i], json_boolean(is_running));
    json_object_set_new(value, NAMES[1][i], json_integer(priority));
    json_object_set_new(value, NAMES[2][i], json_boolean(restarts));
    json_object_set(value, NAMES[3][i], pid);
  }
  json_decref(pid);
  return value;
}

static json_t *status_of(const dl_desktop_t *d) {
  json_t *all = json_object();
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) {
    const dl_desktop_part_t *p = &d->parts[i];
    json_t *pid = p->run.is_running ? json_integer(p->run.process.pid) : json_null();
    json_object_set_new(all, p->run.name, describe(p->run.is_running, p->priority, true, pid));
  }
  int bus = d->tb->accessibility(d->tb);
  if (bus >= 0) json_object_set_new(all, BUS, describe(bus != 0, BUS_PRIORITY, false, json_null()));
  return all;
}

static void on_started(dl_desktop_t *d, void *user, const char *problem) {
  if (problem != NULL)
    dl_tb_reply_error(user, 503, "Failed to start computer use: failed to start: %s", problem);
  else
    dl_tb_reply_json(user, 200,
                     json_pack("{s:s,s:o}", "message", "Computer use processes started successfully",
                               "status", status_of(d)));
}

static void on_stopped(dl_desktop_t *d, void *user, const char *problem) {
  if (problem != NULL)
    dl_tb_reply_error(user, 503, "Failed to stop computer use: %s", problem);
  else
    dl_tb_reply_json(user, 200,
                     json_pack("{s:s,s:o}", "message", "Computer use processes stopped successfully",
                               "status", status_of(d)));
}

static void operate(dl_req_t *req, dl_toolbox_t *tb, dl_desktop_operation_kind_t kind, int which,
                    dl_desktop_done_cb done) {
  if (!dl_desktop_operate(tb->desktop, kind, which, done, req))
    dl_tb_reply_error(req, 503, "the desktop has too much to do: too many calls wait for it");
}

static void on_start(dl_req_t *req, void *user) { operate(req, user, DL_DESKTOP_START, 0, on_started); }

static void on_stop(dl_req_t *req, void *user) { operate(req, user, DL_DESKTOP_STOP, 0, on_stopped); }

static void on_status(dl_req_t *req, void *user) {
  const dl_desktop_t *d = ((dl_toolbox_t *)user)->desktop;
  int running = 0;
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) running += d->parts[i].run.is_running;
  const char *status = running == DL_DESKTOP_PROCESSES ? "active" : running > 0 ? "partial" : "inactive";
  dl_tb_reply_json(req, 200, json_pack("{s:s}", "status", status));
}

/* --- one process --- */

/* Answers with `status` when there is none of that name. */
static dl_desktop_part_t *find_part(dl_req_t *req, dl_toolbox_t *tb, int status, int *which) {
  const char *name = dl_req_param(req, "processName");
  int found = dl_desktop_find_part(tb->desktop, name);
  if (found < 0)
    dl_tb_reply_error(req, status, "process %.64s not found; there are xvfb, xfce4, x11vnc and novnc", name);
  if (which != NULL) *which = found;
  return found >= 0 ? &tb->desktop->parts[found] : NULL;
}

static void on_process_status(dl_req_t *req, void *user) {
  const dl_toolbox_t *tb = user;
  int bus = strcmp(dl_req_param(req, "processName"), BUS) == 0 ? tb->accessibility(tb) : -1;
  if (bus >= 0) {
    dl_tb_reply_json(req, 200, json_pack("{s:s,s:b}", "processName", BUS, "running", bus));
    return;
  }
  const dl_desktop_part_t *p = find_part(req, user, 503, NULL);
  if (p == NULL) return;
  dl_tb_reply_json(req, 200,
                   json_pack("{s:s,s:b}", "processName", p->run.name, "running", p->run.is_running));
}

static void on_restarted(dl_desktop_t *d, void *user, const char *problem) {
  const char *name = dl_req_param(user, "processName");
  (void)d;
  if (problem != NULL) {
    dl_tb_reply_error(user, 503, "Failed to restart process %s: %s", name, problem);
    return;
  }
  json_t *message = json_sprintf("Process %s restarted successfully", name);
  dl_tb_reply_json(user, 200, json_pack("{s:o,s:s}", "message", message, "processName", name));
}

static void on_restart(dl_req_t *req, void *user) {
  int which;
  if (find_part(req, user, 400, &which) != NULL) operate(req, user, DL_DESKTOP_RESTART, which, on_restarted);
}

static void reply_log(dl_req_t *req, dl_toolbox_t *tb, int stream, const char *key) {
  const dl_desktop_part_t *p = find_part(req, tb, 400, NULL);
  if (p == NULL) return;
  if (!p->run.was_started) {
    dl_tb_reply_error(req, 400, "process %s was not started yet: it has no %s", p->run.name, key);
    return;
  }
  const dl_buf_t *log = &p->run.logs[stream];
  json_t *text = dl_tb_text(log->data != NULL ? log->data : "", log->len);
  dl_tb_reply_json(req, 200, json_pack("{s:s,s:o}", "processName", p->run.name, key, text));
}

static void on_logs(dl_req_t *req, void *user) { reply_log(req, user, 0, "logs"); }

static void on_errors(dl_req_t *req, void *user) { reply_log(req, user, 1, "errors"); }

static const dl_route_t ROUTES[] = {
  {"POST", "/computeruse/start", on_start, 0},
  {"POST", "/computeruse/stop", on_stop, 0},
  {"GET", "/computeruse/status", on_status, 0},
  {"GET", "/computeruse/process-status", on_status, 0},
  {"GET", "/computeruse/process/{processName}/status", on_process_status, 0},
  {"POST", "/computeruse/process/{processName}/restart", on_restart, 0},
  {"GET", "/computeruse/process/{processName}/logs", on_logs, 0},
  {"GET", "/computeruse/process/{processName}/errors", on_errors, 0},
};
const dl_route_table_t DL_TB_DESKTOP_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
