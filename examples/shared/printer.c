/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output of a stream. See printer.h.
 */
#include "printer.h"

#include <unistd.h>

enum { QUEUED_MAX = 256 * 1024 };

static void on_written(local_output_t *output, void *user) {
  printer_t *printer = user;
  (void)output;
  if (!printer_is_empty(printer)) return;
  if (printer->is_held) daytona_future_resume(printer->stream);
  printer->is_held = false;
  printer->on_written(printer->user);
}

void printer_open(printer_t *printer, uv_loop_t *loop) {
  local_output_open(&printer->out, loop, STDOUT_FILENO, on_written, printer);
  local_output_open(&printer->err, loop, STDERR_FILENO, on_written, printer);
}

void printer_print(printer_t *printer, bool is_stderr, const void *bytes, size_t size) {
  local_output_t *to = is_stderr ? &printer->err : &printer->out;
  int rc = local_output_write(to, bytes, size);
  if (rc != 0) {
    printer->on_failed(rc, is_stderr, printer->user);
  } else if (local_output_queued(to) > QUEUED_MAX && printer->stream != NULL) {
    printer->is_held = true;
    daytona_future_pause(printer->stream);
  }
}

void printer_on_output(const daytona_output_t *output, void *printer) {
  printer_print(printer, output->stream == DAYTONA_OUTPUT_STDERR, output->bytes, output->size);
}

bool printer_is_empty(const printer_t *printer) {
  return local_output_queued(&printer->out) == 0 && local_output_queued(&printer->err) == 0;
}

void printer_close(printer_t *printer) {
  local_output_close(&printer->out);
  local_output_close(&printer->err);
}
