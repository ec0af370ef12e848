/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on purpose: rules that say which requests go wrong, how, and how often. See README.md.
 */
#ifndef DL_FAULTS_H
#define DL_FAULTS_H

#include "base/jsonx.h"

typedef struct dl_faults dl_faults_t;

typedef enum {
  DL_TARGET_CONTROL = 1,
  DL_TARGET_TOOLBOX = 2,
  DL_TARGET_PREVIEW = 4,
  DL_TARGET_STORAGE = 8,
  DL_TARGET_LOGS = 16,  /* the log of a build, as it is followed */
  DL_TARGET_PULL = 32,  /* no request: an image is pulled */
  DL_TARGET_BUILD = 64, /* no request: an image is built */
} dl_fault_target_t;

typedef enum {
  DL_FAULT_DELAY,       /* later by delay_ms */
  DL_FAULT_RESET,       /* TCP reset, after after_bytes body bytes if given */
  DL_FAULT_TRUNCATE,    /* closed after after_bytes of a longer declared body */
  DL_FAULT_SHORT,       /* ends properly after after_bytes: a wrong length that only the content betrays */
  DL_FAULT_DRIBBLE,     /* bytes_per_second */
  DL_FAULT_STATUS,      /* another response */
  DL_FAULT_STALL,       /* no response, ever */
  DL_FAULT_FREEZE,      /* nothing more after after_bytes or after_frames, for for_ms or for ever */
  DL_FAULT_DELAY_PONGS, /* a WebSocket's pongs come delay_ms later, or never */
  DL_FAULT_CLOSE,       /* a WebSocket is closed with close_code after after_frames */
  DL_FAULT_SPLIT,       /* a WebSocket's bytes come in chunks, its frames in fragments */
  DL_FAULT_LEAVE_UNREAD, /* a WebSocket's client is not read after after_frames of its own, for for_ms or for ever */
  DL_FAULT_STALL_ACCEPT, /* connections are accepted and never read: a TLS handshake stalls */
  DL_FAULT_FAIL          /* a pull or a build ends with `message`, after after_bytes of its log if given */
} dl_fault_action_t;

typedef struct {
  char id[24];
  char *method, *path; /* NULL: any; path may end in '*' or hold single-segment '*' */
  unsigned targets;    /* 0: any */
  dl_fault_action_t action;
  bool is_after;       /* the request is carried out first, only its response is hit */
  int64_t times, skip; /* times -1: for ever */
  int64_t delay_ms, after_bytes, bytes_per_second, status, retry_after; /* -1: not given */
  int64_t after_frames, into_bytes, for_ms, piece_bytes, fragment_bytes, pause_ms, close_code;
  char *bucket, *message, *code, *close_reason;
} dl_fault_t;

dl_faults_t *dl_faults_new(void);
void dl_faults_free(dl_faults_t *f);

/* Adds a rule; returns it, or NULL and *error. */
const dl_fault_t *dl_faults_add(dl_faults_t *f, const json_t *rule, char **error);
bool dl_faults_remove(dl_faults_t *f, const char *id);
void dl_faults_clear(dl_faults_t *f);
json_t *dl_faults_list(const dl_faults_t *f);
json_t *dl_fault_json(const dl_fault_t *rule);

/* The first rule that hits this request, counted down; copied to *out with borrowed texts that
 * live until the rules change. Rules about frames leave alone what asks for no upgrade. */
bool dl_faults_hit(dl_faults_t *f, dl_fault_target_t target, const char *method, const char *path,
                   bool is_upgrade, dl_fault_t *out);
/* The same for a pull or a build; rules hit none unless they name that target. `name` is matched as a path. */
bool dl_faults_hit_work(dl_faults_t *f, dl_fault_target_t target, const char *name, dl_fault_t *out);
/* A fresh connection. */
bool dl_faults_hit_accept(dl_faults_t *f);

bool dl_fault_path_matches(const char *pattern, const char *path);

#endif
