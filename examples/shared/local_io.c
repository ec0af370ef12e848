/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams on a loop. See local_io.h.
 */
#include "local_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- descriptors ------------------------------------------------------------------------------- */

/* The same open file once more, without blocking. A socket cannot be opened again: it is shared, and
   restored. */
static int open_again(local_fd_t *self, int fd, int mode) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  self->old_flags = -1;
  self->fd = open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (self->fd >= 0) return 0;
  self->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (self->fd < 0) return -errno;
  self->old_flags = fcntl(self->fd, F_GETFL);
  fcntl(self->fd, F_SETFL, self->old_flags | O_NONBLOCK);
  return 0;
}

static int open_fd(local_fd_t *self, uv_loop_t *loop, int fd, int mode) {
  struct stat info;
  int rc;
  memset(self, 0, sizeof *self);
  self->old_flags = self->fd = -1;
  if (fstat(fd, &info) != 0) return -errno;
  self->is_file = !S_ISFIFO(info.st_mode) && !S_ISSOCK(info.st_mode) && !isatty(fd);
  if (self->is_file) {
    self->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* a file opened again would begin at its beginning */
    if (self->fd < 0) return -errno;
    rc = uv_idle_init(loop, &self->on.idle);
  } else {
    rc = open_again(self, fd, mode);
    if (rc == 0) rc = uv_poll_init(loop, &self->on.poll, self->fd);
  }
  if (rc == 0)
    self->is_open = true;
  else if (self->fd >= 0)
    close(self->fd);
  return rc;
}

static void on_fd_closed(uv_handle_t *handle) {
  local_fd_t *self = (local_fd_t *)((char *)handle - offsetof(local_fd_t, on));
  if (self->old_flags != -1) fcntl(self->fd, F_SETFL, self->old_flags);
  close(self->fd);
}

static void close_fd(local_fd_t *self) {
  if (!self->is_open) return;
  self->is_open = false;
  uv_close(&self->on.handle, on_fd_closed);
}

/* --- input ------------------------------------------------------------------------------------- */

static void watch_input(local_input_t *input);

static void read_block(local_input_t *input) {
  ssize_t got = read(input->from.fd, input->block, sizeof input->block);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    input->has_ended = true;
    watch_input(input);
  }
  input->on_bytes(input, input->block, got < 0 ? -errno : got, input->user);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events; /* an error shows in read */
  read_block(poll->data);
}

static void on_turn(uv_idle_t *idle) { read_block(idle->data); }

static void watch_input(local_input_t *input) {
  bool reads = !input->is_paused && !input->has_ended;
  if (!input->from.is_open) return;
  if (input->from.is_file && reads)
    uv_idle_start(&input->from.on.idle, on_turn);
  else if (input->from.is_file)
    uv_idle_stop(&input->from.on.idle);
  else if (reads)
    uv_poll_start(&input->from.on.poll, UV_READABLE, on_readable);
  else
    uv_poll_stop(&input->from.on.poll);
}

int local_input_open(local_input_t *input, uv_loop_t *loop, int fd, local_input_cb on_bytes, void *user) {
  int rc = open_fd(&input->from, loop, fd, O_RDONLY);
  if (rc != 0) return rc;
  input->from.on.handle.data = input;
  input->is_paused = input->has_ended = false;
  input->on_bytes = on_bytes;
  input->user = user;
  watch_input(input);
  return 0;
}

void local_input_pause(local_input_t *input) {
  input->is_paused = true;
  watch_input(input);
}

void local_input_resume(local_input_t *input) {
  input->is_paused = false;
  watch_input(input);
}

void local_input_close(local_input_t *input) { close_fd(&input->from); }

/* --- output ------------------------------------------------------------------------------------ */

/* How many bytes went, 0 if it would block; an error is noted. */
static size_t write_some(local_output_t *output, const char *bytes, size_t size) {
  ssize_t went;
  do went = write(output->to.fd, bytes, size);
  while (went < 0 && errno == EINTR);
  if (went < 0 && errno != EAGAIN) output->error = -errno;
  return went > 0 ? (size_t)went : 0;
}

static int enqueue(local_output_t *output, const char *bytes, size_t size) {
  size_t queued = output->end - output->start;
  if (output->start != 0) memmove(output->queue, output->queue + output->start, queued);
  output->start = 0;
  output->end = queued;
  if (queued + size > output->capacity) {
    size_t capacity = (queued + size) * 2;
    char *bigger = realloc(output->queue, capacity);
    if (bigger == NULL) return output->error = UV_ENOMEM;
    output->queue = bigger;
    output->capacity = capacity;
  }
  memcpy(output->queue + queued, bytes, size);
  output->end += size;
  return 0;
}

static void on_writable(uv_poll_t *poll, int status, int events) {
  local_output_t *output = poll->data;
  (void)status, (void)events;
  output->start += write_some(output, output->queue + output->start, output->end - output->start);
  if (output->start != output->end && output->error == 0) return;
  uv_poll_stop(poll);
  free(output->queue);
  output->queue = NULL;
  output->start = output->end = output->capacity = 0;
  if (output->on_drained != NULL) output->on_drained(output, output->user);
}

int local_output_open(local_output_t *output, uv_loop_t *loop, int fd, local_output_cb on_drained,
                      void *user) {
  memset(output, 0, sizeof *output);
  int rc = open_fd(&output->to, loop, fd, O_WRONLY);
  if (rc != 0) return output->error = rc;
  output->to.on.handle.data = output;
  output->on_drained = on_drained;
  output->user = user;
  return 0;
}

int local_output_write(local_output_t *output, const void *bytes, size_t size) {
  const char *from = bytes;
  if (output->error != 0) return output->error;
  if (!output->to.is_open) return output->error = UV_EBADF;
  while (size != 0 && output->queue == NULL) {
    size_t went = write_some(output, from, size);
    if (output->error != 0) return output->error;
    if (went == 0) break;
    from += went;
    size -= went;
  }
  if (size == 0) return 0;
  int rc = enqueue(output, from, size);
  return rc != 0 ? rc : uv_poll_start(&output->to.on.poll, UV_WRITABLE, on_writable);
}

size_t local_output_queued(const local_output_t *output) { return output->end - output->start; }

int local_output_error(const local_output_t *output) { return output->error; }

void local_output_close(local_output_t *output) {
  close_fd(&output->to);
  free(output->queue);
  output->queue = NULL;
  output->start = output->end = output->capacity = 0;
}
