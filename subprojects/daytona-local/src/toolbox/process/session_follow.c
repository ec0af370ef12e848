/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a log. A follower reads the log's file from the beginning at its client's pace, so a slow
 * client costs nothing and loses nothing. At the end of the file it sleeps until the log
 * grows or the command ends.
 *
 * Messages of a marked log end within text where there is any: the official SDKs take a marker at the
 * end of a message for text, and what follows for the stream before.
 */
#include "toolbox/core/reply.h"
#include "toolbox/core/websocket.h"
#include "toolbox/process/session.h"
#include "toolbox/process/session_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX 1024 /* the platform's */
#define BLOCK (16u * 1024)
#define BLOCKS_PER_TURN 16
/* A client has nothing to say. */
#define CLIENT_MESSAGE_MAX (64u * 1024)

typedef struct {
  dl_list_t link;
  int fd;
  bool is_stripped, is_over; /* over: the end of the file is the end of the log */
  dl_demux_t demux;
  dl_buf_t out; /* stripped bytes that were not sent yet */
  size_t out_at;
  dl_ws_t *ws;
  dl_req_t *req;
  uv_timer_t again; /* of a socket: go on in another turn */
} follower_t;

static follower_t *new_follower(dl_command_t *c, dl_req_t *req) {
  char *path = dl_xprintf("%s/output.log", c->dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  free(path);
  if (fd < 0) {
    if (errno == EACCES)
      dl_tb_reply_error(req, 403, "the log may not be read");
    else
      dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "log not found");
    return NULL;
  }
  follower_t *f = dl_xcalloc(1, sizeof *f);
  f->fd = fd;
  f->req = req;
  f->is_over = c->state == DL_COMMAND_DONE || c->state == DL_COMMAND_LOST;
  dl_list_init(&f->link);
  dl_buf_init(&f->out, BLOCK + 4);
  return f;
}

static void free_follower(follower_t *f) {
  assert(f->out_at <= f->out.len && f->ws == NULL);
  dl_list_unlink(&f->link);
  close(f->fd);
  dl_buf_clear(&f->out);
  free(f);
}

/* How many of the last bytes could belong to a marker, if there are others before them; else none. */
static size_t count_marks_at_end(const char *bytes, size_t len) {
  size_t count = 0;
  while (count < 3 && count < len && (bytes[len - 1 - count] == 1 || bytes[len - 1 - count] == 2)) count++;
  return count < len ? count : 0;
}

/* Fills `out` when it is empty. False: nothing more for now. */
static bool refill(follower_t *f) {
  char block[BLOCK];
  dl_buf_t *const all[3] = {&f->out, &f->out, &f->out};
  if (f->out_at < f->out.len) return true;
  dl_buf_reset(&f->out);
  f->out_at = 0;
  while (f->out.len == 0) { /* a block may be markers only */
    ssize_t got = read(f->fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (f->is_over) dl_demux_end(&f->demux, all);
      return f->out.len > 0;
    }
    if (f->is_stripped) {
      dl_demux_feed(&f->demux, block, (size_t)got, all);
      continue;
    }
    size_t left = count_marks_at_end(block, (size_t)got);
    if (left > 0 && lseek(f->fd, -(off_t)left, SEEK_CUR) < 0) left = 0; /* read again with what follows */
    dl_buf_append(&f->out, block, (size_t)got - left);
  }
  return true;
}

/* --- over a socket --- */

static void on_timer_closed(uv_handle_t *handle) { free_follower(handle->data); }

static void end_socket(follower_t *f) {
  dl_list_unlink(&f->link);
  f->ws = NULL;
  if (!uv_is_closing((uv_handle_t *)&f->again)) uv_close((uv_handle_t *)&f->again, on_timer_closed);
}

static void on_again(uv_timer_t *timer);

static void send_more(follower_t *f) {
  if (f->ws == NULL) return;
  for (int i = 0; i < BLOCKS_PER_TURN; i++) {
    if (!dl_ws_is_idle(f->ws)) return; /* on_drain continues */
    if (!refill(f)) {
      if (!f->is_over) return;
      dl_ws_close(f->ws, DL_WS_NORMAL, "");
      end_socket(f);
      return;
    }
    while (f->out_at < f->out.len) {
      size_t len = f->out.len - f->out_at;
      if (len > MESSAGE_MAX) {
        len = MESSAGE_MAX;
        if (!f->is_stripped) len -= count_marks_at_end(f->out.data + f->out_at, len);
      }
      if (!dl_ws_send(f->ws, DL_WS_BINARY, f->out.data + f->out_at, len)) {
        end_socket(f);
        return;
      }
      f->out_at += len;
    }
  }
  uv_timer_start(&f->again, on_again, 0, 0);
}

static void on_again(uv_timer_t *timer) { send_more(timer->data); }

static void on_open(dl_ws_t *ws, void *user) {
  follower_t *f = user;
  if (ws == NULL) {
    end_socket(f);
    return;
  }
  f->ws = ws;
  send_more(f);
}

static void on_drain(dl_ws_t *ws, void *user) {
  (void)ws;
  send_more(user);
}

static void on_end(dl_ws_t *ws, void *user) {
  (void)ws;
  end_socket(user);
}

void dl_command_follow_socket(dl_command_t *c, dl_req_t *req, dl_log_view_t view, bool is_following) {
  static const dl_ws_events_t events = {.on_open = on_open, .on_drain = on_drain, .on_end = on_end};
  static const dl_ws_opts_t opts = {CLIENT_MESSAGE_MAX, 2 * BLOCK / MESSAGE_MAX};
  follower_t *f = new_follower(c, req);
  if (f == NULL) return;
  f->is_stripped = view == DL_LOG_VIEW_STRIPPED;
  f->is_over = f->is_over || !is_following;
  uv_timer_init(c->session->tb->loop, &f->again);
  f->again.data = f;
  dl_list_push(&c->followers, &f->link);
  if (!dl_ws_accept(c->session->tb, req, &opts, &events, f)) end_socket(f);
}

/* --- as a body --- */

static ssize_t on_pull(void *user, char *out, size_t max) {
  follower_t *f = user;
  if (!refill(f)) return f->is_over ? DL_PULL_END : DL_PULL_LATER;
  size_t len = f->out.len - f->out_at;
  if (len > max) len = max;
  memcpy(out, f->out.data + f->out_at, len);
  f->out_at += len;
  return (ssize_t)len;
}

static void on_pull_closed(void *user, bool is_complete) {
  (void)is_complete;
  free_follower(user);
}

void dl_command_follow_stream(dl_command_t *c, dl_req_t *req) {
  static const dl_pull_events_t events = {on_pull, on_pull_closed};
  follower_t *f = new_follower(c, req);
  if (f == NULL) return;
  f->is_stripped = true;
  dl_list_push(&c->followers, &f->link);
  dl_tb_add_request_id(req);
  dl_req_add_header(req, "Content-Type", "application/octet-stream");
  dl_reply_stream(req, 200, -1, &events, f);
}

/* --- the command's side --- */

static void wake(follower_t *f) {
  /* Always in a turn of its own: a socket that ends must not change the list that is walked. */
  if (f->ws != NULL)
    uv_timer_start(&f->again, on_again, 0, 0);
  else if (f->again.data == NULL)
    dl_reply_wake(f->req);
}

void dl_command_wake(dl_command_t *c) {
  DL_LIST_EACH_SAFE(&c->followers, node, after) wake(DL_CONTAINER(node, follower_t, link));
}

void dl_command_release_followers(dl_command_t *c) {
  while (!dl_list_empty(&c->followers)) {
    follower_t *f = DL_CONTAINER(c->followers.next, follower_t, link);
    dl_list_unlink(&f->link);
    f->is_over = true;
    wake(f);
  }
}
