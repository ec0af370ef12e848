/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The samples of each sandbox, by its id: what is measured is told later, when the sandbox may be gone.
 */
#include "control/life/meter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Closer together they are not kept, and the use of the processor is not told anew. */
#define APART_MS 1000
/* Readings of all are at least as far apart as this for each: one takes a tenth of a millisecond. */
#define EACH_MS 20

typedef struct {
  dl_sample_t *samples;
  size_t count, cap;
  int64_t kept_at_ms; /* dl_steady_ms of the last one */
  /* The reading that the use of the processor is counted from, and what it was. */
  int64_t from_ms;
  uint64_t from_us;
  double cpu_pct;
} history_t;

struct dl_meter {
  dl_life_t *life;
  uv_timer_t timer;
  dl_map_t histories; /* id -> history_t */
  size_t pending;
  int64_t read_at_ms; /* dl_steady_ms of the last reading of all */
  bool is_closing, is_closed;
  void (*on_closed)(void *user);
  void *closed_user;
};

/* One reading of some sandboxes. */
typedef struct {
  dl_meter_t *meter;
  char **ids;
  size_t count;
  dl_meter_cb cb; /* NULL: nobody waits */
  void *user;
} reading_t;

/* --- the samples of one --- */

static history_t *history_of(dl_meter_t *m, const char *id) {
  history_t *h = dl_map_get(&m->histories, id);
  if (!h) {
    h = dl_xcalloc(1, sizeof *h);
    dl_map_put(&m->histories, id, h);
  }
  return h;
}

static void free_history(history_t *h) {
  free(h->samples);
  free(h);
}

/* Every other one of the older half goes. */
static void thin_out(history_t *h) {
  size_t half = h->count / 2, kept = 0;
  for (size_t i = 0; i < h->count; i++)
    if (i >= half || i % 2 == 0) h->samples[kept++] = h->samples[i];
  h->count = kept;
}

static void keep(history_t *h, const dl_sample_t *sample, int64_t now_ms) {
  if (h->count > 0 && now_ms - h->kept_at_ms < APART_MS) return;
  if (h->count == DL_SAMPLES_MAX) thin_out(h);
  if (h->count == h->cap) {
    h->cap = h->cap ? h->cap * 2 : 16;
    h->samples = dl_xrealloc(h->samples, h->cap * sizeof *h->samples);
  }
  h->samples[h->count++] = *sample;
  h->kept_at_ms = now_ms;
}

static double cores(const dl_sandbox_t *sb) {
  long machine = sysconf(_SC_NPROCESSORS_ONLN);
  return sb->cpu > 0 ? sb->cpu : machine > 0 ? (double)machine : 1;
}

/* A box that is another one than before counts from its own beginning. */
static void count_cpu(history_t *h, const dl_sandbox_t *sb, uint64_t used_us, int64_t now_ms) {
  int64_t up_ms = dl_box_up_ms(sb->box);
  if (h->from_ms < up_ms || used_us < h->from_us) {
    h->from_ms = up_ms;
    h->from_us = 0;
    h->cpu_pct = 0;
  }
  int64_t passed_ms = now_ms - h->from_ms;
  if (passed_ms <= 0) return;
  double pct = (double)(used_us - h->from_us) / 10.0 / (double)passed_ms / cores(sb);
  /* The clock of the kernel's counters is coarser than ours, and they are not read at one moment. */
  h->cpu_pct = pct > 100 ? 100 : pct;
  if (passed_ms < APART_MS) return;
  h->from_ms = now_ms;
  h->from_us = used_us;
}

static uint64_t memory_total(const dl_sandbox_t *sb) {
  if (sb->memory > 0) return (uint64_t)(sb->memory * 1024 * 1024 * 1024);
  return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static dl_sample_t make_sample(dl_meter_t *m, history_t *h, const dl_sandbox_t *sb, const dl_usage_t *u) {
  struct statvfs disk = {0};
  statvfs(m->life->objects->state_dir, &disk);
  uint64_t block = disk.f_frsize;
  count_cpu(h, sb, u->cpu_us, dl_steady_ms());
  return (dl_sample_t){.at = dl_objects_now(m->life->objects),
                       .cpu_pct = h->cpu_pct,
                       .cpu = cores(sb),
                       .memory = u->memory_bytes,
                       .cache = u->cache_bytes,
                       .memory_total = memory_total(sb),
                       .disk = (disk.f_blocks - disk.f_bfree) * block,
                       .disk_total = disk.f_blocks * block,
                       .disk_free = disk.f_bavail * block};
}

/* --- readings --- */

static void end_meter(dl_meter_t *m) {
  if (!m->is_closed || m->pending > 0) return;
  for (size_t i = 0; i < m->histories.capacity; i++)
    if (m->histories.slots[i].value) free_history(m->histories.slots[i].value);
  dl_map_clear(&m->histories);
  void (*on_closed)(void *) = m->on_closed;
  void *user = m->closed_user;
  free(m);
  on_closed(user);
}

static void on_measured(const dl_usage_t *usages, size_t count, void *user) {
  reading_t *r = user;
  dl_meter_t *m = r->meter;
  const dl_sample_t *told = NULL;
  dl_sample_t sample;
  for (size_t i = 0; i < count; i++) {
    dl_sandbox_t *sb = dl_map_get(&m->life->objects->sandboxes, r->ids[i]);
    if (!sb || !sb->box || dl_box_up_ms(sb->box) == 0) continue;
    history_t *h = history_of(m, sb->id);
    sample = make_sample(m, h, sb, &usages[i]);
    keep(h, &sample, dl_steady_ms());
    told = &sample;
  }
  if (r->cb) r->cb(told, r->user);
  for (size_t i = 0; i < count; i++) free(r->ids[i]);
  free(r->ids);
  free(r);
  m->pending--;
  end_meter(m);
}

static void start_reading(dl_meter_t *m, dl_sandbox_t *const *list, size_t count, dl_meter_cb cb,
                          void *user) {
  reading_t *r = dl_xcalloc(1, sizeof *r);
  dl_box_t **boxes = dl_xcalloc(count + 1, sizeof *boxes);
  *r = (reading_t){.meter = m, .ids = dl_xcalloc(count + 1, sizeof *r->ids), .cb = cb, .user = user};
  for (size_t i = 0; i < count; i++) {
    if (!list[i]->box) continue;
    boxes[r->count] = list[i]->box;
    r->ids[r->count++] = dl_xstrdup(list[i]->id);
  }
  m->pending++;
  dl_runtime_measure(m->life->runtime, boxes, r->count, on_measured, r);
  free(boxes);
}

void dl_meter_ask(dl_meter_t *m, dl_sandbox_t *sb, dl_meter_cb cb, void *user) {
  assert(!m->is_closing);
  start_reading(m, &sb, 1, cb, user);
}

/* --- all of them, again and again --- */

static void forget_gone(dl_meter_t *m) {
  for (size_t i = 0; i < m->histories.capacity; i++) {
    history_t *h = m->histories.slots[i].value;
    if (!h || dl_map_get(&m->life->objects->sandboxes, m->histories.slots[i].key)) continue;
    char *id = dl_xstrdup(m->histories.slots[i].key);
    dl_map_remove(&m->histories, id);
    free_history(h);
    free(id);
  }
}

static void on_timer(uv_timer_t *timer) {
  dl_meter_t *m = timer->data;
  dl_objects_t *o = m->life->objects;
  if (m->pending > 0) return; /* the machine is too slow for more */
  forget_gone(m);
  dl_sandbox_t **running = dl_xcalloc(o->sandboxes.count + 1, sizeof *running);
  size_t count = 0;
  DL_LIST_EACH(&o->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (dl_sandbox_is_up(sb)) running[count++] = sb;
  }
  bool is_due = dl_steady_ms() - m->read_at_ms >= (int64_t)count * EACH_MS;
  if (is_due) m->read_at_ms = dl_steady_ms();
  if (count > 0 && is_due) start_reading(m, running, count, NULL, NULL);
  free(running);
}

dl_meter_t *dl_meter_new(dl_life_t *life, int interval_ms) {
  dl_meter_t *m = dl_xcalloc(1, sizeof *m);
  m->life = life;
  uv_timer_init(life->objects->loop, &m->timer);
  m->timer.data = m;
  if (interval_ms > 0) uv_timer_start(&m->timer, on_timer, (uint64_t)interval_ms, (uint64_t)interval_ms);
  return m;
}

static void on_timer_closed(uv_handle_t *handle) {
  dl_meter_t *m = handle->data;
  m->is_closed = true;
  end_meter(m);
}

void dl_meter_close(dl_meter_t *m, void (*on_closed)(void *user), void *user) {
  assert(!m->is_closing);
  m->is_closing = true;
  m->on_closed = on_closed;
  m->closed_user = user;
  uv_close((uv_handle_t *)&m->timer, on_timer_closed);
}

const dl_sample_t *dl_meter_history(const dl_meter_t *m, const char *id, size_t *count) {
  const history_t *h = dl_map_get(&m->histories, id);
  *count = h ? h->count : 0;
  return h ? h->samples : NULL;
}
