/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of boxes.h. Requests are made from a thread of the pool, so that the loop can turn.
 */
#include "boxes.h"

#include "base/base.h"
#include "base/buf.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
  uv_work_t work;
  char *path, *request;
  dl_buf_t answer;
  bool is_done;
} exchange_t;

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st, (void)flag, (void)ftw;
  return remove(path);
}

const char *world_open(world_t *w, dl_runtime_opts_t opts) {
  static char error[512];
  static char run_dir[128];
  memset(w, 0, sizeof *w);
  strcpy(w->dir, "/tmp/dl-boxes-XXXXXX");
  if (mkdtemp(w->dir) == NULL) return "no temporary directory";
  snprintf(run_dir, sizeof run_dir, "%s/run", w->dir);
  opts.run_dir = run_dir;
  opts.exe = getenv("DL_TEST_EXE");
  if (opts.exe == NULL) fail_msg("DL_TEST_EXE does not name the daytona-local to be tested");
  assert_int_equal(uv_loop_init(&w->loop), 0);
  if (dl_runtime_new(&w->loop, &opts, &w->rt, error, sizeof error) == 0) return NULL;
  uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return error;
}

static void set_flag(void *user) { *(bool *)user = true; }

void world_close(world_t *w) {
  bool is_closed = false;
  dl_runtime_close(w->rt, set_flag, &is_closed);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_true(is_closed);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

dl_box_spec_t box_spec(world_t *w, const char *id) {
  static char homes[4][192];
  static int next;
  char *home = homes[next++ % 4];
  snprintf(home, sizeof homes[0], "%s/home-%s", w->dir, id);
  return (dl_box_spec_t){.id = id, .home_dir = home, .rules = {.blocks_all = true}};
}

typedef struct {
  bool is_done;
  dl_box_t *box;
  char error[512];
} start_t;

static void on_start(void *user, dl_box_t *box, const char *error) {
  start_t *s = user;
  s->is_done = true;
  s->box = error == NULL ? box : NULL;
  if (error != NULL) snprintf(s->error, sizeof s->error, "%s", error);
}

dl_box_t *box_start(world_t *w, const dl_box_spec_t *spec, const char **error) {
  static start_t s;
  memset(&s, 0, sizeof s);
  dl_box_start(w->rt, spec, on_start, &s);
  assert_false(s.is_done); /* never inside the call */
  while (!s.is_done) uv_run(&w->loop, UV_RUN_ONCE);
  if (s.box == NULL && error != NULL)
    *error = s.error;
  else if (s.box == NULL)
    fail_msg("box %s: %s", spec->id, s.error);
  return s.box;
}

dl_box_t *box_up(world_t *w, const char *id) {
  dl_box_spec_t spec = box_spec(w, id);
  return box_start(w, &spec, NULL);
}

void box_stop(world_t *w, dl_box_t *box, bool force) {
  bool is_done = false;
  dl_box_stop(box, force, set_flag, &is_done);
  assert_false(is_done);
  while (!is_done) uv_run(&w->loop, UV_RUN_ONCE);
}

static void exchange_work(uv_work_t *work) {
  exchange_t *x = work->data;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, x->path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, x->request, strlen(x->request), MSG_NOSIGNAL) > 0) {
    char block[4096];
    for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
      dl_buf_append(&x->answer, block, (size_t)got);
  }
  close(fd);
}

static void on_exchanged(uv_work_t *work, int status) {
  (void)status;
  ((exchange_t *)work->data)->is_done = true;
}

char *box_ask(world_t *w, dl_box_t *box, const char *method, const char *path, const char *body,
              int *status) {
  exchange_t x = {.path = dl_xstrdup(dl_box_socket_path(box))};
  if (body == NULL) body = "";
  x.request = dl_xprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                         method, path, strlen(body), body);
  dl_buf_init(&x.answer, 16 * 1024 * 1024);
  x.work.data = &x;
  uv_queue_work(&w->loop, &x.work, exchange_work, on_exchanged);
  while (!x.is_done) uv_run(&w->loop, UV_RUN_ONCE);
  const char *start_of_body = x.answer.data ? strstr(x.answer.data, "\r\n\r\n") : NULL;
  *status = 0;
  if (x.answer.data) sscanf(x.answer.data, "HTTP/1.1 %d", status);
  char *text = dl_xstrdup(start_of_body != NULL ? start_of_body + 4 : "");
  dl_buf_clear(&x.answer);
  free(x.path);
  free(x.request);
  return text;
}

outcome_t box_run(world_t *w, dl_box_t *box, const char *command) {
  json_t *body = json_pack("{s:s,s:i}", "command", command, "timeout", 20);
  char *text = json_dumps(body, 0);
  int status;
  char *said = box_ask(w, box, "POST", "/process/execute", text, &status);
  json_t *answer = json_loads(said, 0, NULL);
  if (json_object_get(answer, "exitCode") == NULL)
    fail_msg("'%s' was answered with: %d %s", command, status, said);
  outcome_t o = {(long)json_integer_value(json_object_get(answer, "exitCode")),
                 dl_xstrdup(json_string_value(json_object_get(answer, "result")))};
  json_decref(answer);
  json_decref(body);
  free(said);
  free(text);
  return o;
}

void box_expect(world_t *w, dl_box_t *box, const char *command, const char *text) {
  outcome_t o = box_run(w, box, command);
  if (o.exit_code != 0 || strcmp(o.text, text) != 0)
    fail_msg("'%s': exit code %ld, output '%s', expected '%s'", command, o.exit_code, o.text, text);
  free(o.text);
}

void box_refuses(world_t *w, dl_box_t *box, const char *command) {
  outcome_t o = box_run(w, box, command);
  if (o.exit_code == 0) fail_msg("'%s' succeeded: %s", command, o.text);
  free(o.text);
}

int count_processes(const char *mark) {
  DIR *d = opendir("/proc");
  int count = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    char path[300], text[8192];
    if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    if (got > 0 && memmem(text, (size_t)got, mark, strlen(mark)) != NULL) count++;
  }
  closedir(d);
  return count;
}

void expect_processes(const char *mark, int count) {
  for (int i = 0; i < 2000 && count_processes(mark) != count; i++) usleep(5000);
  assert_int_equal(count_processes(mark), count);
}
