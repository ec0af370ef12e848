/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox as data: its fields, and what of them is kept on disk. Its state and what was asked of
 * it are changed in src/control/life only.
 */
#ifndef DL_SANDBOX_H
#define DL_SANDBOX_H

#include "base/jsonx.h"
#include "base/list.h"

/* What was achieved (raw), in the words of the platform. */
typedef enum {
  DL_CREATING,
  DL_STARTED,
  DL_STOPPED,
  DL_ARCHIVED,
  DL_RESTORING,
  DL_RESIZING,
  DL_ERROR,
  DL_DESTROYED,
  DL_PENDING_BUILD, /* its image waits for its turn */
  DL_BUILDING,      /* its image is built */
  DL_BUILD_FAILED,
  DL_PAUSED,
  DL_FORKING,
  DL_SNAPSHOTTING,
  DL_STATE_COUNT
} dl_state_t;

/* What was asked for. */
typedef enum {
  DL_WANT_STARTED,
  DL_WANT_STOPPED,
  DL_WANT_ARCHIVED,
  DL_WANT_DESTROYED,
  DL_WANT_RESIZED,
  DL_WANT_PAUSED,
  DL_WANT_COUNT
} dl_want_t;

typedef struct dl_sandbox {
  dl_list_t link;
  char *id, *name, *snapshot, *user, *target;
  char *class_name;  /* "container" or "linux-vm" */
  char *pool_id;     /* of the warm pool where it waits to be taken; NULL: it is somebody's */
  char *forked_from; /* the id of its parent; NULL: none */
  char *files_from; /* below the state directory: a tar file with its first files, which it has not got yet */
  json_t *env, *labels, *volumes; /* never changed in place: replaced */
  json_t *secrets;                /* {VARIABLE: id of a secret}; the same */
  /* All that it may reach because of secrets that it has, or had: see hosts.h. Never becomes more, for what knows a value can
   * keep it. NULL: no limit. */
  char *secret_hosts;
  char *linked;       /* the id of the sandbox that it is linked to; NULL: none */
  char *image;        /* the id of what it runs on; NULL: this machine's own system, or not known yet */
  json_t *build;      /* what its image is built from, see dl_build_info; NULL: nothing */
  json_t *entrypoint; /* texts; NULL: that of the default snapshot */
  bool has_own_user;  /* `user` was asked for, and is not the image's */
  bool is_public, is_blocked;
  char *allow_list, *domain_list, *outbound_proxy, *otel_endpoint;
  double cpu, gpu, memory, disk;
  dl_state_t state;
  dl_want_t want;
  char *error_reason;
  bool is_recoverable;
  const char *backup_state;                                 /* static text */
  int64_t backup_at;                                        /* 0: none */
  int64_t auto_stop, auto_archive, auto_delete, auto_pause; /* minutes */
  int64_t destroy_at;                                       /* 0: no end of life */
  int64_t queue_timeout;                       /* minutes that its build may wait for its turn; 0: for ever */
  int64_t queue_timed_out_at, spot_evicted_at; /* why it was destroyed; 0: not by that */
  int64_t created_at, updated_at, last_activity_at;
  char *preview_token, *signing_key;
  json_t *signed_tokens; /* [{token, port, expiresAt}] */
  json_t *ssh_access;    /* [{id, token, expiresAt, createdAt}] */

  /* Not kept on disk. */
  struct dl_life *life; /* set when it begins */
  struct {
    const char *state, *want;   /* static texts; NULL: nothing was */
  } told;                       /* what watchers know of it: see dl_life_watch */
  struct dl_box *box;           /* while there is one; see runtime.h */
  struct dl_box *warm_box;      /* what its first boot claims, see warm.h; NULL: nothing */
  json_t *box_secrets;          /* the variables that the box was given for secrets: {VARIABLE: true} */
  bool are_secrets_due;         /* they have changed while it started */
  bool is_pending;              /* an operation is under way */
  bool cancels_archive;         /* start was asked while archiving */
  bool gives_way;               /* that operation is an archive or a restore, which a destroy may interrupt */
  struct dl_job *job;           /* its packing or unpacking, while that runs */
  struct dl_sandbox *forking;   /* the child that its files are copied for, held */
  char *snapshotting;           /* the id of the snapshot that they are copied for */
  struct dl_building *building; /* its image is wanted: see life.c */
  struct dl_image *held_image;  /* what the box runs on */
  uint32_t link_address;        /* see links.h; 0: none yet */
  bool is_changing_network;     /* its box is getting other rules */
  json_t *coming_secrets;       /* what it will have then; else NULL */
  bool is_breaking;             /* its end is to be shown as a failure */
  bool is_gone;                 /* destroyed while an operation still holds it */
  unsigned relay_count;         /* proxied requests under way: all of them are activity */
  unsigned hold_count;
  dl_list_t waiters; /* who waits for a start, see states.c */
  /* What was asked for and is not on disk yet, and what it goes back to when it cannot be written: see states.c. */
  struct {
    void (*go)(struct dl_sandbox *sb); /* NULL: nothing is */
    char *name, *error_reason;
    dl_state_t state;
    dl_want_t want;
    bool is_recoverable, is_pending, is_forced;
    bool is_start; /* who waits for the start is told when it is not written */
    const char *backup_state;
    int64_t updated_at, last_activity_at;
    /* What came meanwhile, and is processed afterwards. */
    void (*deferred)(const char *error, void *user);
    char *deferred_error;
  } intent;
  bool is_unwritten; /* its last record is not on disk */
  bool is_unmade;    /* its creation could not be written */
  bool is_adopted;   /* its files were there before it */
} dl_sandbox_t;

/* `target` is its region; `now` stamps it. */
dl_sandbox_t *dl_sandbox_new(const char *id, const char *target, int64_t now);
/* A key for signed URLs, yours to free. */
char *dl_sandbox_new_signing_key(void);
void dl_sandbox_free(dl_sandbox_t *sb);

/* The record for the store, and back (NULL for a record that makes no sense). Its times are those of the machine: later
 * than the sandbox's by `clock_offset` (dl_clock_offset). A state that is on its way to disk
 * before it is shown comes as `state`; else that is the sandbox's own. */
json_t *dl_sandbox_record(const dl_sandbox_t *sb, dl_state_t state, int64_t clock_offset);
dl_sandbox_t *dl_sandbox_from_record(const json_t *record, const char *region);

/* The settings (not the states, nor what was seen of it) are again what a record of it says. */
void dl_sandbox_take_settings(dl_sandbox_t *sb, const json_t *record);

/* The state that reads show: raw and wanted combined. */
const char *dl_sandbox_state_name(const dl_sandbox_t *sb, bool in_list);
const char *dl_want_name(dl_want_t want);
/* Something was asked for that is not achieved yet. */
bool dl_sandbox_is_busy(const dl_sandbox_t *sb);
/* Its programs run and are not to end: it serves, also while it is copied or resized. */
bool dl_sandbox_is_up(const dl_sandbox_t *sb);
/* What is under way can be interrupted now: by a destroy, and an archive by a start. */
bool dl_sandbox_gives_way(const dl_sandbox_t *sb);
bool dl_sandbox_is_ephemeral(const dl_sandbox_t *sb);
/* Of the class that can be forked and paused. */
bool dl_sandbox_is_vm(const dl_sandbox_t *sb);
#define DL_CLASS_CONTAINER "container"
#define DL_CLASS_VM "linux-vm"
/* It failed: "error" or "build_failed". */
bool dl_sandbox_is_errored(const dl_sandbox_t *sb);
/* It is destroyed, and still shown for a while to say why. */
bool dl_sandbox_is_memory(const dl_sandbox_t *sb);

bool dl_state_known(const char *name); /* any of the platform's state names */

#endif
