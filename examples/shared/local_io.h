/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own standard streams on a loop: a terminal that stands still, a full pipe or a silent stdin
 * never blocks it.
 *
 * Terminals and pipes are opened a second time, so that O_NONBLOCK, which belongs to the open description and
 * not to the descriptor, stays with us: the shell and whoever else shares them would trip over it. Regular
 * files cannot be polled and never make anyone wait for long; they are read a block per turn, and written
 * directly.
 *
 * Both structs belong to the caller and must outlive the loop's run. Closing is safe at any time, also twice
 * and in callbacks; no callback comes after it.
 */
#ifndef EXAMPLES_LOCAL_IO_H
#define EXAMPLES_LOCAL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <uv.h>

enum { LOCAL_BLOCK = 32 * 1024 };

/* What both directions need. */
typedef struct local_fd {
  int fd;
  int old_flags; /* to be restored; -1: the descriptor is our own */
  bool is_file, is_open;
  union {
    uv_handle_t handle;
    uv_poll_t poll;
    uv_idle_t idle;
  } on;
} local_fd_t;

typedef struct local_input local_input_t;

/* Bytes came; or, with a size of 0, the end; or, with a negative one, an error of libuv, which is an end as
   well. */
typedef void (*local_input_cb)(local_input_t *input, const char *bytes, ssize_t size, void *user);

struct local_input {
  local_fd_t from;
  bool is_paused, has_ended;
  local_input_cb on_bytes;
  void *user;
  char block[LOCAL_BLOCK];
};

/* Begin to read `fd`. 0 or an error of libuv. */
int local_input_open(local_input_t *input, uv_loop_t *loop, int fd, local_input_cb on_bytes, void *user);
void local_input_pause(local_input_t *input);
void local_input_resume(local_input_t *input);
void local_input_close(local_input_t *input);

typedef struct local_output local_output_t;

/* Everything has been written, or nothing more will be (see local_output_error). */
typedef void (*local_output_cb)(local_output_t *output, void *user);

struct local_output {
  local_fd_t to;
  int error;
  char *queue;
  size_t start, end, capacity;
  local_output_cb on_drained;
  void *user;
};

int local_output_open(local_output_t *output, uv_loop_t *loop, int fd, local_output_cb on_drained,
                      void *user);
/* Write, or queue what cannot be written yet; `on_drained` comes if something was queued. There is no limit:
   look at local_output_queued() and stop the source. 0 or an error of libuv, which stays. */
int local_output_write(local_output_t *output, const void *bytes, size_t size);
size_t local_output_queued(const local_output_t *output);
int local_output_error(const local_output_t *output);
void local_output_close(local_output_t *output); /* what is queued is dropped */

#endif
