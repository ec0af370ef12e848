/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that works in one sandbox, prints what a stream of it delivers, and cleans up whatever ends it: the client, the
 * sandbox, its own streams and the signals, and the order in which they come and go.
 */
#ifndef EXAMPLES_STAGE_H
#define EXAMPLES_STAGE_H

#include "box.h"
#include "ending.h"
#include "printer.h"

typedef struct stage_events {
  void (*on_opened)(void *user);             /* the sandbox is there */
  void (*on_signal)(int number, void *user); /* one of ending.h, at any time */
  void (*on_written)(void *user);            /* see printer.h */
  /* There is no sandbox, or nobody takes the output: end with this status. `is_hasty`: what is not written yet is dropped. */
  void (*end)(void *user, int status, bool is_hasty);
  void (*on_left)(void *user); /* the sandbox was left: close what is your own on the loop. NULL: nothing */
} stage_events_t;

/* Yours. The first four fields are set before stage_run(), the others are there when on_opened comes. */
typedef struct stage {
  const char *program; /* in front of messages */
  const char *sandbox; /* id or name; NULL: a fresh one, */
  bool keeps;          /* which is not deleted afterwards */
  int failed;          /* the exit code when there is no client or sandbox */
  uv_loop_t *loop;
  daytona_client_t *client;
  box_t box;
  printer_t printer;
  ending_t ending;
  char message[512]; /* for the end: see stage_leave() */
  int status;        /* the exit code */
  const stage_events_t *events;
  void *user;
} stage_t;

/* Returns the exit code, after everything has been left and closed. */
int stage_run(stage_t *stage, const stage_events_t *events, void *user);

/* Set the message: the name of the program, and this. */
void stage_say(stage_t *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What was made in the sandbox goes with it. */
bool stage_deletes_sandbox(const stage_t *stage);

/* Print the message, if there is one, on stderr. */
void stage_print_message(const stage_t *stage);

/* Leave the sandbox, then close everything, which ends stage_run(). */
void stage_leave(stage_t *stage);

/* Leave without waiting for anything: what is pending fails, what must be deleted may stay. */
void stage_abandon(stage_t *stage, int status);

#endif
