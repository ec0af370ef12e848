/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and stopping a desktop.
 *
 * Operations wait in a queue, and the first one is moved on by `step`, which looks at how things are and does what can be done
 * now: it is called by a timer while an operation is under way. So a process that ends in the middle, or a port that becomes
 * free late, needs no case of its own. Between operations the timer runs only when a process is to be started again.
 *
 *   start    Xvfb; when it is ready everything else at once; when all of that is ready, done
 *   stop     recordings end; everything but Xvfb is asked to end, and killed when it takes too long; then Xvfb
 *   restart  of one process: stop and start for it alone; of Xvfb: of everything
 */
#include "toolbox/desktop/life.h"

#include "toolbox/desktop/desktop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 10
#define START_LIMIT_MS 15000
/* A window manager that does not say so may be one that does not know how. */
#define MANAGER_LIMIT_MS 3000
#define PORT_LIMIT_MS 2000 /* a port of ours that is still held */
#define STOP_LIMIT_MS 5000
#define DISPLAYS_MAX 100
#define OPERATIONS_MAX 64
#define LEAVE_LIMIT_MS 1500

static const struct {
  const char *name;
  int priority;
} PARTS[DL_DESKTOP_PROCESSES] = {{"xvfb", 100}, {"xfce4", 200}, {"x11vnc", 300}, {"novnc", 400}};

typedef struct {
  dl_list_t link;
  dl_desktop_operation_kind_t kind;
  int which;
  bool has_begun, is_stopped; /* is_stopped: of a restart, the first half is done */
  uint64_t phase_ms;          /* when this half began */
  dl_desktop_done_cb done;
  void *user;
} operation_t;

static void step(dl_desktop_t *d);

static uint64_t now(const dl_desktop_t *d) { return uv_now(d->tb->loop); }

static bool is_running(const dl_desktop_t *d, int which) { return d->parts[which].run.is_running; }

const char *dl_desktop_display_name(dl_toolbox_t *tb) {
  dl_desktop_t *d = tb->desktop;
  const char *set = dl_environ_get(&tb->environment, "DISPLAY");
  if (d->display != NULL && is_running(d, DL_XVFB)) return d->display;
  return set != NULL && *set != '\0' ? set : ":0";
}

int dl_desktop_find_part(const dl_desktop_t *d, const char *name) {
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++)
    if (strcmp(d->parts[i].run.name, name) == 0) return i;
  return -1;
}

/* --- the timer --- */

static void on_timer(uv_timer_t *timer) { step(timer->data); }

static void wake_in(dl_desktop_t *d, uint64_t ms) {
  if (d->timer == NULL) {
    d->timer = dl_xcalloc(1, sizeof *d->timer);
    uv_timer_init(d->tb->loop, d->timer);
    d->timer->data = d;
  }
  uv_timer_start(d->timer, on_timer, ms, 0);
}

/* --- one process --- */

static void set_problem(dl_desktop_part_t *p, char *problem) {
  free(p->problem);
  p->problem = problem;
}

static void close_ready(dl_desktop_t *d) {
  if (d->ready_fd >= 0) close(d->ready_fd);
  d->ready_fd = -1;
}

static void on_end(dl_desktop_process_t *run, int status) {
  dl_desktop_part_t *p = DL_CONTAINER(run, dl_desktop_part_t, run);
  dl_desktop_t *d = run->tb->desktop;
  if (p == &d->parts[DL_XVFB]) close_ready(d);
  p->is_ready = false;
  if (!p->is_wanted || d->is_leaving) return;
  char *words = dl_desktop_process_last_words(run);
  const char *how = WIFSIGNALED(status) ? "was ended by signal" : "ended with status";
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  set_problem(p, dl_xprintf("it %s %d%s%s", how, number, *words != '\0' ? ": " : "", words));
  free(words);
  p->restart_at_ms = now(d) + DL_DESKTOP_RESTART_MS;
  if (dl_list_empty(&d->operations)) wake_in(d, 0); /* which sees when the next one is due */
}

/* The first display from the wanted one on that nobody has. */
static bool choose_display(dl_desktop_t *d) {
  int first = d->place.display;
  for (int i = 0; i < DISPLAYS_MAX; i++)
    if (!dl_desktop_display_taken(first + i)) {
      d->place.display = first + i;
      free(d->display);
      d->display = dl_xprintf(":%d", d->place.display);
      return true;
    }
  return false;
}

/* What is started in the sandbox from now on finds the desktop. */
static void announce_display(dl_desktop_t *d) {
  dl_environ_t *e = &d->tb->environment;
  if (dl_environ_get(e, "DISPLAY") != NULL && !d->display_is_ours) return;
  dl_environ_set(e, "DISPLAY", d->display);
  d->display_is_ours = true;
}

static void retract_display(dl_desktop_t *d) {
  if (d->tb->on_desktop != NULL) d->tb->on_desktop(d->tb, false);
  if (d->display_is_ours) dl_environ_unset(&d->tb->environment, "DISPLAY");
  d->display_is_ours = false;
}

static void spawn(dl_desktop_t *d, int which) {
  dl_desktop_part_t *p = &d->parts[which];
  char *problem = NULL, **argv = dl_desktop_command(d->tb, which, &d->place, &problem);
  int ready[2] = {-1, -1}, error = 0;
  dl_environ_t environment = {0};
  set_problem(p, NULL);
  p->restart_at_ms = 0;
  p->is_ready = p->was_killed = false;
  p->started_ms = now(d);
  if (argv != NULL && which == DL_XVFB && pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0) error = errno;
  if (argv != NULL && error == 0) {
    dl_environ_copy(&environment, &d->tb->environment);
    dl_environ_set(&environment, "DISPLAY", d->display);
    error = dl_desktop_process_start(&p->run, argv, &environment, ready[1]);
    dl_environ_clear(&environment);
  }
  if (ready[1] >= 0) close(ready[1]);
  if (argv != NULL && error == 0 && which == DL_XVFB) {
    close_ready(d);
    d->ready_fd = ready[0];
  } else if (ready[0] >= 0) {
    close(ready[0]);
  }
  if (error != 0) problem = dl_xprintf("cannot start %s: %s", argv[0], strerror(error));
  p->is_wanted = problem == NULL;
  if (problem != NULL) set_problem(p, problem);
  dl_desktop_command_free(argv);
}

/* --- readiness --- */

static void on_managed(void *user, int status, const char *body, size_t len) {
  dl_desktop_t *d = user;
  (void)body;
  (void)len;
  d->asks_manager = false;
  if (status == 200 && is_running(d, DL_XFCE4)) d->parts[DL_XFCE4].is_ready = true;
}

static void look_at_manager(dl_desktop_t *d) {
  dl_desktop_part_t *p = &d->parts[DL_XFCE4];
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_MANAGED};
  if (d->tb->desktop_command == NULL || now(d) - p->started_ms > MANAGER_LIMIT_MS) p->is_ready = true;
  if (p->is_ready || d->asks_manager) return;
  d->asks_manager = true;
  dl_desktop_lane_ask(d->view, &ask, NULL, on_managed, d);
}

/* It is as good as ready when that did not work: what is missing is said by the calls that need it. */
static void on_prepared(void *user, int status, const char *body, size_t len) {
  dl_desktop_t *d = user;
  (void)status;
  (void)body;
  (void)len;
  d->parts[DL_XVFB].is_ready = is_running(d, DL_XVFB);
}

static void look_at_xvfb(dl_desktop_t *d) {
  char text[16];
  if (d->ready_fd < 0) return;
  ssize_t got = read(d->ready_fd, text, sizeof text);
  if (got <= 0) return; /* not yet; its end is reported as that of the process */
  close_ready(d);
  announce_display(d);
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_PREPARE};
  dl_desktop_lane_end(d->input); /* of an earlier screen */
  dl_desktop_lane_ask(d->input, &ask, NULL, on_prepared, d);
}

static void look_at(dl_desktop_t *d, int which) {
  dl_desktop_part_t *p = &d->parts[which];
  if (!p->run.is_running || p->is_ready) return;
  switch (which) {
    case DL_XVFB: look_at_xvfb(d); break;
    case DL_XFCE4: look_at_manager(d); break;
    default:
      p->is_ready = dl_desktop_port_taken(which == DL_X11VNC ? d->place.vnc_port : d->place.novnc_port);
  }
}

/* A port that is held by a process of ours that has just ended becomes free in a moment. */
static bool port_is_free(dl_desktop_t *d, int which, uint64_t since_ms) {
  int port = which == DL_X11VNC ? d->place.vnc_port : which == DL_NOVNC ? d->place.novnc_port : 0;
  if (port == 0 || !dl_desktop_port_taken(port)) return true;
  if (now(d) - since_ms > PORT_LIMIT_MS)
    set_problem(&d->parts[which], dl_xprintf("port %d is taken by another program", port));
  return false;
}

/* --- start --- */

/* Nothing more is to be expected of it. */
static bool is_settled(const dl_desktop_part_t *p) {
  return p->problem != NULL || (p->run.is_running && p->is_ready);
}

static void move_part(dl_desktop_t *d, int which, uint64_t since_ms) {
  dl_desktop_part_t *p = &d->parts[which];
  if (p->problem != NULL) return;
  if (!p->run.is_running && port_is_free(d, which, since_ms)) spawn(d, which);
  look_at(d, which);
  if (!is_settled(p) && now(d) - since_ms > START_LIMIT_MS)
    set_problem(p, dl_xprintf("it is not ready after %d s", START_LIMIT_MS / 1000));
}

static void begin_start(dl_desktop_t *d) {
  dl_desktop_place_t place;
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) set_problem(&d->parts[i], NULL);
  if (is_running(d, DL_XVFB)) return;
  dl_desktop_part_t *xvfb = &d->parts[DL_XVFB];
  dl_desktop_make_socket_dir();
  char *problem = dl_desktop_place_read(&d->tb->environment, &place);
  set_problem(xvfb, problem);
  if (problem != NULL) return;
  /* The display that we have set ourselves is no wish. */
  if (d->display_is_ours) place.display = 0;
  d->place = place;
  if (!choose_display(d))
    set_problem(xvfb, dl_xprintf("%d displays from :%d on are taken", DISPLAYS_MAX, place.display));
  if (xvfb->problem == NULL && d->tb->on_desktop != NULL) d->tb->on_desktop(d->tb, true);
}

/* True: it is over. */
static bool step_start(dl_desktop_t *d, operation_t *o) {
  move_part(d, DL_XVFB, o->phase_ms);
  if (!is_settled(&d->parts[DL_XVFB])) return false;
  bool all = true;
  for (int i = DL_XVFB + 1; i < DL_DESKTOP_PROCESSES; i++) {
    if (d->parts[DL_XVFB].problem != NULL) continue;
    move_part(d, i, o->phase_ms);
    all = all && is_settled(&d->parts[i]);
  }
  return all;
}

/* "[novnc: ...] [x11vnc: ...]" or NULL; yours to free. */
static char *problems_of(const dl_desktop_t *d) {
  dl_buf_t text;
  dl_buf_init(&text, 8192);
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++)
    if (d->parts[i].problem != NULL)
      dl_buf_printf(&text, "%s[%s: %s]", text.len > 0 ? " " : "", d->parts[i].run.name, d->parts[i].problem);
  if (text.len > 0) return dl_buf_take(&text);
  dl_buf_clear(&text);
  return NULL;
}

/* --- stop --- */

static void ask_to_end(dl_desktop_t *d, int which) {
  dl_desktop_part_t *p = &d->parts[which];
  p->is_wanted = false;
  p->restart_at_ms = 0;
  set_problem(p, NULL);
  if (p->run.is_running && !p->was_killed) {
    dl_desktop_process_signal(&p->run, SIGTERM);
    dl_desktop_process_signal(&p->run, SIGCONT);
  }
}

/* True: none of them runs any more. */
static bool end_parts(dl_desktop_t *d, int first, int last, uint64_t since_ms) {
  bool gone = true;
  for (int i = first; i <= last; i++) {
    dl_desktop_part_t *p = &d->parts[i];
    if (!p->run.is_running) continue;
    gone = false;
    if (p->is_wanted) ask_to_end(d, i);
    if (now(d) - since_ms < STOP_LIMIT_MS || p->was_killed) continue;
    p->was_killed = true;
    dl_desktop_process_kill(&p->run);
  }
  return gone;
}

static bool step_stop(dl_desktop_t *d, operation_t *o) {
  if (!dl_list_empty(dl_recorders_list(d->recorders))) { /* they end within a limit of their own */
    o->phase_ms = now(d);
    return false;
  }
  if (!end_parts(d, DL_XFCE4, DL_NOVNC, o->phase_ms)) return false;
  if (!end_parts(d, DL_XVFB, DL_XVFB, o->phase_ms)) return false;
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) ask_to_end(d, i); /* nor are they started again */
  retract_display(d);
  return true;
}

/* --- the queue --- */

static void begin(dl_desktop_t *d, operation_t *o) {
  o->has_begun = true;
  o->phase_ms = now(d);
  bool ends_all = o->kind == DL_DESKTOP_STOP || (o->kind == DL_DESKTOP_RESTART && o->which == DL_XVFB);
  if (o->kind == DL_DESKTOP_START) begin_start(d);
  if (o->kind == DL_DESKTOP_RESTART) set_problem(&d->parts[o->which], NULL);
  if (!ends_all) return;
  dl_recorders_end_all(d->recorders);
  dl_desktop_lane_end(d->input); /* releases what is held */
  dl_desktop_lane_end(d->view);
}

static bool step_restart(dl_desktop_t *d, operation_t *o) {
  bool is_all = o->which == DL_XVFB;
  if (!o->is_stopped) {
    bool gone = is_all ? step_stop(d, o) : end_parts(d, o->which, o->which, o->phase_ms);
    if (!gone) return false;
    o->is_stopped = true;
    o->phase_ms = now(d);
    if (is_all) begin_start(d);
    if (!is_all && !is_running(d, DL_XVFB))
      set_problem(&d->parts[o->which], dl_xstrdup("the desktop does not run; start it first"));
  }
  if (is_all) return step_start(d, o);
  move_part(d, o->which, o->phase_ms);
  return is_settled(&d->parts[o->which]);
}

static bool step_operation(dl_desktop_t *d, operation_t *o) {
  if (!o->has_begun) begin(d, o);
  switch (o->kind) {
    case DL_DESKTOP_START: return step_start(d, o);
    case DL_DESKTOP_STOP: return step_stop(d, o);
    default: return step_restart(d, o);
  }
}

static void finish(dl_desktop_t *d, operation_t *o) {
  char *problem = o->kind == DL_DESKTOP_STOP ? NULL : problems_of(d);
  dl_list_unlink(&o->link);
  d->operation_count--;
  o->done(d, o->user, problem);
  free(problem);
  free(o);
}

/* Those that have ended by themselves and whose time has come. Returns when the next one's comes, 0: none. */
static uint64_t restart_ended(dl_desktop_t *d) {
  uint64_t next = 0;
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) {
    dl_desktop_part_t *p = &d->parts[i];
    if (p->restart_at_ms == 0 || p->run.is_running) continue;
    /* Nothing runs without a screen. */
    if (i != DL_XVFB && !d->parts[DL_XVFB].is_ready && p->restart_at_ms <= now(d) + STEP_MS)
      p->restart_at_ms = now(d) + STEP_MS;
    if (now(d) >= p->restart_at_ms) {
      spawn(d, i);
      if (p->problem != NULL) p->restart_at_ms = now(d) + DL_DESKTOP_RESTART_MS;
    }
    if (p->restart_at_ms != 0 && (next == 0 || p->restart_at_ms < next)) next = p->restart_at_ms;
  }
  return next;
}

static void step_leaving(dl_desktop_t *d) {
  void (*on_left)(void *user) = d->on_left;
  if (on_left == NULL) return;
  if (!dl_list_empty(dl_recorders_list(d->recorders)) && now(d) < d->leave_by_ms) {
    wake_in(d, STEP_MS);
    return;
  }
  d->on_left = NULL;
  on_left(d->left_user);
}

static void step(dl_desktop_t *d) {
  uv_update_time(d->tb->loop);
  if (d->is_leaving) {
    step_leaving(d);
    return;
  }
  while (!dl_list_empty(&d->operations)) {
    operation_t *o = DL_CONTAINER(d->operations.next, operation_t, link);
    if (!step_operation(d, o)) {
      wake_in(d, STEP_MS);
      return;
    }
    finish(d, o);
  }
  uint64_t next = restart_ended(d);
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) look_at(d, i);
  bool is_waiting = is_running(d, DL_XVFB) && !d->parts[DL_XVFB].is_ready;
  if (is_waiting)
    wake_in(d, STEP_MS);
  else if (next != 0)
    wake_in(d, next > now(d) ? next - now(d) : STEP_MS);
}

bool dl_desktop_operate(dl_desktop_t *d, dl_desktop_operation_kind_t kind, int which, dl_desktop_done_cb done,
                        void *user) {
  if (d->is_leaving || d->operation_count >= OPERATIONS_MAX) return false;
  operation_t *o = dl_xcalloc(1, sizeof *o);
  *o = (operation_t){.kind = kind, .which = which, .done = done, .user = user};
  dl_list_push(&d->operations, &o->link);
  d->operation_count++;
  wake_in(d, 0);
  return true;
}

/* --- the whole --- */

struct dl_desktop *dl_desktop_new(dl_toolbox_t *tb) {
  dl_desktop_t *d = dl_xcalloc(1, sizeof *d);
  d->tb = tb;
  d->ready_fd = -1;
  dl_list_init(&d->operations);
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) {
    dl_desktop_process_init(&d->parts[i].run, tb, PARTS[i].name, on_end);
    d->parts[i].priority = PARTS[i].priority;
  }
  d->view = dl_desktop_lane_new(tb, dl_desktop_display_name);
  d->input = dl_desktop_lane_new(tb, dl_desktop_display_name);
  d->recorders = dl_recorders_new(tb);
  return d;
}

void dl_desktop_leave(dl_toolbox_t *tb, void (*on_left)(void *user), void *user) {
  dl_desktop_t *d = tb->desktop;
  d->is_leaving = true;
  dl_recorders_end_all(d->recorders);
  while (!dl_list_empty(&d->operations)) {
    operation_t *o = DL_CONTAINER(d->operations.next, operation_t, link);
    dl_list_unlink(&o->link);
    o->done(d, o->user, "the sandbox is stopping");
    free(o);
  }
  d->on_left = on_left;
  d->left_user = user;
  d->leave_by_ms = now(d) + LEAVE_LIMIT_MS;
  step_leaving(d);
}

static void on_timer_closed(uv_handle_t *handle) { free(handle); }

void dl_desktop_close(dl_toolbox_t *tb) {
  dl_desktop_t *d = tb->desktop;
  assert(d->is_leaving);
  for (int i = 0; i < DL_DESKTOP_PROCESSES; i++) {
    dl_desktop_process_close(&d->parts[i].run);
    free(d->parts[i].problem);
  }
  dl_recorders_free(d->recorders);
  dl_desktop_lane_free(d->view);
  dl_desktop_lane_free(d->input);
  if (d->timer != NULL) uv_close((uv_handle_t *)d->timer, on_timer_closed);
  close_ready(d);
  free(d->display);
  free(d);
  tb->desktop = NULL;
}
