/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of the terminal example: its size over there is that over here, and it is left alone while we are suspended.
 */
#include "terminal.h"

#include <signal.h>

#include "shared/tty.h"

enum { SIDE_MAX = 1000 };

void window_read(int *cols, int *rows) { tty_read_size(cols, rows, SIDE_MAX); }

static void on_resized(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  self->is_resizing = false;
  if (daytona_future_error(future) == NULL) window_follow(self); /* it may have changed again */
}

/* One change at a time, so that the last size is the one that stays. */
void window_follow(terminal_t *self) {
  int cols, rows;
  window_read(&cols, &rows);
  if (self->pty == NULL || self->is_ending || self->is_resizing || (cols == self->cols && rows == self->rows))
    return;
  self->cols = cols;
  self->rows = rows;
  self->is_resizing = true;
  daytona_future_then(
    daytona_pty_resize(self->stage.box.sandbox, daytona_pty_id(self->pty), cols, rows, NULL), on_resized,
    self);
}

static void on_winch(uv_signal_t *handle, int number) {
  (void)number;
  window_follow(handle->data);
}

void window_suspend(terminal_t *self) {
  tty_suspend();
  window_follow(self);
}

static void on_stop(uv_signal_t *handle, int number) {
  (void)number;
  window_suspend(handle->data);
}

static void open_signal(terminal_t *self, uv_signal_t *handle, int number, uv_signal_cb on_signal) {
  uv_signal_init(uv_default_loop(), handle);
  handle->data = self;
  uv_signal_start(handle, on_signal, number);
  uv_unref((uv_handle_t *)handle);
}

void window_open(terminal_t *self) {
  open_signal(self, &self->winch, SIGWINCH, on_winch);
  open_signal(self, &self->stop, SIGTSTP, on_stop);
}

void window_close(terminal_t *self) {
  uv_close((uv_handle_t *)&self->winch, NULL);
  uv_close((uv_handle_t *)&self->stop, NULL);
}
