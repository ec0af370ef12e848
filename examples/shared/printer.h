/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a program prints what a stream of a sandbox delivers: its own stdout and stderr. A reader that does not take it pauses
 * the stream, so that memory stays bounded and the loop is never blocked.
 */
#ifndef EXAMPLES_PRINTER_H
#define EXAMPLES_PRINTER_H

#include <daytona/daytona.h>

#include "local_io.h"

/* Yours; it must outlive the loop's run. */
typedef struct printer {
  local_output_t out, err;
  daytona_future_t *stream; /* set by you: what is paused; NULL: nothing */
  bool is_held;
  /* `rc` is an error of libuv: UV_EPIPE when the reader went away. */
  void (*on_failed)(int rc, bool is_stderr, void *user);
  void (*on_written)(void *user); /* everything has been written that could not be at once */
  void *user;
} printer_t;

/* The fields on_failed, on_written and user are set before. What goes wrong is reported when something is printed. */
void printer_open(printer_t *printer, uv_loop_t *loop);
void printer_print(printer_t *printer, bool is_stderr, const void *bytes, size_t size);
/* The callback of a stream whose user is a printer. */
void printer_on_output(const daytona_output_t *output, void *printer);
bool printer_is_empty(const printer_t *printer);
void printer_close(printer_t *printer); /* what has not been written is dropped */

#endif
