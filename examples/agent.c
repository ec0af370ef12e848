/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of an agent: upload a program, run it, look at the result, get the next version, until one works.
 *
 *   daytona-local run -- agent                     versions that it brings along
 *   agent --expect 42 first.py second.py           versions of yours, in turn
 *   agent --fix ./ask-a-model --output good.py bad.py     a command here writes the next version
 *
 * What is worth a look: nothing that a program does harms this one. Its time is bounded by the follow of its log, its output
 * by what is taken of that before it is cancelled; deleting the session ends everything that it has started. Its output is
 * shown without control characters.
 */
#include "agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/ending.h"
#include "shared/options.h"
#include "shared/steps.h"

enum { SHOWN = 240, CALL_MS = 30 * 1000 };

static const char usage[] =
  "usage: agent [OPTIONS] [PROGRAM [NEXT...]]\n"
  "Runs PROGRAM in a sandbox; while it fails, NEXT and what --fix writes. A version works when its exit\n"
  "code is 0 and it prints what --expect says. Without PROGRAM there is an example. Exit code: 0 when a\n"
  "version worked, 1 when none did, 130 after Ctrl-C, which stops the program and deletes the sandbox;\n"
  "a second one leaves at once.\n";

static const char *const examples[] = {
  "print(sum(n for n in range(2, 30) if is_prime(n)))\n",
  ("def is_prime(n):\n"
   "    d = 2\n"
   "    while n % d: pass\n"
   "    return d == n\n"
   "print(sum(n for n in range(2, 30) if is_prime(n)))\n"),
  ("def is_prime(n):\n"
   "    while True: print('is it', n, '?')\n"
   "print(sum(n for n in range(2, 30) if is_prime(n)))\n"),
  ("def is_prime(n): return all(n % d for d in range(2, n))\n"
   "print(sum(n for n in range(2, 30) if is_prime(n)))\n"),
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

typedef struct agent {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  daytona_future_t *current;    /* that is waited for */
  bool is_interrupted, is_over; /* by `signal`; more output than it may have */
  int signal;
  text_t program, output;
  char outcome[256];
  /* what was asked for */
  const char *command, *fix, *expect, *save;
  char **files;
  int file_count, attempts, timeout_s, limit_kib;
} agent_t;

/* --- waiting ----------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int signal) {
  agent_t *self = handle->data;
  if (self->is_interrupted && signal == SIGHUP)
    return; /* that the terminal is gone shows in more than one way */
  if (self->is_interrupted) {
    const char *id = daytona_sandbox_id(self->sandbox);
    fprintf(stderr, "agent: may be left: %s\n", id != NULL ? id : "a sandbox that is being created");
    _exit(128 + signal);
  }
  self->is_interrupted = true;
  self->signal = signal;
  daytona_future_cancel(self->current);
}

/* False: it has failed; `outcome` says why. */
static bool finishes(agent_t *self, daytona_future_t *future) {
  self->current = future;
  if (self->is_interrupted) daytona_future_cancel(future);
  bool ok = daytona_future_await(future) == DAYTONA_OK;
  self->current = NULL;
  if (!ok) snprintf(self->outcome, sizeof self->outcome, "%s", daytona_future_message(future));
  return ok;
}

static bool does(agent_t *self, daytona_future_t *future) {
  bool ok = finishes(self, future);
  daytona_future_release(future);
  return ok;
}

/* --- a run ------------------------------------------------------------------------------------- */

static void on_output(const daytona_output_t *output, void *user) {
  agent_t *self = user;
  size_t room = (size_t)self->limit_kib * 1024 - self->output.size;
  size_t taken = output->size < room ? output->size : room;
  memcpy(self->output.bytes + self->output.size, output->bytes, taken);
  self->output.size += taken;
  self->output.bytes[self->output.size] = '\0';
  if (taken == output->size) return;
  self->is_over = true;
  daytona_future_cancel(output->future);
}

/* Whether it has worked, from what the follow has ended with. */
static bool judge(agent_t *self, const daytona_stream_end_t *end) {
  if (self->is_over) {
    snprintf(self->outcome, sizeof self->outcome, "more than %d KiB of output", self->limit_kib);
  } else if (end != NULL && end->reason == DAYTONA_STREAM_TIMEOUT) {
    snprintf(self->outcome, sizeof self->outcome, "not done within %d s", self->timeout_s);
  } else if (end != NULL && end->has_exit_code) {
    bool has_text = self->expect == NULL || text_has(&self->output, self->expect);
    snprintf(self->outcome, sizeof self->outcome, "exit code %d%s", end->exit_code,
             has_text ? "" : ", without the text that was expected");
    return end->exit_code == 0 && has_text;
  } else if (end != NULL) {
    snprintf(self->outcome, sizeof self->outcome, "%s", end->message);
  }
  return false;
}

static bool follow(agent_t *self, const char *session) {
  const daytona_session_exec_opts_t opts = {.run_async = true, .timeout_ms = CALL_MS};
  const daytona_session_follow_opts_t limits = {.on_stdout = on_output,
                                                .on_stderr = on_output,
                                                .user = self,
                                                .timeout_ms = self->timeout_s * INT64_C(1000)};
  bool ok = false;
  daytona_future_t *started = daytona_session_exec(self->sandbox, session, self->command, &opts);
  if (finishes(self, started)) {
    const char *id = daytona_future_session_exec_result(started)->command_id;
    daytona_future_t *future = daytona_session_follow(self->sandbox, session, id, &limits);
    finishes(self, future);
    ok = judge(self, daytona_future_stream_end(future));
    daytona_future_release(future);
  }
  daytona_future_release(started);
  return ok;
}

/* Upload and run the version. Whether it works; `outcome` says how it has ended. */
static bool attempt(agent_t *self, int number) {
  char session[32];
  snprintf(session, sizeof session, "attempt-%d", number);
  self->output.size = 0;
  self->output.bytes[0] = '\0';
  self->is_over = false;
  if (!does(self, daytona_fs_upload(self->sandbox, self->program.bytes, self->program.size,
                                    "/tmp/agent/program", NULL)) ||
      !does(self, daytona_session_create(self->sandbox, session, NULL)))
    return false;
  bool ok = follow(self, session);
  /* Also after an interruption, and before the next version is there: nothing of this one is left running. */
  return is_done(daytona_session_delete(self->sandbox, session, NULL)) && ok;
}

/* The end of its output, indented. */
static void show(const agent_t *self, int number) {
  size_t from = self->output.size > SHOWN ? self->output.size - SHOWN : 0;
  bool is_begin = true;
  printf("version %d: %s\n", number, self->outcome);
  if (from > 0) printf("  | (%zu bytes before)\n", from);
  for (size_t i = from; i < self->output.size; i++) {
    unsigned char c = (unsigned char)self->output.bytes[i];
    if (is_begin) fputs("  | ", stdout);
    is_begin = c == '\n';
    putchar(is_begin || (c >= 0x20 && c < 0x7f) ? c : '?');
  }
  if (!is_begin) putchar('\n');
  fflush(stdout);
}

/* --- the loop ---------------------------------------------------------------------------------- */

/* Version `number`, from 1. False: there is none. */
static bool next_version(agent_t *self, int number) {
  text_t next = {0};
  if (number > self->attempts || self->is_interrupted) return false;
  if (self->file_count == 0 && self->fix == NULL && number <= EXAMPLES)
    next = text_copy(examples[number - 1]);
  else if (number <= self->file_count)
    next = text_of_file(self->files[number - 1]);
  else if (self->fix != NULL && number > 1)
    next = next_by_command(daytona_client_loop(self->client), self->fix, self->outcome, &self->output,
                           &self->program, &self->is_interrupted);
  text_clear(&self->program);
  self->program = next;
  return next.bytes != NULL;
}

static bool improve(agent_t *self) {
  bool ok = false;
  for (int number = 1; !ok && next_version(self, number); number++) {
    ok = attempt(self, number);
    show(self, number);
  }
  return ok;
}

/* A create is not cancelled: what it makes is to be deleted. */
static int perform(agent_t *self) {
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  ending_t ending;
  self->client = open_client();
  ending_open(&ending, daytona_client_loop(self->client), on_signal, self);
  self->sandbox = take_sandbox(daytona_sandbox_create(self->client, &opts));
  bool ok = self->sandbox != NULL && improve(self);
  if (ok && self->save != NULL) ok = text_write(&self->program, self->save);
  ok = discard(self->sandbox) && ok;
  ending_close(&ending);
  ok = close_client(self->client) && ok;
  return self->is_interrupted ? 128 + self->signal : ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  agent_t self = {.attempts = 10, .timeout_s = 10, .limit_kib = 64};
  const char *run = "python3 program";
  char command[4096];
  const option_row_t rows[] = {
    {'r', "run", "COMMAND", "how to run it, where it is called program (default: python3 program)",
     .text = &run},
    {'f', "fix", "COMMAND", "local; gets outcome, output and program, writes the next version",
     .text = &self.fix},
    {'e', "expect", "TEXT", "that a version which works prints", .text = &self.expect},
    {'o', "output", "FILE", "write the version that works there", .text = &self.save},
    {'n', "attempts", "N", "versions at most (default 10)", .number = &self.attempts, .least = 1,
     .most = 1000},
    {'t', "timeout", "SECONDS", "for each (default 10)", .number = &self.timeout_s, .least = 1,
     .most = 86400},
    {'l', "limit", "KIB", "of output for each (default 64)", .number = &self.limit_kib, .least = 1,
     .most = 65536},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  self.files = argv + first;
  self.file_count = argc - first;
  if (self.file_count == 0 && self.fix != NULL) refuse_arguments(usage, "--fix: of which PROGRAM?");
  if (snprintf(command, sizeof command, "( cd /tmp/agent && %s\n) </dev/null", run) >= (int)sizeof command)
    refuse_arguments(usage, "--run: too long");
  self.command = command;
  self.output.bytes = malloc((size_t)self.limit_kib * 1024 + 1);
  int status = self.output.bytes != NULL ? perform(&self) : EXIT_FAILURE;
  text_clear(&self.output);
  text_clear(&self.program);
  return status;
}
