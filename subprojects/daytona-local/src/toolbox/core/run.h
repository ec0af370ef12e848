/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program from start to end, with its input given and its output collected.
 */
#ifndef DL_RUN_H
#define DL_RUN_H

#include "toolbox/core/toolbox.h"

typedef struct {
  /* Errno of a start that failed; then nothing else is meaningful. */
  int start_error;
  bool timed_out;
  int status; /* wait(2) status */
  const char *output;
  size_t output_len;
  const char *errors; /* standard error, where it was asked for apart; "" otherwise */
  size_t errors_len;
  bool is_truncated; /* there was more than DL_TB_OUTPUT_MAX */
} dl_run_result_t;

typedef void (*dl_run_cb)(void *user, const dl_run_result_t *result);

typedef struct {
  const char *file;
  char *const *argv;
  const dl_environ_t *environment;
  const char *cwd;
  const char *input; /* given on standard input, through a pipe; copied */
  size_t input_len;
  uint32_t timeout_s; /* 0: none */
  bool splits_errors; /* standard error into a pipe of its own */
  bool is_ours;       /* as of dl_process_opts_t */
} dl_run_opts_t;

/* stdout and stderr go into one pipe, in the order written, unless split. Reports once, never inside the call.
 * The end is the program's exit with the pipe closed by everybody, or DL_RUN_HOLD_MS after the
 * exit while others still hold the pipe, or the timeout: then everything started is killed. */
#define DL_RUN_HOLD_MS 30000
typedef struct dl_run dl_run_t;
/* What it returns is for dl_run_cancel, and ends with the report. */
dl_run_t *dl_run(dl_toolbox_t *tb, const dl_run_opts_t *opts, dl_run_cb cb, void *user);
/* Kills everything that it has started. There is no report then. */
void dl_run_cancel(dl_run_t *r);

/* 0..255, 128 + number for a signal. */
int dl_run_exit_code(const dl_run_result_t *result);

#endif
