/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulls and builds under way. Invariants: a work that somebody wants is found by its key; one that nobody wants any more
 * is not, and ends without telling anybody; two works of one key never run at the same time, so that a build's log has
 * one writer. `running` counts what has begun and not ended, whoever wants it.
 */
#include "control/builds/works.h"

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 2
#define STALLED -1

typedef enum { WORK_PULL, WORK_BUILD, WORK_KINDS } work_kind_t;
static const char *const kind_names[WORK_KINDS] = {"pull", "build"};

typedef struct dl_work_of_images {
  dl_list_t link;
  dl_works_t *works;
  work_kind_t kind;
  char *name;    /* of the image */
  char *ref;     /* the snapshotRef of a build, which its log is called by */
  json_t *build; /* NULL for a pull */
  dl_list_t wanted;
  bool is_running, is_given_up;
  dl_image_job_t *job; /* NULL: it waits, for its turn or for `timer` */
  dl_log_t *log;       /* of a build, while it runs */
  char **contexts;     /* NULL at the end */
  uv_timer_t timer;    /* of a fault */
  /* A fault: it fails with `message`, at once or when its log has that many bytes. */
  char *message;
  int64_t fails_after; /* -1: never */
  int64_t output_bytes;
} work_t;

struct dl_works {
  uv_loop_t *loop;
  dl_works_opts_t opts;
  dl_logs_t *logs;
  dl_list_t all; /* in the order they came */
  unsigned running[WORK_KINDS];
  uv_timer_t turn;
  bool is_stopped, is_held;
  void (*on_idle)(void *user);
  void *idle_user;
  void (*on_closed)(void *user);
  void *closed_user;
};

/* --- the works as a whole --- */

static void on_turn(uv_timer_t *timer);

/* Looks for what can begin, on another turn of the loop. */
static void take_turn(dl_works_t *works) {
  if (!works->is_stopped) uv_timer_start(&works->turn, on_turn, 0, 0);
}

dl_works_t *dl_works_new(uv_loop_t *loop, const dl_works_opts_t *opts, char **error) {
  dl_works_t *works = dl_xcalloc(1, sizeof *works);
  works->loop = loop;
  works->opts = *opts;
  works->opts.log_dir = NULL; /* the logs have it */
  if (works->opts.at_once == 0) works->opts.at_once = AT_ONCE;
  works->logs = dl_logs_new(loop, opts->log_dir);
  if (!works->logs) {
    *error = dl_xprintf("cannot make threads for the logs of builds: %s", strerror(errno));
    free(works);
    return NULL;
  }
  dl_list_init(&works->all);
  uv_timer_init(loop, &works->turn);
  return works;
}

dl_images_t *dl_works_images(const dl_works_t *works) { return works->opts.images; }
dl_logs_t *dl_works_logs(const dl_works_t *works) { return works->logs; }

static void on_turn_closed(uv_handle_t *handle) {
  dl_works_t *works = DL_CONTAINER(handle, dl_works_t, turn);
  void (*on_closed)(void *) = works->on_closed;
  void *user = works->closed_user;
  free(works);
  on_closed(user);
}

static void on_logs_closed(void *user) {
  dl_works_t *works = user;
  uv_close((uv_handle_t *)&works->turn, on_turn_closed);
}

static void close_when_idle(dl_works_t *works) {
  if (works->on_closed && dl_list_empty(&works->all)) dl_logs_close(works->logs, on_logs_closed, works);
}

/* --- the end of a work --- */

static void free_work(uv_handle_t *handle) {
  work_t *work = DL_CONTAINER(handle, work_t, timer);
  dl_works_t *works = work->works;
  dl_list_unlink(&work->link);
  for (char **at = work->contexts; at && *at; at++) {
    unlink(*at);
    free(*at);
  }
  free(work->contexts);
  json_decref(work->build);
  free(work->message);
  free(work->name);
  free(work->ref);
  free(work);
  close_when_idle(works);
}

/* Takes the work out of the way, then tells whoever wanted it. */
static void finish(work_t *work, dl_image_t *image, const char *error) {
  dl_works_t *works = work->works;
  dl_list_t told;
  assert(!work->job && (image || error));
  dl_list_init(&told);
  dl_list_splice(&told, &work->wanted);
  if (work->is_running) works->running[work->kind]--;
  work->is_running = false;
  if (work->log) dl_log_end(work->log);
  work->log = NULL;
  work->is_given_up = true;
  uv_close((uv_handle_t *)&work->timer, free_work);
  take_turn(works);
  while (!dl_list_empty(&told)) {
    dl_wanted_t *w = DL_CONTAINER(told.next, dl_wanted_t, link);
    dl_list_unlink(&w->link);
    w->work = NULL;
    w->on_end(w, image, error);
  }
}

static void log_line(work_t *work, const char *text) {
  if (!work->log) return;
  dl_log_write(work->log, text, strlen(text));
  dl_log_write(work->log, "\n", 1);
}

static void fail(work_t *work, const char *error) {
  log_line(work, error);
  finish(work, NULL, error);
}

/* --- one work --- */

static void on_log(const char *bytes, size_t len, void *user) {
  work_t *work = user;
  bool is_over = work->message && work->output_bytes >= work->fails_after; /* the rest is left out */
  work->output_bytes += (int64_t)len;
  if (work->log && !is_over) dl_log_write(work->log, bytes, len);
  if (work->message && !is_over && work->output_bytes >= work->fails_after && work->job)
    dl_image_job_cancel(work->job);
}

static void on_done(const dl_image_result_t *result, void *user) {
  work_t *work = user;
  bool fails = work->message != NULL && !work->is_given_up; /* too little output does not save it */
  work->job = NULL;
  if (fails)
    fail(work, work->message);
  else if (result->error || !result->image)
    fail(work, result->error ? result->error : "no image came of it");
  else
    finish(work, result->image, NULL);
}

/* False: *error. */
static bool take_contexts(work_t *work, char **error) {
  const dl_works_opts_t *opts = &work->works->opts;
  const json_t *hashes = dl_json_get(work->build, "contextHashes");
  size_t i;
  json_t *hash;
  work->contexts = dl_xcalloc(json_array_size(hashes) + 1, sizeof *work->contexts);
  json_array_foreach (hashes, i, hash) {
    if (!opts->take_context) *error = dl_xstrdup("this server has no object storage for contexts");
    if (opts->take_context)
      work->contexts[i] = opts->take_context(opts->user, json_string_value(hash), error);
    if (!work->contexts[i]) return false;
  }
  return true;
}

static void run(work_t *work) {
  const dl_image_callbacks_t callbacks = {.on_log = on_log, .on_done = on_done, .user = work};
  dl_images_t *images = work->works->opts.images;
  char *error = NULL;
  assert(work->is_running && !work->job);
  if (work->kind == WORK_PULL) {
    work->job = dl_images_pull(images, work->name, &callbacks);
  } else if (take_contexts(work, &error)) {
    const dl_image_build_t build = {
      .dockerfile = dl_json_str(work->build, "dockerfileContent"),
      .name = work->name,
      .contexts = (const char *const *)work->contexts,
      .context_count = json_array_size(dl_json_get(work->build, "contextHashes"))};
    work->job = dl_images_build(images, &build, &callbacks);
  } else {
    fail(work, error);
  }
  free(error);
}

static void on_fault_due(uv_timer_t *timer) {
  work_t *work = DL_CONTAINER(timer, work_t, timer);
  if (work->message && work->fails_after < 0)
    fail(work, work->message);
  else
    run(work);
}

/* How long it waits before it runs, in ms; STALLED: for ever. */
static int64_t take_fault(work_t *work) {
  dl_fault_t f;
  dl_fault_target_t target = work->kind == WORK_PULL ? DL_TARGET_PULL : DL_TARGET_BUILD;
  const char *name = work->ref ? work->ref : work->name;
  if (!dl_faults_hit_work(work->works->opts.faults, target, name, &f)) return 0;
  dl_info("fault %s hits the %s of %s", f.id, kind_names[work->kind], name);
  if (f.action == DL_FAULT_STALL) return STALLED;
  if (f.action == DL_FAULT_FAIL) {
    dl_set(&work->message, f.message ? f.message : "failed on purpose");
    work->fails_after = f.after_bytes;
  }
  return f.delay_ms > 0 ? f.delay_ms : 0;
}

static dl_wanted_t *next_untold(const work_t *work) {
  DL_LIST_EACH(&work->wanted, node) {
    dl_wanted_t *w = DL_CONTAINER(node, dl_wanted_t, link);
    if (!w->is_told) return w;
  }
  return NULL;
}

static void begin(work_t *work) {
  dl_works_t *works = work->works;
  assert(!work->is_running && !work->is_given_up);
  work->is_running = true;
  works->running[work->kind]++;
  if (work->kind == WORK_BUILD) work->log = dl_log_new(works->logs, work->ref);
  int64_t wait = take_fault(work);
  if (wait != STALLED) uv_timer_start(&work->timer, on_fault_due, (uint64_t)wait, 0);
  for (dl_wanted_t *w; (w = next_untold(work)) != NULL;) {
    w->is_told = true;
    w->on_begun(w); /* who may drop this, or another */
  }
}

static bool is_named(const work_t *work, work_kind_t kind, const char *name) {
  return work->kind == kind && strcmp(work->name, name) == 0;
}

static bool may_begin(const work_t *work) {
  const dl_works_t *works = work->works;
  if (works->is_held || work->is_running || work->is_given_up ||
      works->running[work->kind] >= works->opts.at_once)
    return false;
  DL_LIST_EACH(&works->all, node) {
    const work_t *other = DL_CONTAINER(node, work_t, link);
    if (other->is_running && is_named(other, work->kind, work->name)) return false;
  }
  return true;
}

static bool is_idle(const dl_works_t *works) {
  for (int kind = 0; kind < WORK_KINDS; kind++)
    if (works->running[kind] > 0) return false;
  return true;
}

bool dl_works_hold(dl_works_t *works) {
  assert(!works->is_held);
  works->is_held = is_idle(works) && !works->is_stopped;
  return works->is_held;
}

void dl_works_release(dl_works_t *works) {
  assert(works->is_held);
  works->is_held = false;
  take_turn(works);
}

void dl_works_on_idle(dl_works_t *works, void (*on_idle)(void *user), void *user) {
  works->on_idle = on_idle;
  works->idle_user = user;
}

void dl_works_look(dl_works_t *works) { take_turn(works); }

static void on_turn(uv_timer_t *timer) {
  dl_works_t *works = DL_CONTAINER(timer, dl_works_t, turn);
  DL_LIST_EACH(&works->all, node) {
    work_t *work = DL_CONTAINER(node, work_t, link);
    if (!may_begin(work)) continue;
    begin(work);
    take_turn(works); /* the list may be another one now */
    return;
  }
  if (works->on_idle && !works->is_held && is_idle(works)) works->on_idle(works->idle_user);
}

/* Nobody wants it any more. */
static void give_up(work_t *work) {
  assert(!work->is_given_up && dl_list_empty(&work->wanted));
  work->is_given_up = true;
  if (work->job)
    dl_image_job_cancel(work->job); /* its end is that of the work */
  else
    fail(work, "cancelled");
}

/* --- who wants what --- */

/* Takes a reference to `build`. */
static void want(dl_works_t *works, dl_wanted_t *w, work_kind_t kind, const char *name, const json_t *build) {
  work_t *work = NULL;
  assert(!w->work && !works->is_stopped);
  DL_LIST_EACH(&works->all, node) {
    work_t *other = DL_CONTAINER(node, work_t, link);
    if (!other->is_given_up && is_named(other, kind, name)) work = other;
  }
  if (!work) {
    work = dl_xcalloc(1, sizeof *work);
    work->works = works;
    work->kind = kind;
    work->name = dl_xstrdup(name);
    work->build = json_incref((json_t *)build);
    if (build) work->ref = dl_xstrdup(dl_json_str(build, "snapshotRef"));
    work->fails_after = -1;
    dl_list_init(&work->wanted);
    uv_timer_init(works->loop, &work->timer);
    dl_list_push(&works->all, &work->link);
    take_turn(works);
  }
  w->work = work;
  w->is_told = work->is_running;
  dl_list_push(&work->wanted, &w->link);
}

void dl_works_pull(dl_works_t *works, dl_wanted_t *w, const char *name) {
  want(works, w, WORK_PULL, name, NULL);
}

void dl_works_build(dl_works_t *works, dl_wanted_t *w, const char *name, const json_t *build) {
  want(works, w, WORK_BUILD, name, build);
}

bool dl_wanted_has_begun(const dl_wanted_t *w) { return w->work && w->work->is_running; }

void dl_wanted_drop(dl_wanted_t *w) {
  work_t *work = w->work;
  if (!work) return;
  dl_list_unlink(&w->link);
  w->work = NULL;
  if (dl_list_empty(&work->wanted)) give_up(work);
}

json_t *dl_works_list(const dl_works_t *works) {
  json_t *list = json_array();
  DL_LIST_EACH(&works->all, node) {
    const work_t *work = DL_CONTAINER(node, work_t, link);
    int count = 0;
    DL_LIST_EACH(&work->wanted, w) count++;
    if (count > 0 || work->is_running)
      json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i}", "kind", kind_names[work->kind], "name",
                                            work->ref ? work->ref : work->name, "state",
                                            work->is_running ? "running" : "waiting", "wanted", count));
  }
  return list;
}

/* --- the end of all --- */

void dl_works_stop(dl_works_t *works) {
  works->is_stopped = true;
  uv_timer_stop(&works->turn);
  DL_LIST_EACH_SAFE(&works->all, node, after) {
    work_t *work = DL_CONTAINER(node, work_t, link);
    while (!dl_list_empty(&work->wanted)) {
      dl_wanted_t *w = DL_CONTAINER(work->wanted.next, dl_wanted_t, link);
      dl_list_unlink(&w->link);
      w->work = NULL;
    }
    if (!work->is_given_up) give_up(work);
  }
}

void dl_works_close(dl_works_t *works, void (*on_closed)(void *user), void *user) {
  assert(works->is_stopped && !works->on_closed);
  works->on_closed = on_closed;
  works->closed_user = user;
  close_when_idle(works);
}
