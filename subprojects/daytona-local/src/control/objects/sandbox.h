/* SPDX-License-Identifier: Apache-2.0
 *
 * A sandbox as data: its fields, what is kept on disk, and the two forms in which it is shown.
 */
#ifndef DL_SANDBOX_H
#define DL_SANDBOX_H

#include "base/jsonx.h"
#include "base/list.h"
#include "http/http.h"
#include "runtime/runtime.h"

/* What was achieved (raw), in the words of the platform. */
typedef enum {
  DL_CREATING,
  DL_STARTED,
  DL_STOPPED,
  DL_ARCHIVED,
  DL_RESTORING,
  DL_RESIZING,
  DL_ERROR,
  DL_DESTROYING,
  DL_DESTROYED,
  DL_STATE_COUNT
} dl_state;

/* What was asked for. */
typedef enum {
  DL_WANT_STARTED,
  DL_WANT_STOPPED,
  DL_WANT_ARCHIVED,
  DL_WANT_DESTROYED,
  DL_WANT_RESIZED,
  DL_WANT_COUNT
} dl_want;

typedef struct dl_sandbox {
  dl_list link;
  struct dl_control *control;
  char *id, *name, *snapshot, *user, *target;
  json_t *env, *labels, *volumes; /* never changed in place: replaced */
  bool is_public, is_blocked;
  char *allow_list, *domain_list, *outbound_proxy, *otel_endpoint;
  double cpu, gpu, memory, disk;
  dl_state state;
  dl_want want;
  char *error_reason;
  bool is_recoverable;
  const char *backup_state;                     /* static text */
  int64_t backup_at;                            /* 0: none */
  int64_t auto_stop, auto_archive, auto_delete; /* minutes */
  int64_t destroy_at;                           /* 0: no end of life */
  int64_t created_at, updated_at, last_activity_at;
  char *preview_token, *signing_key;
  json_t *signed_tokens; /* [{token, port, expiresAt}] */
  json_t *ssh_access;    /* [{id, token, expiresAt, createdAt}] */

  /* Not kept on disk. */
  dl_box *box;
  bool is_pending;      /* an operation is under way */
  bool cancels_archive; /* start was asked while archiving */
  bool is_gone;         /* destroyed while an operation still holds it */
  unsigned relay_count; /* proxied requests under way: all of them are activity */
  int hold_count;
  dl_req *break_req; /* the admin call that forces an error */
  dl_list waiters;   /* requests waiting for a start, see life.c */
} dl_sandbox;

dl_sandbox *dl_sandbox_new(struct dl_control *c, const char *id);
void dl_sandbox_free(dl_sandbox *sb);

/* The record for the store, and back (NULL for a record that makes no sense). */
json_t *dl_sandbox_record(const dl_sandbox *sb);
dl_sandbox *dl_sandbox_from_record(struct dl_control *c, const json_t *record);

/* The state that reads show: raw and wanted combined. */
const char *dl_sandbox_state_name(const dl_sandbox *sb, bool in_list);
/* Something was asked for that is not achieved yet. */
bool dl_sandbox_is_busy(const dl_sandbox *sb);
bool dl_sandbox_is_ephemeral(const dl_sandbox *sb);

json_t *dl_sandbox_dto(const dl_sandbox *sb);
json_t *dl_sandbox_list_item(const dl_sandbox *sb);

/* Where its files live; yours to free. */
char *dl_sandbox_dir(const dl_sandbox *sb);
char *dl_sandbox_home(const dl_sandbox *sb);
char *dl_sandbox_archive(const dl_sandbox *sb);

bool dl_state_known(const char *name); /* any of the platform's state names */

#endif
