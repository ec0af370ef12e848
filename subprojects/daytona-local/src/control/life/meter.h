/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What running sandboxes use, now and in the past. Samples are kept in memory only: a server that starts has none. When there
 * are many of a sandbox, every other one of the older ones goes, so the past is known more roughly the older it is.
 */
#ifndef DL_METER_H
#define DL_METER_H

#include "control/life/life.h"

typedef struct dl_meter dl_meter_t;

typedef struct {
  int64_t at;     /* dl_objects_now */
  double cpu_pct; /* of `cpu` cores, since the sample before */
  double cpu;
  uint64_t memory, cache, memory_total; /* bytes */
  uint64_t disk, disk_total, disk_free; /* of the file system where all files of sandboxes are */
} dl_sample_t;

#define DL_METER_INTERVAL_MS 10000
#define DL_SAMPLES_MAX 720u

/* A sample of each running sandbox every `interval_ms`; 0: only when asked. */
dl_meter_t *dl_meter_new(dl_life_t *life, int interval_ms);
/* Ends what is being measured, with its callbacks, and frees. */
void dl_meter_close(dl_meter_t *m, void (*on_closed)(void *user), void *user);

/* Takes a sample now. `sample` is borrowed; NULL: it does not run any more. On a later turn, once. */
typedef void (*dl_meter_cb)(const dl_sample_t *sample, void *user);
void dl_meter_ask(dl_meter_t *m, dl_sandbox_t *sb, dl_meter_cb cb, void *user);

/* What is known of a sandbox, in the order of time; borrowed until the next turn. */
const dl_sample_t *dl_meter_history(const dl_meter_t *m, const char *id, size_t *count);

#endif
