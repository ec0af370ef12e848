/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay that does damage, once, as a rule says.
 *
 * passing -> frozen -> passing, or passing -> ending -> over; not reading is passing one way. What counts are the bytes and frames
 * towards the client; nothing in them is trusted, and a stream that makes no sense as frames simply
 * never reaches another border. While frozen both sides are held: read up to the high mark, then
 * left to flow control. While ending the sandbox's side is gone already, and what the client still
 * says is read and dropped. Memory goes when the handles have closed.
 */
#include "http/damage.h"

#include "base/list.h"
#include "http/frames.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FLUSH_LIMIT_MS 5000
#define ENDING_LIMIT_MS 5000 /* for a client that does not take its end */
#define DELIVERY_POLL_MS 1
#define VAIN_TURNS_MAX 16 /* TLS needs a few turns for a chunk; a client that does not read needs more */
#define PONGS_MAX 1024
#define PONG_MAX (DL_FRAME_HEAD_MAX + 125)
#define OPCODE_CLOSE 8
#define OPCODE_PONG 10

typedef enum { PASSING, FROZEN, DELIVERING, ENDING, OVER } stage_t;

typedef struct {
  dl_list_t link;
  uint64_t due;
  size_t len;
  char bytes[PONG_MAX];
} pong_t;

typedef struct {
  dl_damage_t what;
  dl_duplex_t *up, *down; /* `up` is NULL once it has ended or was let go */
  void (*on_over)(void *user);
  void *user;
  uv_timer_t timer, limit;
  uv_idle_t idle;
  int open_handles;
  stage_t stage;
  bool is_struck; /* only passes on from here */
  bool is_unread; /* the client is not read */
  dl_frames_t walker, client_walker;
  int64_t bytes, frames, into;
  dl_buf_t to_client, to_box; /* held, or waiting to be cut */
  size_t to_client_at;
  int vain_turns; /* since the last chunk */
  dl_list_t pongs;
  size_t pong_count;
  pong_t *pong; /* under way */
  bool is_fragmenting;
  uint64_t fragment_left, frame_left;
  int next_first_byte;
} damaged_t;

/* --- the end --- */

static void on_handle_closed(uv_handle_t *handle) {
  damaged_t *d = handle->data;
  if (--d->open_handles > 0) return;
  dl_buf_clear(&d->to_client);
  dl_buf_clear(&d->to_box);
  free(d);
}

static void drop_pongs(damaged_t *d) {
  DL_LIST_EACH_SAFE(&d->pongs, node, after) {
    dl_list_unlink(node);
    free(DL_CONTAINER(node, pong_t, link));
  }
  d->pong_count = 0;
}

static void over(damaged_t *d) {
  if (d->stage == OVER) return;
  d->stage = OVER;
  dl_duplex_close_flushed(d->down, FLUSH_LIMIT_MS);
  dl_duplex_close_flushed(d->up, FLUSH_LIMIT_MS);
  drop_pongs(d);
  free(d->pong);
  d->pong = NULL;
  uv_close((uv_handle_t *)&d->timer, on_handle_closed);
  uv_close((uv_handle_t *)&d->limit, on_handle_closed);
  uv_close((uv_handle_t *)&d->idle, on_handle_closed);
  d->on_over(d->user);
}

static void on_limit(uv_timer_t *timer) { over(timer->data); }

static void let_box_go(damaged_t *d) {
  dl_duplex_close_flushed(d->up, FLUSH_LIMIT_MS);
  d->up = NULL;
}

static bool write_down(damaged_t *d, const void *bytes, size_t len) {
  if (len == 0) return true;
  if (!dl_duplex_write(d->down, bytes, len)) {
    over(d);
    return false;
  }
  if (d->up != NULL && dl_duplex_queued(d->down) > DL_DUPLEX_HIGH) dl_duplex_read_pause(d->up);
  return true;
}

static size_t waiting(const damaged_t *d) { return d->to_client.len - d->to_client_at; }

/* --- what strikes --- */

/* A reset destroys what the client has not got yet, so the bytes before the cut are seen to first. */
static void on_delivery(uv_timer_t *timer) {
  damaged_t *d = timer->data;
  if (!dl_duplex_is_delivered(d->down)) return;
  uv_timer_stop(timer);
  if (d->what.kind == DL_DAMAGE_RESET) {
    dl_duplex_reset(d->down);
    over(d);
    return;
  }
  d->stage = ENDING;
  dl_duplex_shutdown(d->down);
}

static void begin_delivery(damaged_t *d) {
  d->stage = DELIVERING;
  let_box_go(d);
  dl_duplex_read_resume(d->down);
  uv_timer_start(&d->timer, on_delivery, 0, DELIVERY_POLL_MS);
  uv_timer_start(&d->limit, on_limit, ENDING_LIMIT_MS, 0);
}

static void send_close(damaged_t *d) {
  unsigned char frame[DL_FRAME_HEAD_MAX + 2 + DL_CLOSE_REASON_MAX];
  size_t reason = strlen(d->what.close_reason), size = d->what.close_code == 1005 ? 0 : 2 + reason;
  size_t at = dl_frames_put_head(frame, 0x80 | OPCODE_CLOSE, size);
  if (size > 0) {
    frame[at] = (unsigned char)(d->what.close_code >> 8);
    frame[at + 1] = (unsigned char)d->what.close_code;
    memcpy(frame + at + 2, d->what.close_reason, reason);
  }
  d->stage = ENDING;
  let_box_go(d);
  dl_duplex_read_resume(d->down);
  uv_timer_start(&d->limit, on_limit, ENDING_LIMIT_MS, 0);
  write_down(d, frame, at + size);
}

static void thaw(uv_timer_t *timer) {
  damaged_t *d = timer->data;
  d->stage = PASSING;
  dl_duplex_watch_hangup(d->down, false);
  if (!write_down(d, d->to_client.data, d->to_client.len)) return;
  dl_buf_clear(&d->to_client);
  if (d->up == NULL) {
    over(d);
    return;
  }
  if (d->to_box.len > 0) dl_duplex_write(d->up, d->to_box.data, d->to_box.len);
  dl_buf_clear(&d->to_box);
  dl_duplex_read_resume(d->down);
  if (dl_duplex_queued(d->down) <= DL_DUPLEX_HIGH) dl_duplex_read_resume(d->up);
}

static void strike(damaged_t *d, const char *rest, size_t len) {
  d->is_struck = true;
  if (d->what.kind == DL_DAMAGE_CLOSE) {
    send_close(d);
  } else if (d->what.kind == DL_DAMAGE_FREEZE) {
    d->stage = FROZEN;
    dl_duplex_watch_hangup(d->down, true); /* the only thing that can still happen */
    if (len > 0) dl_buf_append(&d->to_client, rest, len);
    if (d->what.hold_ms >= 0) uv_timer_start(&d->timer, thaw, (uint64_t)d->what.hold_ms, 0);
  } else {
    begin_delivery(d);
  }
}

/* --- how much of the bytes to the client passes before that --- */

static size_t count_bytes(damaged_t *d, size_t len, bool *is_reached) {
  int64_t left = d->what.after_bytes - d->bytes;
  if ((int64_t)len > left) len = (size_t)left;
  d->bytes += (int64_t)len;
  *is_reached = d->bytes == d->what.after_bytes;
  return len;
}

static bool is_at_frame(const damaged_t *d) {
  if (d->frames < d->what.after_frames) return false;
  return d->what.into_bytes <= d->into || d->frames > d->what.after_frames;
}

static size_t count_frames(damaged_t *d, const char *bytes, size_t len, bool *is_reached) {
  size_t passed = 0;
  *is_reached = is_at_frame(d);
  while (passed < len && !*is_reached) {
    dl_frame_piece_t piece;
    size_t room = len - passed;
    bool is_last = d->frames == d->what.after_frames;
    if (is_last && (int64_t)room > d->what.into_bytes - d->into)
      room = (size_t)(d->what.into_bytes - d->into);
    passed += dl_frames_next(&d->walker, bytes + passed, room, &piece);
    if (is_last) d->into += (int64_t)piece.len;
    if (piece.ends) d->frames++;
    *is_reached = is_at_frame(d);
  }
  return passed;
}

static void pass_until(damaged_t *d, const char *bytes, size_t len) {
  bool is_reached = false;
  size_t passed =
    d->what.after_frames >= 0 ? count_frames(d, bytes, len, &is_reached) : count_bytes(d, len, &is_reached);
  if (write_down(d, bytes, passed) && is_reached) strike(d, bytes + passed, len - passed);
}

/* --- pongs --- */

static void send_due_pongs(damaged_t *d);

static void on_pong_due(uv_timer_t *timer) { send_due_pongs(timer->data); }

/* Only between two frames; when the time comes in the middle of one, its end does this. */
static void send_due_pongs(damaged_t *d) {
  uint64_t now = uv_now(d->timer.loop);
  while (d->stage != OVER && !dl_list_empty(&d->pongs) && dl_frames_at_border(&d->walker)) {
    pong_t *p = DL_CONTAINER(d->pongs.next, pong_t, link);
    if (p->due > now) {
      uv_timer_start(&d->timer, on_pong_due, p->due - now, 0);
      return;
    }
    dl_list_unlink(&p->link);
    d->pong_count--;
    write_down(d, p->bytes, p->len);
    free(p);
  }
}

static void keep_pong(damaged_t *d, pong_t *p) {
  if (d->what.hold_ms < 0 || d->pong_count >= PONGS_MAX) {
    free(p);
    return;
  }
  p->due = uv_now(d->timer.loop) + (uint64_t)d->what.hold_ms;
  dl_list_push(&d->pongs, &p->link);
  d->pong_count++;
  if (d->pong_count == 1) uv_timer_start(&d->timer, on_pong_due, (uint64_t)d->what.hold_ms, 0);
}

static void pass_without_pongs(damaged_t *d, const dl_frame_piece_t *piece) {
  dl_frames_t *w = &d->walker;
  if (piece->is_head_whole && dl_frames_opcode(w) == OPCODE_PONG && w->size <= 125) {
    d->pong = dl_xcalloc(1, sizeof *d->pong);
    dl_list_init(&d->pong->link);
    memcpy(d->pong->bytes, w->head, w->head_len);
    d->pong->len = w->head_len;
  } else if (d->pong != NULL) {
    memcpy(d->pong->bytes + d->pong->len, piece->bytes, piece->len);
    d->pong->len += piece->len;
  } else if (piece->is_head_whole) {
    write_down(d, w->head, w->head_len);
  } else if (!piece->in_head) {
    write_down(d, piece->bytes, piece->len);
  }
  if (!piece->ends || d->stage == OVER) return;
  if (d->pong != NULL) keep_pong(d, d->pong);
  d->pong = NULL;
  if (dl_frames_opcode(w) == OPCODE_CLOSE) drop_pongs(d); /* nothing may follow it */
  send_due_pongs(d);
}

/* --- chunks --- */

static void on_pace(damaged_t *d);
static void on_idle(uv_idle_t *idle) { on_pace(idle->data); }
static void on_pause_over(uv_timer_t *timer) { on_pace(timer->data); }

/* The next chunk goes in a turn of its own, when the one before is on its way: the kernel would join them. */
static void keep_pace(damaged_t *d) {
  if (waiting(d) == 0 || dl_duplex_queued(d->down) > 0) return; /* on_drain continues */
  bool is_slow = d->vain_turns >= VAIN_TURNS_MAX && !dl_duplex_is_sent(d->down);
  if (d->what.pause_ms > 0 || is_slow)
    uv_timer_start(&d->timer, on_pause_over, (uint64_t)(d->what.pause_ms > 0 ? d->what.pause_ms : 1), 0);
  else
    uv_idle_start(&d->idle, on_idle);
}

static void on_pace(damaged_t *d) {
  size_t len = waiting(d);
  uv_idle_stop(&d->idle);
  d->vain_turns++;
  if (len > 0 && dl_duplex_queued(d->down) == 0 && dl_duplex_is_sent(d->down)) {
    if ((int64_t)len > d->what.piece_bytes) len = (size_t)d->what.piece_bytes;
    d->to_client_at += len;
    d->vain_turns = 0;
    if (!write_down(d, d->to_client.data + d->to_client_at - len, len)) return;
  }
  if (waiting(d) == 0) {
    dl_buf_reset(&d->to_client);
    d->to_client_at = 0;
    if (d->up == NULL) {
      over(d);
      return;
    }
  }
  if (d->up != NULL && waiting(d) < DL_DUPLEX_HIGH / 2) dl_duplex_read_resume(d->up);
  keep_pace(d);
}

static void put(damaged_t *d, const void *bytes, size_t len) {
  if (d->what.piece_bytes < 0) {
    write_down(d, bytes, len);
    return;
  }
  if (d->to_client_at > waiting(d)) {
    dl_buf_consume(&d->to_client, d->to_client_at);
    d->to_client_at = 0;
  }
  if (!dl_buf_append(&d->to_client, bytes, len)) over(d);
}

/* --- fragments --- */

static void begin_fragments(damaged_t *d) {
  const dl_frames_t *w = &d->walker;
  int opcode = dl_frames_opcode(w);
  bool is_data = opcode <= 2 && !dl_frames_is_masked(w) && !w->is_lost;
  d->is_fragmenting = is_data && w->size > (uint64_t)d->what.fragment_bytes;
  if (!d->is_fragmenting) {
    put(d, w->head, w->head_len);
    return;
  }
  d->frame_left = w->size;
  d->fragment_left = 0;
  d->next_first_byte = w->head[0] & 0x7f; /* kind and reserved bits stand in the first fragment only */
}

static void pass_in_fragments(damaged_t *d, const dl_frame_piece_t *piece) {
  const char *bytes = piece->bytes;
  size_t len = piece->len;
  if (piece->is_head_whole) begin_fragments(d);
  if (piece->in_head) return;
  while (len > 0 && d->stage != OVER) {
    size_t n = len;
    if (d->is_fragmenting) {
      if (d->fragment_left == 0) {
        unsigned char head[DL_FRAME_HEAD_MAX];
        uint64_t most = (uint64_t)d->what.fragment_bytes;
        d->fragment_left = d->frame_left < most ? d->frame_left : most;
        int last = d->fragment_left == d->frame_left ? d->walker.head[0] & 0x80 : 0;
        put(d, head, dl_frames_put_head(head, last | d->next_first_byte, d->fragment_left));
        d->next_first_byte = 0;
      }
      if (n > d->fragment_left) n = (size_t)d->fragment_left;
      d->fragment_left -= n;
      d->frame_left -= n;
    }
    put(d, bytes, n);
    bytes += n;
    len -= n;
  }
}

static void pass_split(damaged_t *d, const char *bytes, size_t len) {
  while (len > 0 && d->stage != OVER) {
    dl_frame_piece_t piece = {.len = len};
    if (d->what.fragment_bytes < 0) {
      put(d, bytes, len);
    } else {
      dl_frames_next(&d->walker, bytes, len, &piece);
      pass_in_fragments(d, &piece);
    }
    bytes += piece.len;
    len -= piece.len;
  }
  if (d->stage == OVER || d->what.piece_bytes < 0) return;
  if (d->up != NULL && waiting(d) > DL_DUPLEX_HIGH) dl_duplex_read_pause(d->up);
  if (!uv_is_active((uv_handle_t *)&d->idle) && !uv_is_active((uv_handle_t *)&d->timer)) keep_pace(d);
}

/* --- both directions --- */

static void from_box(damaged_t *d, const char *bytes, size_t len) {
  if (d->stage == FROZEN) {
    dl_buf_append(&d->to_client, bytes, len); /* far from its ceiling: */
    if (d->to_client.len > DL_DUPLEX_HIGH) dl_duplex_read_pause(d->up);
  } else if (d->is_struck || d->what.kind == DL_DAMAGE_UNREAD) {
    write_down(d, bytes, len);
  } else if (d->what.kind == DL_DAMAGE_SPLIT) {
    pass_split(d, bytes, len);
  } else if (d->what.kind == DL_DAMAGE_PONGS) {
    for (dl_frame_piece_t piece; len > 0 && d->stage != OVER; bytes += piece.len, len -= piece.len) {
      dl_frames_next(&d->walker, bytes, len, &piece);
      pass_without_pongs(d, &piece);
    }
  } else {
    pass_until(d, bytes, len);
  }
}

/* --- not reading --- */

static void read_again(uv_timer_t *timer) {
  damaged_t *d = timer->data;
  d->is_unread = false;
  dl_duplex_watch_hangup(d->down, false);
  bool is_whole = d->to_box.len == 0 || dl_duplex_write(d->up, d->to_box.data, d->to_box.len);
  dl_buf_clear(&d->to_box);
  if (!is_whole)
    over(d);
  else if (dl_duplex_queued(d->up) <= DL_DUPLEX_HIGH)
    dl_duplex_read_resume(d->down);
}

static void stop_reading(damaged_t *d, const char *rest, size_t len) {
  d->is_struck = d->is_unread = true;
  if (len > 0) dl_buf_append(&d->to_box, rest, len);
  dl_duplex_read_pause(d->down);
  dl_duplex_watch_hangup(d->down, true);
  if (d->what.hold_ms >= 0) uv_timer_start(&d->timer, read_again, (uint64_t)d->what.hold_ms, 0);
}

/* How much of the client's bytes the sandbox gets before that. */
static size_t count_client_frames(damaged_t *d, const char *bytes, size_t len) {
  size_t passed = 0;
  while (passed < len && d->frames < d->what.after_frames) {
    dl_frame_piece_t piece;
    passed += dl_frames_next(&d->client_walker, bytes + passed, len - passed, &piece);
    if (piece.ends) d->frames++;
  }
  return passed;
}

/* The client's close frame is the end of a closing handshake that we began. */
static void watch_for_close(damaged_t *d, const char *bytes, size_t len) {
  for (dl_frame_piece_t piece; len > 0; bytes += piece.len, len -= piece.len) {
    dl_frames_next(&d->client_walker, bytes, len, &piece);
    if (d->stage != ENDING || !piece.ends || dl_frames_opcode(&d->client_walker) != OPCODE_CLOSE) continue;
    over(d);
    return;
  }
}

static void from_client(damaged_t *d, const char *bytes, size_t len) {
  bool counts = d->what.kind == DL_DAMAGE_UNREAD && !d->is_struck;
  size_t passed = counts ? count_client_frames(d, bytes, len) : len;
  const char *rest = bytes + passed;
  size_t rest_len = len - passed;
  len = passed;
  if (d->what.kind == DL_DAMAGE_CLOSE) watch_for_close(d, bytes, len);
  if (d->stage == FROZEN) {
    dl_buf_append(&d->to_box, bytes, len);
    if (d->to_box.len > DL_DUPLEX_HIGH) dl_duplex_read_pause(d->down);
  } else if (d->stage == PASSING && d->up != NULL) {
    if (!dl_duplex_write(d->up, bytes, len))
      over(d);
    else if (dl_duplex_queued(d->up) > DL_DUPLEX_HIGH)
      dl_duplex_read_pause(d->down);
  }
  if (counts && d->stage == PASSING && d->frames == d->what.after_frames) stop_reading(d, rest, rest_len);
}

static void on_data(dl_duplex_t *from, const char *bytes, size_t len, void *user) {
  damaged_t *d = user;
  if (from == d->up)
    from_box(d, bytes, len);
  else
    from_client(d, bytes, len);
}

/* A frozen client does not learn of the sandbox's end, and one that gets chunks gets them all. */
static void on_end(dl_duplex_t *stream, int error, void *user) {
  damaged_t *d = user;
  (void)error;
  if (stream == d->up && (d->stage == FROZEN || waiting(d) > 0)) {
    let_box_go(d);
    return;
  }
  over(d);
}

static void on_drain(dl_duplex_t *to, void *user) {
  damaged_t *d = user;
  if (d->stage != PASSING) return;
  if (to == d->up) {
    if (!d->is_unread) dl_duplex_read_resume(d->down);
  } else if (waiting(d) > 0) {
    keep_pace(d);
  } else if (d->up != NULL) {
    dl_duplex_read_resume(d->up);
  }
}

static void init_handles(damaged_t *d, uv_loop_t *loop) {
  uv_timer_init(loop, &d->timer);
  uv_timer_init(loop, &d->limit);
  uv_idle_init(loop, &d->idle);
  d->timer.data = d->limit.data = d->idle.data = d;
  d->open_handles = 3;
}

void dl_damaged_start(uv_loop_t *loop, dl_duplex_t *up, dl_duplex_t *down, const dl_damage_t *damage,
                      const dl_buf_t *unsent, void (*on_over)(void *user), void *user) {
  static const dl_duplex_events_t events = {on_data, on_end, on_drain};
  damaged_t *d = dl_xcalloc(1, sizeof *d);
  *d = (damaged_t){.what = *damage, .up = up, .down = down, .on_over = on_over, .user = user};
  dl_list_init(&d->pongs);
  dl_buf_init(&d->to_client, 3 * DL_DUPLEX_MAX);
  dl_buf_init(&d->to_box, DL_DUPLEX_MAX);
  init_handles(d, loop);
  dl_duplex_listen(down, &events, d);
  dl_duplex_listen(up, &events, d);
  dl_duplex_read_resume(up);
  if (damage->kind == DL_DAMAGE_SPLIT) {
    int one = 1;
    setsockopt(dl_duplex_wire(down), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  bool has_limit = damage->kind <= DL_DAMAGE_CLOSE;
  if (unsent->len > 0)
    from_box(d, unsent->data, unsent->len);
  else if (has_limit && damage->after_frames <= 0 && damage->after_bytes <= 0 && damage->into_bytes <= 0)
    strike(d, "", 0);
  if (damage->kind == DL_DAMAGE_UNREAD && damage->after_frames <= 0 && d->stage == PASSING)
    stop_reading(d, "", 0);
}
