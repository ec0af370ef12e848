/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulls and builds under way. A work is shared by everybody who wants the same image, runs when its turn comes, and is
 * given up when nobody wants it any more. What a build says goes to its log.
 *
 * Everything is on the loop's thread, and no callback is made inside the call that asked for it.
 */
#ifndef DL_WORKS_H
#define DL_WORKS_H

#include "base/jsonx.h"
#include "base/list.h"
#include "control/builds/logs.h"
#include "control/faults/faults.h"
#include "images/images.h"

typedef struct dl_works dl_works_t;
struct dl_work_of_images;

typedef struct {
  dl_images_t *images; /* Required. Outlives the works. */
  dl_faults_t *faults; /* Required. Those of pulls and builds. */
  const char *log_dir; /* Required. Made by the caller. */
  /* The context of a hash as a file of its own, which the work removes at its end: its path, yours to free. NULL and
   * *error when there is none. Optional: there are no contexts. */
  char *(*take_context)(void *user, const char *hash, char **error);
  void *user;
  unsigned at_once; /* of each kind; 0: 2 */
} dl_works_opts_t;

/* NULL and *error when there are no threads. Copies `opts`. */
dl_works_t *dl_works_new(uv_loop_t *loop, const dl_works_opts_t *opts, char **error);
/* From here on nobody is told anything; what runs is given up. */
void dl_works_stop(dl_works_t *works);
/* After that: reports when all has ended, and frees. */
void dl_works_close(dl_works_t *works, void (*on_closed)(void *user), void *user);

/* Somebody who wants an image: embedded in what is the caller's, which stays until on_end or dl_wanted_drop. */
typedef struct dl_wanted {
  dl_list_t link;
  struct dl_work_of_images *work; /* NULL: nothing is wanted */
  bool is_told;                   /* that it has begun */
  /* The work has begun. */
  void (*on_begun)(struct dl_wanted *w);
  /* It is over, and nothing is wanted any more. The image is borrowed; NULL: `error` says why, in one line. */
  void (*on_end)(struct dl_wanted *w, dl_image_t *image, const char *error);
} dl_wanted_t;

/* `w` has its callbacks and wants nothing so far. */
void dl_works_pull(dl_works_t *works, dl_wanted_t *w, const char *name);
/* `build`: {dockerfileContent, contextHashes, snapshotRef}, see dl_build_info. The image is called `name`. */
void dl_works_build(dl_works_t *works, dl_wanted_t *w, const char *name, const json_t *build);
/* Its work has begun already: then on_begun does not come. */
bool dl_wanted_has_begun(const dl_wanted_t *w);
void dl_wanted_drop(dl_wanted_t *w);

/* Nothing runs, and nothing begins as long as it is held. `on_idle` is called, on a later turn, whenever nothing runs and
 * nothing is held, at first after the next work or dl_works_look. */
bool dl_works_hold(dl_works_t *works); /* false: something runs */
void dl_works_release(dl_works_t *works);
void dl_works_on_idle(dl_works_t *works, void (*on_idle)(void *user), void *user);
void dl_works_look(dl_works_t *works);

dl_images_t *dl_works_images(const dl_works_t *works);
/* The logs of builds, by the snapshotRef of each. */
dl_logs_t *dl_works_logs(const dl_works_t *works);
/* [{kind, name, state: "waiting"|"running", wanted}] */
json_t *dl_works_list(const dl_works_t *works);

#endif
