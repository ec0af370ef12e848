/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ffmpeg per recording.
 *
 * The file is written in fragments of two seconds, so that it can be played whatever happens to ffmpeg: there is no table of
 * contents that would be written only at the end. ffmpeg reports how far it is on its standard output; a recording has begun when
 * there is a first picture, and one that is stopped before that is waited for, because its file would be empty.
 */
#include "toolbox/desktop/recorder.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 20
#define READY_LIMIT_MS 10000
#define END_LIMIT_MS 10000

struct dl_recorders {
  dl_toolbox_t *tb;
  dl_list_t list;
  size_t count;
  uv_timer_t *timer; /* NULL until there was one */
};

static uint64_t now(const dl_recorders_t *all) { return uv_now(all->tb->loop); }

static void free_recorder(dl_recorder_t *r) {
  dl_list_unlink(&r->link);
  r->all->count--;
  dl_desktop_process_close(&r->run);
  free(r->id);
  free(r->name);
  free(r->path);
  free(r);
}

static void report_ready(dl_recorder_t *r, const char *problem) {
  void (*on_ready)(dl_recorder_t * recorder, void *user, const char *text) = r->on_ready;
  r->on_ready = NULL;
  if (on_ready != NULL) on_ready(r, r->ready_user, problem);
}

static void on_ended(dl_desktop_process_t *run, int status) {
  dl_recorder_t *r = DL_CONTAINER(run, dl_recorder_t, run);
  (void)status;
  char *words = dl_desktop_process_last_words(run), *problem = dl_xprintf("ffmpeg has ended: %s", words);
  report_ready(r, problem);
  free(problem);
  free(words);
  if (r->on_end != NULL) r->on_end(r, r->end_user);
  free_recorder(r);
}

/* "frame=12" in its reports. */
static bool has_picture(const dl_recorder_t *r) {
  const dl_buf_t *log = &r->run.logs[0];
  for (const char *at = log->data; at != NULL && (at = strstr(at, "frame=")) != NULL; at++)
    if (strtol(at + strlen("frame="), NULL, 10) > 0) return true;
  return false;
}

static void ask_to_end(dl_recorder_t *r) {
  dl_desktop_process_signal(&r->run, SIGINT);
  r->kill_at_ms = now(r->all) + END_LIMIT_MS;
}

static void look_at(dl_recorder_t *r) {
  uint64_t time = now(r->all);
  if (!r->is_ready && has_picture(r)) {
    r->is_ready = true;
    report_ready(r, NULL);
    if (r->is_ending) ask_to_end(r);
  } else if (!r->is_ready && time - r->started_ms > READY_LIMIT_MS) {
    dl_desktop_process_kill(&r->run);
  } else if (r->kill_at_ms != 0 && time > r->kill_at_ms) {
    dl_desktop_process_kill(&r->run);
  }
}

static void on_timer(uv_timer_t *timer) {
  dl_recorders_t *all = timer->data;
  bool more = false;
  DL_LIST_EACH_SAFE(&all->list, node, after) look_at(DL_CONTAINER(node, dl_recorder_t, link));
  DL_LIST_EACH(&all->list, node) {
    const dl_recorder_t *r = DL_CONTAINER(node, dl_recorder_t, link);
    more = more || !r->is_ready || r->is_ending;
  }
  if (!more) uv_timer_stop(timer);
}

static void watch(dl_recorders_t *all) {
  if (all->timer == NULL) {
    all->timer = dl_xcalloc(1, sizeof *all->timer);
    uv_timer_init(all->tb->loop, all->timer);
    all->timer->data = all;
  }
  if (!uv_is_active((uv_handle_t *)all->timer)) uv_timer_start(all->timer, on_timer, LOOK_MS, LOOK_MS);
}

/* A film has an even number of pixels each way, a screen need not. */
static int start_ffmpeg(dl_recorder_t *r, const char *display) {
  const char *const argv[] = {"ffmpeg",
                              "-nostdin",
                              "-hide_banner",
                              "-loglevel",
                              "error",
                              "-progress",
                              "pipe:1",
                              "-stats_period",
                              "0.1",
                              "-f",
                              "x11grab",
                              "-framerate",
                              "30",
                              "-draw_mouse",
                              "1",
                              "-i",
                              display,
                              "-vf",
                              "pad=ceil(iw/2)*2:ceil(ih/2)*2",
                              "-c:v",
                              "libx264",
                              "-preset",
                              "ultrafast",
                              "-tune",
                              "zerolatency",
                              "-pix_fmt",
                              "yuv420p",
                              "-g",
                              "60",
                              "-movflags",
                              "+frag_keyframe+empty_moov+default_base_moof",
                              "-f",
                              "mp4",
                              "-y",
                              r->path,
                              NULL};
  return dl_desktop_process_start(&r->run, (char *const *)argv, &r->all->tb->environment, -1);
}

dl_recorder_t *dl_recorder_start(dl_recorders_t *all, const char *id, const char *dir, const char *name,
                                 const char *display,
                                 void (*on_ready)(dl_recorder_t *r, void *user, const char *problem),
                                 void *user, char **problem) {
  if (all->count >= DL_RECORDERS_MAX) {
    *problem = dl_xprintf("%d recordings run already, which is as many as there may be", DL_RECORDERS_MAX);
    return NULL;
  }
  dl_recorder_t *r = dl_xcalloc(1, sizeof *r);
  *r = (dl_recorder_t){
    .all = all, .id = dl_xstrdup(id), .name = dl_xstrdup(name), .on_ready = on_ready, .ready_user = user};
  r->path = dl_xprintf("%s/%s", dir, name);
  dl_list_init(&r->link);
  dl_desktop_process_init(&r->run, all->tb, "ffmpeg", on_ended);
  dl_list_push(&all->list, &r->link);
  all->count++;
  clock_gettime(CLOCK_REALTIME, &r->started);
  r->started_ms = now(all);
  int error = start_ffmpeg(r, display);
  if (error != 0) {
    *problem = dl_xprintf("cannot start ffmpeg: %s", strerror(error));
    free_recorder(r);
    return NULL;
  }
  watch(all);
  return r;
}

void dl_recorder_end(dl_recorder_t *r, void (*on_end)(dl_recorder_t *r, void *user), void *user) {
  assert(r->on_end == NULL && !r->is_ending);
  r->is_ending = true;
  r->on_end = on_end;
  r->end_user = user;
  if (r->is_ready) ask_to_end(r);
  watch(r->all);
}

void dl_recorders_end_all(dl_recorders_t *all) {
  DL_LIST_EACH_SAFE(&all->list, node, after) {
    dl_recorder_t *r = DL_CONTAINER(node, dl_recorder_t, link);
    if (!r->is_ending) dl_recorder_end(r, NULL, NULL);
  }
}

dl_recorder_t *dl_recorders_find(dl_recorders_t *all, const char *id) {
  DL_LIST_EACH(&all->list, node) {
    dl_recorder_t *r = DL_CONTAINER(node, dl_recorder_t, link);
    if (strcmp(r->id, id) == 0 && !r->is_ending) return r;
  }
  return NULL;
}

dl_list_t *dl_recorders_list(dl_recorders_t *all) { return &all->list; }

dl_recorders_t *dl_recorders_new(dl_toolbox_t *tb) {
  dl_recorders_t *all = dl_xcalloc(1, sizeof *all);
  all->tb = tb;
  dl_list_init(&all->list);
  return all;
}

static void on_timer_closed(uv_handle_t *handle) { free(handle); }

void dl_recorders_free(dl_recorders_t *all) {
  while (!dl_list_empty(&all->list)) free_recorder(DL_CONTAINER(all->list.next, dl_recorder_t, link));
  if (all->timer != NULL) uv_close((uv_handle_t *)all->timer, on_timer_closed);
  free(all);
}
