/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of sandboxes: the only place where one changes its state or has to do with its box.
 * Routes ask for something here after they checked that it may be asked; timers and admin calls
 * use the same functions. Nothing here knows of requests: who waits for something leaves a callback.
 */
#ifndef DL_LIFE_H
#define DL_LIFE_H

#include "control/builds/works.h"
#include "control/life/warm.h"
#include "control/objects/objects.h"
#include "images/door.h"
#include "runtime/runtime.h"

/* What reads show of the states of a sandbox has changed, or (NULL) it is new: sb->told has what they show now. From inside
 * the change: nothing may be asked of the sandbox from there. */
typedef void (*dl_life_watch_cb)(dl_sandbox_t *sb, const char *old_state, const char *old_want, void *user);

typedef struct dl_life {
  dl_objects_t *objects;
  dl_runtime_t *runtime; /* NULL until it could be started */
  dl_images_t *images;   /* the same */
  dl_image_door_t *door; /* to them, for the command line */
  dl_works_t *works;     /* the same */
  dl_map_t errands;      /* id of a snapshot -> what is done about it, see snapshot_life.c */
  dl_list_t begin_waits; /* who waits for a snapshot's turn, see there */
  /* What becomes of copies of a sandbox's files, see copies.c. */
  const struct dl_life_copies {
    void (*fetch)(dl_sandbox_t *sb); /* its first files, then it boots */
    void (*drop)(dl_sandbox_t *sb);  /* what was asked for is taken back */
  } * copies;
  /* The snapshots' part in what happens to all; NULL: there are none. */
  const struct dl_life_snapshots {
    void (*go_on)(struct dl_life *l);    /* from what the records say */
    void (*tell_all)(struct dl_life *l); /* whoever waits: the server ends */
    void (*end)(struct dl_life *l);      /* works and images have ended */
  } * snapshots;
  double max_snapshot_gb;
  bool accepts_unenforced;
  const dl_box_pair_t *sandbox_env;
  size_t sandbox_env_count;
  dl_image_pair_t proxy_env[DL_PROXY_ENV_MAX];
  size_t proxy_env_count;
  unsigned warm_count;
  dl_warm_t warm;
  uv_timer_t alarm, retry;
  uv_timer_cb on_alarm;      /* looks for what is due, see timers.c; NULL: nobody does */
  dl_life_watch_cb on_shown; /* NULL: nobody watches */
  void *shown_user;
  bool is_frozen;       /* the server ends: no state moves any more */
  int64_t clock_offset; /* of the records (dl_clock_offset) */
  void (*on_closed)(void *user);
  void *closed_user;
} dl_life_t;

/* How a wait has ended. */
typedef enum {
  DL_LIFE_SETTLED,     /* the sandbox shows it; or it takes longer than anybody should wait */
  DL_LIFE_FAILED,      /* its error_reason says why */
  DL_LIFE_NOT_WRITTEN, /* the start, or the whole sandbox, was taken back */
  DL_LIFE_ENDING       /* the server ends */
} dl_life_outcome_t;

/* Called once. */
typedef struct dl_life_wait {
  void (*cb)(dl_sandbox_t *sb, dl_life_outcome_t outcome, void *user); /* NULL: nobody waits */
  void *user;
} dl_life_wait_t;
#define DL_LIFE_NO_WAIT ((dl_life_wait_t){NULL, NULL})

void dl_life_init(dl_life_t *l, dl_objects_t *objects, uv_loop_t *loop);
typedef struct {
  dl_runtime_opts_t runtime;
  dl_images_opts_t images;
  dl_works_opts_t works; /* its images and logs are filled in */
  double max_snapshot_gb;
  bool accepts_unenforced; /* network lists that nothing here enforces do not keep a sandbox from starting */
  const dl_box_pair_t
    *sandbox_env; /* of every sandbox, behind the proxy variables; borrowed as long as there are boxes */
  size_t sandbox_env_count;
  unsigned warm_count; /* boxes kept ready, see warm.h; 0 without isolation */
} dl_life_opts_t;
void dl_life_watch(dl_life_t *l, dl_life_watch_cb on_shown, void *user);
/* From now on boxes can be started and images made. -1 and *error when the machine cannot isolate. */
int dl_life_open(dl_life_t *l, const dl_life_opts_t *opts, char **error);
/* Every sandbox and every snapshot continues with what a stopped server left behind. */
void dl_life_resume(dl_life_t *l);
/* The server ends: from here on no state moves, and work on files is given up. */
void dl_life_freeze(dl_life_t *l);
/* After that: ends every wait and every box, closes the jobs, and reports. */
void dl_life_close(dl_life_t *l, void (*on_closed)(void *user), void *user);

/* When the machine's clock has jumped: the records get the times that the next server's clock will need. */
void dl_life_keep_clock(dl_life_t *l);
/* Something changed that may make something due earlier: it is looked at again. */
void dl_life_mark(dl_life_t *l);
/* Write the sandbox into the journal; what is due is looked at again. */
void dl_life_save(dl_sandbox_t *sb);

/* What its secrets are by now is in the environment of what is started from now on. `cb` (NULL: nobody waits) is called
 * when that is so, perhaps within the call; the sandbox is there until then. */
void dl_life_renew_secrets(dl_sandbox_t *sb, void (*cb)(dl_sandbox_t *sb, void *user), void *user);

/* Before that: a new sandbox of the default snapshot gets a box that is booted already, when there is one and it can become
 * what is wanted. Then it has that box's id; a name that was its old id is the new one. */
void dl_life_take_warm(dl_life_t *l, dl_sandbox_t *sb);
/* A new sandbox is registered and shows "creating", or "pending_build" when its image has to be built... */
void dl_life_create(dl_life_t *l, dl_sandbox_t *sb);
/* ...and is booted for the first time, when its image is there. */
void dl_life_boot(dl_sandbox_t *sb, dl_life_wait_t wait);
/* Takes over what the image says about itself: its id, entrypoint and user. */
void dl_life_take_image(dl_sandbox_t *sb, const dl_image_t *image);
/* A sandbox whose files are there already, stopped or archived. */
void dl_life_adopt(dl_life_t *l, dl_sandbox_t *sb, bool is_archived);
/* stopped, archived, failed or (cancelling) archiving -> started. */
void dl_life_start(dl_sandbox_t *sb, dl_life_wait_t wait);
/* started -> stopped; an ephemeral one is destroyed. */
void dl_life_stop(dl_sandbox_t *sb, bool force);
/* stopped -> archived */
void dl_life_archive(dl_sandbox_t *sb);
/* Out of any state; an archive, a restore, a build or the preparations of a start under way are interrupted. */
void dl_life_destroy(dl_sandbox_t *sb);
/* It is starting, and nothing of it runs yet. */
bool dl_life_is_preparing(const dl_sandbox_t *sb);
/* It is destroyed because it has waited too long for its turn, or as if its machine had been taken away: for DL_MEMORY_MS
 * it is found by its id and says so. */
void dl_life_queue_out(dl_sandbox_t *sb);
void dl_life_evict(dl_sandbox_t *sb);
#define DL_MEMORY_MS (INT64_C(24) * 3600 * 1000)
/* The end of that. */
void dl_life_forget(dl_sandbox_t *sb);
/* building_snapshot -> build_failed: it has taken too long. */
void dl_life_give_up_build(dl_sandbox_t *sb);
/* started or stopped, and the same again with other sizes. */
void dl_life_resize(dl_sandbox_t *sb, double cpu, double memory, double disk);
/* started -> paused: its processes end, its files and its preview token stay. */
void dl_life_pause(dl_sandbox_t *sb);
/* failed -> stopped */
void dl_life_recover(dl_sandbox_t *sb);
/* For tests of error paths: ends the box and shows `reason`. Not while something is pending, not archived. */
void dl_life_break(dl_sandbox_t *sb, const char *reason, bool is_recoverable, dl_life_wait_t wait);

#endif
