/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage done on purpose to a response: late, cut short, reset in the middle, or dribbling.
 * One timer per damaged request; nothing here exists for the others.
 */
#include "http/internal.h"

#include <stdlib.h>

#define TICK_MS 20
#define DELIVERY_POLL_MS 1
#define DELIVERY_POLLS_MAX 5000 /* for a client that does not read */

void dl_req_shape(dl_req_t *req, const dl_shape_t *shape) {
  req->shape = *shape;
  req->is_shaped = shape->delay_ms > 0 || shape->truncate_after >= 0 || shape->short_after >= 0 ||
                   shape->reset_after >= 0 || shape->freeze_after >= 0 || shape->bytes_per_second > 0;
}

void dl_req_set_damage(dl_req_t *req, const dl_damage_t *damage) {
  free(req->damage);
  req->damage = dl_xmalloc(sizeof *damage);
  *req->damage = *damage;
}

dl_damage_t *dl_req_take_damage(dl_req_t *req) {
  dl_damage_t *damage = req->damage;
  req->damage = NULL;
  return damage;
}

void dl_shape_drop(dl_req_t *req) {
  if (!req->shape_timer) return;
  uv_close((uv_handle_t *)req->shape_timer, (uv_close_cb)free);
  req->shape_timer = NULL;
}

static void start_timer(dl_req_t *req, uv_timer_cb cb, uint64_t first, uint64_t repeat) {
  if (!req->shape_timer) {
    req->shape_timer = dl_xcalloc(1, sizeof *req->shape_timer);
    uv_timer_init(req->server->loop, req->shape_timer);
    req->shape_timer->data = req;
  }
  uv_timer_start(req->shape_timer, cb, first, repeat);
}

static void on_delay_over(uv_timer_t *timer) {
  dl_req_t *req = timer->data;
  req->is_delay_over = true;
  dl_req_resume(req);
}

bool dl_shape_holds(dl_req_t *req) {
  if (!req->is_shaped || req->shape.delay_ms == 0 || req->is_delay_over) return false;
  start_timer(req, on_delay_over, req->shape.delay_ms, 0);
  return true;
}

static void on_thaw(uv_timer_t *timer) {
  dl_req_t *req = timer->data;
  req->is_thawed = true;
  dl_req_resume(req);
}

bool dl_shape_is_frozen(const dl_req_t *req) {
  return req->is_shaped && req->shape.freeze_after >= 0 && req->shape_sent >= req->shape.freeze_after &&
         !req->is_thawed;
}

static void on_tick(uv_timer_t *timer) {
  dl_req_t *req = timer->data;
  int64_t per_tick = (int64_t)req->shape.bytes_per_second * TICK_MS;
  req->shape_allowance += per_tick; /* in thousandths of a byte */
  if (req->shape_allowance >= 1000) dl_req_resume(req);
}

static void on_delivery_poll(uv_timer_t *timer) { dl_req_resume(timer->data); }

/* A reset destroys what the client has not got yet, so the bytes before it are seen to first. */
static ssize_t reset_once_delivered(dl_req_t *req) {
  int wire = dl_req_wire(req);
  if (!dl_socket_is_delivered(req->conn->fd, wire) && req->shape_polls++ < DELIVERY_POLLS_MAX) {
    start_timer(req, on_delivery_poll, DELIVERY_POLL_MS, 0);
    return 0;
  }
  dl_socket_reset(wire);
  return DL_PULL_ABORT;
}

ssize_t dl_shape_allow(dl_req_t *req, size_t want) {
  const dl_shape_t *s = &req->shape;
  int64_t allowed = (int64_t)want;
  if (s->reset_after >= 0) {
    int64_t left = s->reset_after - req->shape_sent;
    if (left <= 0) return reset_once_delivered(req);
    if (allowed > left) allowed = left;
  }
  if (s->truncate_after >= 0) {
    int64_t left = s->truncate_after - req->shape_sent;
    if (left <= 0) return DL_PULL_ABORT;
    if (allowed > left) allowed = left;
  }
  if (s->short_after >= 0 && allowed > s->short_after - req->shape_sent)
    allowed = s->short_after - req->shape_sent;
  if (dl_shape_is_frozen(req)) {
    if (s->freeze_ms >= 0) start_timer(req, on_thaw, (uint64_t)s->freeze_ms, 0);
    return 0;
  }
  if (s->freeze_after >= 0 && !req->is_thawed && allowed > s->freeze_after - req->shape_sent)
    allowed = s->freeze_after - req->shape_sent;
  if (s->bytes_per_second > 0) {
    if (!req->shape_timer || !uv_is_active((uv_handle_t *)req->shape_timer)) {
      start_timer(req, on_tick, TICK_MS, TICK_MS);
      req->shape_allowance = 1000;
    }
    int64_t left = req->shape_allowance / 1000;
    if (allowed > left) allowed = left;
  }
  return (ssize_t)allowed;
}

void dl_shape_count(dl_req_t *req, size_t sent) {
  req->shape_sent += (int64_t)sent;
  req->shape_allowance -= (int64_t)sent * 1000;
}
