/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of the screen under way: an ffmpeg each.
 */
#ifndef DL_DESKTOP_RECORDER_H
#define DL_DESKTOP_RECORDER_H

#include "toolbox/desktop/process.h"

#include <time.h>

#define DL_RECORDERS_MAX 8

typedef struct dl_recorders dl_recorders_t;

typedef struct dl_recorder {
  dl_list_t link;
  dl_desktop_process_t run;
  dl_recorders_t *all;
  char *id, *name, *path; /* of the file */
  struct timespec started;
  uint64_t started_ms; /* on the loop's clock */
  bool is_ready;       /* it has recorded something */
  bool is_ending;      /* it was asked to end */
  uint64_t kill_at_ms; /* when it is ending */
  /* The first picture is recorded, or (`problem`, borrowed) there will be none: then it is gone after the call. Once. */
  void (*on_ready)(struct dl_recorder *r, void *user, const char *problem);
  void *ready_user;
  /* It has ended; `r` is gone after the call. Set by dl_recorder_end. */
  void (*on_end)(struct dl_recorder *r, void *user);
  void *end_user;
} dl_recorder_t;

dl_recorders_t *dl_recorders_new(dl_toolbox_t *tb);
/* All end at once, whatever they had to write; nothing is reported. Files are playable as far as they were written. */
void dl_recorders_free(dl_recorders_t *all);

/* `name`: of the file in `dir`; copied, as the other texts. Reports in `on_ready`, never inside the call. NULL and *problem
 * (yours to free) when it is not even started. */
dl_recorder_t *dl_recorder_start(dl_recorders_t *all, const char *id, const char *dir, const char *name,
                                 const char *display,
                                 void (*on_ready)(dl_recorder_t *r, void *user, const char *problem),
                                 void *user, char **problem);
/* In order: what is recorded is written. It is killed after ten seconds. Once. */
void dl_recorder_end(dl_recorder_t *r, void (*on_end)(dl_recorder_t *r, void *user), void *user);
/* All that do not end already; nobody is told. */
void dl_recorders_end_all(dl_recorders_t *all);
/* By id, and not those that are ending; NULL: none. */
dl_recorder_t *dl_recorders_find(dl_recorders_t *all, const char *id);
/* All, ending ones too. */
dl_list_t *dl_recorders_list(dl_recorders_t *all);

#endif
