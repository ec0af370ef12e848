/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ordinary relay of an upgraded connection: bytes both ways, with back-pressure. When either side
 * ends both end, with what is queued on its way.
 */
#include "http/damage.h"

#include <stdlib.h>

#define FLUSH_LIMIT_MS 5000

typedef struct {
  dl_duplex_t *up, *down;
  void (*on_over)(void *user);
  void *user;
} relay_t;

static void end(relay_t *r) {
  dl_duplex_close_flushed(r->down, FLUSH_LIMIT_MS);
  dl_duplex_close_flushed(r->up, FLUSH_LIMIT_MS);
  r->on_over(r->user);
  free(r);
}

static void on_data(dl_duplex_t *from, const char *bytes, size_t len, void *user) {
  relay_t *r = user;
  dl_duplex_t *to = from == r->up ? r->down : r->up;
  if (!dl_duplex_write(to, bytes, len)) {
    end(r);
    return;
  }
  if (dl_duplex_queued(to) > DL_DUPLEX_HIGH) dl_duplex_read_pause(from);
}

static void on_end(dl_duplex_t *d, int error, void *user) {
  (void)d, (void)error;
  end(user);
}

static void on_drain(dl_duplex_t *to, void *user) {
  relay_t *r = user;
  dl_duplex_read_resume(to == r->up ? r->down : r->up);
}

void dl_relay_start(uv_loop_t *loop, dl_duplex_t *up, dl_duplex_t *down, const dl_damage_t *damage,
                    const dl_buf_t *unsent, void (*on_over)(void *user), void *user) {
  static const dl_duplex_events_t events = {on_data, on_end, on_drain};
  if (damage != NULL) {
    dl_damaged_start(loop, up, down, damage, unsent, on_over, user);
    return;
  }
  relay_t *r = dl_xcalloc(1, sizeof *r);
  *r = (relay_t){up, down, on_over, user};
  dl_duplex_listen(down, &events, r);
  dl_duplex_listen(up, &events, r);
  if (unsent->len > 0) dl_duplex_write(down, unsent->data, unsent->len);
  dl_duplex_read_resume(up);
}
