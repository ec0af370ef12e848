/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox says about itself, and its environment: version, directories, metrics, env.
 */
#include "toolbox/info/info.h"

#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/core/toolbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CPU_WINDOW_MS 5000

/* CPU use is an average since it was last looked at, if that was a window ago, so that asking does not change it. Nothing
 * happens in between: an idle sandbox takes no time of a processor. */
struct dl_tb_metrics {
  uv_loop_t *loop;
  uint64_t used_before_us, at_before_ms;
  double used_percent;
};

static double cpu_count(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (double)count : 1;
}

/* User and system time of the whole machine as this box sees it, in microseconds. */
static uint64_t cpu_used_us(void) {
  unsigned long long user = 0, nice = 0, system = 0;
  FILE *f = fopen("/proc/stat", "re");
  bool ok = f != NULL && fscanf(f, "cpu %llu %llu %llu", &user, &nice, &system) == 3;
  if (f != NULL) fclose(f);
  return ok ? (user + nice + system) * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK)) : 0;
}

static void look(struct dl_tb_metrics *m) {
  uint64_t now = uv_now(m->loop);
  if (m->at_before_ms != 0 && now - m->at_before_ms < CPU_WINDOW_MS) return;
  uint64_t used = cpu_used_us();
  if (m->at_before_ms != 0 && used >= m->used_before_us)
    m->used_percent =
      (double)(used - m->used_before_us) / (double)(now - m->at_before_ms) / 10.0 / cpu_count();
  m->used_before_us = used;
  m->at_before_ms = now;
}

dl_tb_metrics_t *dl_tb_metrics_new(uv_loop_t *loop) {
  dl_tb_metrics_t *m = dl_xcalloc(1, sizeof *m);
  m->loop = loop;
  look(m);
  return m;
}

void dl_tb_metrics_close(dl_tb_metrics_t *m) { free(m); }

static int64_t meminfo(const char *name) {
  char line[128];
  long long found = 0;
  size_t len = strlen(name);
  FILE *f = fopen("/proc/meminfo", "re");
  while (f != NULL && fgets(line, sizeof line, f) != NULL)
    if (strncmp(line, name, len) == 0 && line[len] == ':') found = atoll(line + len + 1);
  if (f != NULL) fclose(f);
  return found * 1024;
}

static void on_metrics(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  struct statvfs disk = {0};
  int64_t total = meminfo("MemTotal"), cached = meminfo("Cached");
  int64_t used = total - meminfo("MemFree") - meminfo("Buffers") - cached;
  statvfs(tb->home, &disk);
  look(tb->metrics);
  int64_t block = (int64_t)disk.f_frsize;
  json_t *m = json_object();
  json_object_set_new(m, "timestamp", json_string(dl_tb_now().text));
  json_object_set_new(m, "timestampUnix", json_integer(dl_wall_ms() / 1000));
  json_object_set_new(m, "cpuCount", json_integer((json_int_t)cpu_count()));
  json_object_set_new(m, "cpuUsedPct", json_real(tb->metrics->used_percent));
  json_object_set_new(m, "memTotal", json_integer(total));
  json_object_set_new(m, "memUsed", json_integer(used > 0 ? used : 0));
  json_object_set_new(m, "memCache", json_integer(cached));
  json_object_set_new(m, "diskTotal", json_integer((int64_t)disk.f_blocks * block));
  json_object_set_new(m, "diskUsed", json_integer((int64_t)(disk.f_blocks - disk.f_bfree) * block));
  json_object_set_new(m, "diskFree", json_integer((int64_t)disk.f_bavail * block));
  dl_tb_reply_json(req, 200, m);
}

static void reply_one(dl_req_t *req, const char *key, const char *text) {
  json_t *answer = json_object();
  json_object_set_new(answer, key, dl_tb_text(text, strlen(text)));
  dl_tb_reply_json(req, 200, answer);
}

static void on_version(dl_req_t *req, void *user) {
  (void)user;
  reply_one(req, "version", DL_TOOLBOX_VERSION);
}

static void on_work_dir(dl_req_t *req, void *user) {
  reply_one(req, "dir", ((dl_toolbox_t *)user)->work_dir);
}

static void on_home_dir(dl_req_t *req, void *user) { reply_one(req, "dir", ((dl_toolbox_t *)user)->home); }

/* The platform hands its telemetry token over here. We have no use for it and do not keep it. */
static void on_init_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  const char *token = NULL;
  (void)user;
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  if (dl_tb_field_text(req, body, "token", false, &token))
    reply_one(req, "message", "Auth token set and telemetry initialized successfully");
  json_decref(body);
}

static void on_init(dl_req_t *req, void *user) { dl_req_read_body(req, DL_TB_BODY_MAX, on_init_body, user); }

static void unset_by_prefix(dl_environ_t *e, const char *prefix, const json_t *keep) {
  for (size_t i = e->count; i-- > 0;) {
    const char *equals = strchr(e->pairs[i], '=');
    char *name = dl_xstrndup(e->pairs[i], (size_t)(equals - e->pairs[i]));
    if (dl_starts_with(equals + 1, prefix) && json_object_get(keep, name) == NULL) dl_environ_unset(e, name);
    free(name);
  }
}

static json_t *environment_json(const dl_environ_t *e) {
  json_t *all = json_object();
  for (size_t i = 0; i < e->count; i++) {
    const char *equals = strchr(e->pairs[i], '=');
    size_t len = (size_t)(equals - e->pairs[i]);
    if (dl_utf8_valid(e->pairs[i], len))
      json_object_setn_new_nocheck(all, e->pairs[i], len, dl_tb_text(equals + 1, strlen(equals + 1)));
  }
  return all;
}

static void on_env_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  json_t *body = dl_tb_body(req, bytes, len), *set = NULL, *unset = NULL, *item;
  const char *prefix = NULL, *name;
  if (body == NULL) return;
  if (dl_tb_field_envs(req, body, "set", &set) && dl_tb_field_texts(req, body, "unset", &unset) &&
      dl_tb_field_text(req, body, "unsetValuePrefix", false, &prefix)) {
    size_t i;
    dl_environ_t changed;
    dl_environ_copy(&changed, &tb->environment);
    json_array_foreach (unset, i, item) dl_environ_unset(&changed, json_string_value(item));
    if (prefix != NULL && *prefix != '\0') unset_by_prefix(&changed, prefix, set);
    json_object_foreach (set, name, item) dl_environ_set(&changed, name, json_string_value(item));
    if (dl_tb_can_start(req, &changed, NULL)) { /* or nothing could be started any more */
      dl_environ_clear(&tb->environment);
      tb->environment = changed;
      dl_tb_reply_json(req, 200, environment_json(&tb->environment));
    } else {
      dl_environ_clear(&changed);
    }
  }
  json_decref(body);
}

static void on_env(dl_req_t *req, void *user) { dl_req_read_body(req, DL_TB_BODY_MAX, on_env_body, user); }

static const dl_route_t ROUTES[] = {
  {"GET", "/version", on_version, 0},
  {"GET", "/work-dir", on_work_dir, 0},
  {"GET", "/user-home-dir", on_home_dir, 0},
  {"GET", "/project-dir", on_home_dir, 0},
  {"GET", "/system/metrics", on_metrics, 0},
  {"POST", "/init", on_init, 0},
  {"POST", "/env", on_env, 0},
};
const dl_route_table_t DL_TB_INFO_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
