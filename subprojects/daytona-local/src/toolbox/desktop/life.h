/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the desktop, as its routes see it.
 */
#ifndef DL_DESKTOP_LIFE_H
#define DL_DESKTOP_LIFE_H

#include "http/http.h"
#include "toolbox/desktop/commands.h"
#include "toolbox/desktop/lane.h"
#include "toolbox/desktop/process.h"
#include "toolbox/desktop/recorder.h"

#define DL_DESKTOP_RESTART_MS 5000

/* A process and what is to become of it. */
typedef struct {
  dl_desktop_process_t run;
  int priority;
  bool is_wanted;                     /* it is started again when it ends by itself */
  bool is_ready;                      /* it does its work since its last start */
  bool was_killed;                    /* it has not ended when it was asked to */
  char *problem;                      /* of the operation under way: why it does not run */
  uint64_t restart_at_ms, started_ms; /* 0: not; on the loop's clock */
} dl_desktop_part_t;

typedef struct dl_desktop {
  dl_toolbox_t *tb;
  dl_desktop_part_t parts[DL_DESKTOP_PROCESSES];
  dl_desktop_place_t place;
  int ready_fd;         /* where Xvfb says that it is ready; -1: it has, or does not run */
  char *display;        /* ":0" */
  bool display_is_ours; /* in the environment */
  dl_desktop_lane_t *view, *input;
  dl_recorders_t *recorders;
  dl_list_t operations; /* in order; the first one is under way */
  size_t operation_count;
  uv_timer_t *timer; /* NULL: nothing has happened yet */
  bool asks_manager; /* a question about the window manager is out */
  bool is_leaving;
  uint64_t leave_by_ms;
  void (*on_left)(void *user);
  void *left_user;
} dl_desktop_t;

typedef enum { DL_DESKTOP_START, DL_DESKTOP_STOP, DL_DESKTOP_RESTART } dl_desktop_operation_kind_t;

/* `done` comes once, on a later turn of the loop. `problem`: NULL, or why it did not work (borrowed). */
typedef void (*dl_desktop_done_cb)(dl_desktop_t *d, void *user, const char *problem);

/* Operations are done one after the other. False: too many wait, or the box ends. `which`: of a restart. */
bool dl_desktop_operate(dl_desktop_t *d, dl_desktop_operation_kind_t kind, int which, dl_desktop_done_cb done,
                        void *user);
/* By its name on the wire; -1: none. */
int dl_desktop_find_part(const dl_desktop_t *d, const char *name);
const char *dl_desktop_display_name(dl_toolbox_t *tb);

#endif
