/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on an image for tests: a world as in boxes.h, an image that holds nothing but busybox, and the ids that boxes may have.
 */
#ifndef DL_TEST_IMAGE_BOXES_H
#define DL_TEST_IMAGE_BOXES_H

#include "boxes.h"

#include "base/base.h"
#include "control/store/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

extern world_t image_world;
extern dl_box_ids_t image_ids;
extern const char *image_skip_reason; /* why there are no boxes; NULL: there are */
extern char *image_layer;             /* the busybox image */

#define NEED_BOXES()                                     \
  do {                                                   \
    if (image_skip_reason != NULL) {                     \
      print_message("skipped: %s\n", image_skip_reason); \
      skip();                                            \
    }                                                    \
  } while (0)

#define NEED_IDS()                                           \
  do {                                                       \
    NEED_BOXES();                                            \
    if (image_ids.count == 1) {                              \
      print_message("skipped: there is no id but root's\n"); \
      skip();                                                \
    }                                                        \
  } while (0)

/* Become the server's user that the arguments name, with the ids that it has: -1, or what the program ends with. */
int image_become(int argc, char **argv);
/* Setup and teardown of the group. */
int image_open_boxes(void **state);
int image_close_boxes(void **state);

void image_shell(const char *fmt, ...) DL_PRINTF(1, 2);
/* Gives a folder to the image's root. What an ordinary user makes is so already. */
void image_give(const char *dir);
/* A folder `name` with busybox and accounts, and what `more` (a shell script that runs in it) makes. */
char *image_make_layer(const char *name, const char *more);

dl_box_image_t image_of(const char *const *layers);
/* The layers of an image: this one. Valid until the next call but three. */
const char *const *image_only(const char *dir);
dl_box_t *image_start(const char *id, const dl_box_image_t *image);
/* The answer must have this status, and hold `text`. */
void image_asks(dl_box_t *box, const char *method, const char *path, const char *body, int wanted,
                const char *text);
void image_starts_fail(const dl_box_spec_t *spec, const char *reason);

typedef struct {
  bool is_done;
  uint64_t bytes;
  char *error;
} image_job_t;

void image_on_job(const char *error, void *user);
dl_jobs_t *image_jobs(void);

#endif
