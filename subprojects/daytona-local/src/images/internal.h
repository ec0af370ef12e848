/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the image engine share. One noun per file: names, ids, conf (buildah's configuration), records (reading
 * the store), redact (the log), say (what an error means), job (the queue and the processes), engine (the public calls).
 */
#ifndef DL_IMAGES_INTERNAL_H
#define DL_IMAGES_INTERNAL_H

#include "base/base.h"
#include "base/buf.h"
#include "base/lane.h"
#include "base/list.h"
#include "images/images.h"
#include "runtime/internal.h"

/* --- words: of a command line --- */

typedef struct {
  char **items; /* ends with NULL */
  size_t count;
} dl_image_words_t;

void dl_image_words_add(dl_image_words_t *w, const char *fmt, ...) DL_PRINTF(2, 3);
void dl_image_words_clear(dl_image_words_t *w);

/* --- names --- */

/* "docker.io/library/x:1" -> "docker.io/library/x", for what is not a digest too. Yours to free. */
char *dl_image_repository(const char *full_name);
bool dl_image_is_id(const char *text);

/* --- ids --- */

/* Those that the store of this user has. NULL, or why it can have only id 0 (yours to free). */
char *dl_image_ids_find(unsigned first_uid, dl_image_ids_t *out);

/* --- records --- */

struct dl_image {
  unsigned references;
  dl_image_info_t info;
  char **names, **entrypoint, **cmd, **env, **layers;
  char ***old_names; /* lists of earlier, which holders may still read; ends with NULL */
  bool is_leaving;   /* it is being removed */
};

/* What `fresh` (released) says about the image that `image` is too; `image`, with one more reference. */
dl_image_t *dl_image_renew(dl_image_t *image, dl_image_t *fresh);

/* Everything that the store has at one moment. */
typedef struct {
  dl_image_t **images;
  size_t count;
  uint64_t disk_bytes;
} dl_image_records_t;

/* Reads the store in `dir`; blocks. A store that was never used is an empty one. Images that are not complete are left
 * out. NULL, or the reason (yours to free) with *out empty. */
char *dl_image_records_load(const char *dir, dl_image_records_t *out);
void dl_image_records_clear(dl_image_records_t *r);
/* By a full name, an id (or 12 digits of it at least), or NAME@DIGEST. Borrowed. */
dl_image_t *dl_image_records_find(const dl_image_records_t *r, const char *name);

/* A set of names that is kept in a file, one a line. */
typedef struct {
  char *path;
  char **names;
  size_t count;
} dl_image_marks_t;

void dl_image_marks_load(dl_image_marks_t *m, const char *path);
void dl_image_marks_clear(dl_image_marks_t *m);
bool dl_image_marks_have(const dl_image_marks_t *m, const char *name);
/* Adds or removes; false with errno when the file cannot be written, and then nothing has changed. */
bool dl_image_marks_set(dl_image_marks_t *m, const char *name, bool is_in);

/* --- redact --- */

/* Bytes that pass, with every secret in them replaced by "***", also one that comes in parts. */
typedef struct {
  char **secrets;
  size_t count;
  dl_buf_t held; /* what may be the beginning of one */
} dl_redact_t;

void dl_redact_init(dl_redact_t *r);
void dl_redact_clear(dl_redact_t *r);
/* Each line of `text` that is long enough to be one; short ones would hit everything. */
void dl_redact_add(dl_redact_t *r, const char *text);
/* Calls `emit` with what is safe so far; `is_end`: with all of it. */
void dl_redact_feed(dl_redact_t *r, const char *bytes, size_t len, bool is_end,
                    void (*emit)(const char *bytes, size_t len, void *user), void *user);

/* --- say --- */

/* What the end of buildah's output means. `said` is its last lines; the text is yours to free. */
char *dl_image_explain(const char *said, int status, dl_image_code_t *code);

/* --- conf --- */

#define DL_IMAGE_AUTH_IN_JAIL "/run/auth.json"

/* Writes buildah's configuration files into `dir`, which is made. NULL, or the reason (yours to free). */
char *dl_image_conf_write(const char *dir, const dl_images_opts_t *opts, const char *runtime);
/* The environment of buildah itself; yours to free with dl_image_conf_free_env. */
char **dl_image_conf_env(bool has_auth);
void dl_image_conf_free_env(char **env);
/* Adds HOST:PORT of HOST:PORT[/PATH] if it is on the loopback. */
void dl_image_conf_add_loopback(dl_image_words_t *out, const char *host);
/* Adds HOST:PORT of everything on the host's loopback that the options and the proxies name. */
void dl_image_conf_forwards(dl_image_words_t *out, const dl_images_opts_t *opts);
/* Adds everything of the environment that must not be in a log. */
void dl_image_conf_secrets(dl_redact_t *r, const dl_images_opts_t *opts);

/* --- jobs --- */

typedef enum {
  DL_IMAGE_JOB_PULL,
  DL_IMAGE_JOB_BUILD,
  DL_IMAGE_JOB_IMPORT,
  DL_IMAGE_JOB_COMMIT,
  DL_IMAGE_JOB_REMOVE,
  DL_IMAGE_JOB_SWEEP /* of what was left behind */
} dl_image_job_kind_t;

struct dl_image_job {
  dl_list_t link;
  dl_images_t *images;
  dl_image_job_kind_t kind;
  dl_image_callbacks_t cb;
  dl_image_words_t jail;    /* options of the jail besides those that all have */
  dl_image_words_t program; /* what runs in it; none: there is nothing to run */
  char *stdin_text;         /* NULL: nothing */
  char *wants;              /* the name of the image that it makes, NULL: none */
  char *subject;            /* what it is about */
  const char *prologue;     /* the first of its log; NULL: nothing */
  /* Optional. Fills `program` when the job begins; false: there is nothing to do. */
  bool (*prepare)(dl_image_job_t *job);
  bool is_alone; /* nothing else runs meanwhile */
  bool is_cancelled, is_running, is_settled, has_waited;
  bool is_out_of_space; /* ended because little is left on the disk */
  dl_image_code_t code;
  char *error;
  int folder; /* number of its folder in `work`, 0: none */
  /* while it runs */
  uv_process_t process;
  uv_pipe_t output;
  int open_handles;
  int status;
  dl_redact_t redact;
  dl_buf_t last; /* the last lines */
  dl_work_t reload;
  char *reload_error;
  dl_image_records_t records;
};

struct dl_images {
  uv_loop_t *loop;
  char *dir, *store_dir, *work_dir, *conf_dir, *exe, *auth_file, *missing, *runtime;
  dl_image_ids_t ids;
  bool as_root, is_durable, is_closing, needs_sweep, is_reserved /* a job runs alone */;
  char *open_mark;                          /* a file that is there while a server has the store open */
  bool was_killed;                          /* the server before */
  const char *pull_network, *build_network; /* of the jail: host, private or none */
  const char *network_reason;               /* why builds have none although they should; NULL */
  dl_image_words_t forwards;
  unsigned at_once, running;
  int last_folder;
  dl_list_t waiting, active; /* jobs */
  dl_list_t settled;         /* jobs that only have to report */
  uv_idle_t turn;
  uv_timer_t space_timer;
  dl_limits_t limits;
  dl_box_limits_t group; /* of all jobs */
  dl_lane_t *lane;
  dl_image_records_t records;
  dl_image_marks_t imported;
  dl_redact_t secrets;
  bool (*is_used)(const char *id, void *user);
  void *used_user;
  void (*on_closed)(void *user);
  void *closed_user;
};

/* They become what the store has; *r is empty afterwards. */
void dl_images_take_records(dl_images_t *images, dl_image_records_t *r);
void dl_images_close_when_idle(dl_images_t *images);
/* A job that is not in the queue yet. */
dl_image_job_t *dl_image_job_new(dl_images_t *images, dl_image_job_kind_t kind,
                                 const dl_image_callbacks_t *cb);
/* Into the queue; with `error` (taken), or where there is no program to run, it only reports. */
void dl_image_job_submit(dl_image_job_t *job, dl_image_code_t code, char *error);
void dl_image_jobs_wake(dl_images_t *images);
/* Nothing more is queued; what runs is killed. */
void dl_image_jobs_stop(dl_images_t *images);

#endif
