/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of orchestrate share: a run has jobs, which slots take one after the other, and a view that shows it.
 */
#ifndef EXAMPLES_ORCHESTRATE_H
#define EXAMPLES_ORCHESTRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "shared/ending.h"
#include "shared/local_io.h"

typedef enum phase { IDLE, CREATING, RUNNING, DELETING, PAUSING, PHASES } phase_t;
enum { PROBLEM_MAX = 256 };

/* The label of the sandboxes; its value is the run's. */
#define RUN_LABEL "orchestrate"

typedef struct run run_t;

/* A job in work. A slot has at most one sandbox at a time. */
typedef struct slot {
  run_t *run;
  phase_t phase;
  size_t job; /* its index */
  int tries, delete_tries;
  uint64_t began_ms;
  daytona_sandbox_t *sandbox;
  daytona_future_t *exec; /* of the command that runs */
  uv_timer_t pause;       /* before a further try */
  bool is_ok, is_final;   /* of the last try; final: a further one would not help */
  bool is_interrupted;    /* it is over because the run is stopped */
  char problem[PROBLEM_MAX];
} slot_t;

/* What a person sees. Lines are collected, and written with the table of a terminal, or at once where there is none. */
typedef struct view {
  local_output_t out;
  bool is_terminal, is_closing;
  uv_timer_t tick;
  FILE *lines; /* into `text` */
  char *text;
  size_t size;
  int drawn; /* lines of the table on the terminal */
} view_t;

struct run {
  uv_loop_t *loop;
  daytona_client_t *client;
  char **jobs;
  size_t job_count, next;
  slot_t *slots;
  int slot_count, busy;
  size_t ok, failed, interrupted, again, left;
  uint64_t began_ms;
  bool is_stopping, has_ended;
  int signal; /* that stops it */
  ending_t ending;
  view_t view;
  daytona_client_stats_t stats; /* at the end */
  /* what was asked for */
  const char *label, *snapshot, *folder;
  int retries, timeout_s;
};

extern const char *const phase_names[PHASES];

/* Open the view. 0 or an error of libuv. */
int view_open(run_t *run);
/* A try, or the job, of the slot is over. */
void view_again(run_t *run, const slot_t *slot);
void view_ended(run_t *run, const slot_t *slot);
/* A line of the program itself. */
__attribute__((format(printf, 2, 3))) void view_say(run_t *run, const char *format, ...);
/* Write the summary, and close when all has been written. */
void view_close(run_t *run);

/* Give each slot its first job. `run` has a client, an open view, and slots that are all zero. */
void run_start(run_t *run);
/* Stop: no further job is begun, commands are given up, sandboxes deleted. Again has no effect. */
void run_stop(run_t *run);

#endif
