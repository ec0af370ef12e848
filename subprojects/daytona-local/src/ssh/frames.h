/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream between a session of the SSH gateway and the toolbox of its sandbox: one connection per SSH channel, opened
 * with GET /ssh/channel and Upgrade: daytona-ssh, and then frames in both directions. A frame is a byte that says what it
 * is, four bytes of length (the highest first), and as many bytes of content.
 *
 *   to the toolbox     START   what is wanted: texts "name=value", each ended by NUL; the first frame, once
 *                      DATA    input, never more than was granted
 *                      END     no more input
 *                      WINDOW  the terminal's size: "COLUMNS ROWS"
 *                      SIGNAL  a signal's name without SIG
 *   to the gateway     STARTED it runs, or is connected
 *                      FAILED  it does not; the content says why. The last frame
 *                      GRANT   as many bytes more of input may come, as a decimal number; the first comes with STARTED
 *                      DATA    output
 *                      ERRORS  output of a program to standard error
 *                      END     no more output
 *                      EXIT    "code N" or "signal NAME"; output may still follow while others hold the pipes
 *
 * Names of START: kind (shell, exec, sftp or forward), command, host and port (of a forward), term, columns and rows (of
 * a terminal; without them there is none), from (the client's address and port), and env.NAME.
 *
 * Input never stops the frames behind it, because it is granted: a signal arrives although a program does not read.
 */
#ifndef DL_SSH_FRAMES_H
#define DL_SSH_FRAMES_H

#include "base/buf.h"

#define DL_SSH_PROTOCOL "daytona-ssh"
#define DL_SSH_PATH "/ssh/channel"

#define DL_SSH_HEAD 5u
/* Of the content of a frame. A command can be as long as the kernel takes one. */
#define DL_SSH_CONTENT_MAX (512u * 1024)
/* Input that is granted and not taken yet. */
#define DL_SSH_INPUT_MAX (256u * 1024)

typedef enum {
  DL_SSH_START = 'S',
  DL_SSH_STARTED = 'O',
  DL_SSH_FAILED = 'F',
  DL_SSH_GRANT = 'G',
  DL_SSH_DATA = 'D',
  DL_SSH_ERRORS = 'R',
  DL_SSH_END = 'E',
  DL_SSH_WINDOW = 'W',
  DL_SSH_SIGNAL = 'K',
  DL_SSH_EXIT = 'X'
} dl_ssh_frame_t;

void dl_ssh_write_head(char out[DL_SSH_HEAD], dl_ssh_frame_t type, size_t len);
/* False when it is none: longer than is allowed. */
bool dl_ssh_read_head(const char head[DL_SSH_HEAD], dl_ssh_frame_t *type, size_t *len);
/* False when the buffer is full. */
bool dl_ssh_append_frame(dl_buf_t *out, dl_ssh_frame_t type, const void *content, size_t len);

/* A field of START, or NULL. Borrowed from `list`, whose last byte is NUL. */
const char *dl_ssh_field(const char *list, size_t len, const char *name);
/* Appends one. False when the buffer is full. */
bool dl_ssh_append_field(dl_buf_t *list, const char *name, const char *value);

#endif
