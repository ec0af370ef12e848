/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long build in a sandbox, followed from here: its stdout and stderr come out of this program's, and its
 * exit code is this program's.
 *
 *   daytona-local run -- follow                       a small made-up build
 *   daytona-local run -- follow -- make -j4           a command of yours, in a fresh sandbox
 *   follow --sandbox mine 'cd src && make 2>&1'       shell text, in a sandbox of yours
 *
 * What is worth a look: the command runs in a session, which goes on when the connection breaks; the follow
 * resumes by itself, so there is no code for that here. Output is no faster than its reader: a paused follow
 * leaves the log on the sandbox's disk. Deleting the session stops the build.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/script.h"
#include "shared/stage.h"

enum { TIMED_OUT = 124, FAILED = 255 };

static const daytona_call_opts_t delete_opts = {.timeout_ms = 20 * 1000};

static const char usage[] =
  "usage: follow [OPTIONS] [--] [COMMAND [ARGUMENT...]]\n"
  "Run a command in a session of a sandbox and follow its log. One COMMAND alone is shell text;\n"
  "with arguments each word is passed as it is. Without a command a small demonstration runs.\n"
  "The exit code is the command's; 124 after a timeout, 255 when it is not known.\n"
  "Ctrl-C stops the command; a second one leaves at once.\n";

static const char demonstration[] =
  "for part in parser engine tools tests; do\n"
  "  echo \"building $part\"; sleep 1\n"
  "  if [ $part = engine ]; then echo 'engine.c:42: warning: this is a demonstration' >&2; fi\n"
  "  for i in 1 2 3; do echo \"  $part-$i.o\"; sleep 0.2; done\n"
  "done\n"
  "echo done";

typedef struct build {
  stage_t stage;
  char session[64];
  daytona_future_t *follow;
  uint64_t began_ns;
  /* what was asked for */
  const char *cwd;
  option_pairs_t env;
  char **words;
  int word_count;
  int64_t timeout_ms;
  bool is_quiet;
  /* the end */
  bool is_starting; /* the session is being made, or the command started */
  bool has_session; /* and it is to be deleted */
  bool is_stopping; /* it is being deleted, which ends the follow */
  bool is_ending, is_leaving;
} build_t;

/* --- the end ----------------------------------------------------------------------------------- */

static void on_session_gone(daytona_future_t *future, void *user) {
  build_t *self = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (error != NULL && error->code != DAYTONA_ECLOSED) fprintf(stderr, "follow: %s\n", error->message);
  stage_leave(&self->stage);
}

/* All output is out, or given up. What we made over there goes: the sandbox, or else the session. */
static void leave(build_t *self) {
  bool deletes_sandbox = stage_deletes_sandbox(&self->stage);
  if (self->is_leaving || (self->is_starting && !deletes_sandbox))
    return; /* what is being started must go as well */
  self->is_leaving = true;
  stage_print_message(&self->stage);
  if (self->has_session && !deletes_sandbox)
    daytona_future_then(daytona_session_delete(self->stage.box.sandbox, self->session, &delete_opts),
                        on_session_gone, self);
  else
    stage_leave(&self->stage);
}

static void end(void *user, int status, bool is_hasty) {
  build_t *self = user;
  if (!self->is_ending) {
    self->is_ending = true;
    self->stage.status = status;
    daytona_future_cancel(self->follow);
    daytona_future_release(self->follow);
    self->follow = self->stage.printer.stream = NULL;
  }
  if (is_hasty || printer_is_empty(&self->stage.printer)) leave(self);
}

static void end_with(build_t *self, const char *problem) {
  stage_say(&self->stage, "%s", problem);
  end(self, FAILED, false);
}

static void on_written(void *user) {
  if (((build_t *)user)->is_ending) leave(user);
}

static int exit_code_of(const build_t *self, const daytona_stream_end_t *outcome) {
  if (self->is_stopping) return self->stage.status;
  if (outcome->reason == DAYTONA_STREAM_TIMEOUT) return TIMED_OUT;
  return outcome->has_exit_code && outcome->exit_code >= 0 ? outcome->exit_code
         : outcome->reason == DAYTONA_STREAM_KILLED        ? 128 + SIGKILL
                                                           : FAILED;
}

static void on_outcome(daytona_future_t *future, void *user) {
  build_t *self = user;
  const daytona_stream_end_t *outcome = daytona_future_stream_end(future);
  char what[256], resumed[64] = "";
  if (self->is_ending) return;
  if (outcome == NULL) {
    end_with(self, daytona_future_message(future));
    return;
  }
  if (outcome->reason == DAYTONA_STREAM_EXITED)
    snprintf(what, sizeof what, "exited with %d", outcome->exit_code);
  else
    snprintf(what, sizeof what, "%s (%s)", daytona_stream_reason_text(outcome->reason), outcome->message);
  if (outcome->resumed_count != 0)
    snprintf(resumed, sizeof resumed, "; connections lost and made up for: %u",
             (unsigned)outcome->resumed_count);
  if (!self->is_quiet || outcome->reason != DAYTONA_STREAM_EXITED || outcome->has_gap)
    stage_say(&self->stage, "%s after %.1f s, %llu bytes%s%s", what,
              (double)(uv_hrtime() - self->began_ns) / 1e9, (unsigned long long)outcome->received_bytes,
              resumed, outcome->has_gap ? "; OUTPUT IS MISSING" : "");
  if (self->is_stopping) self->has_session = false; /* its end is what ended the follow */
  end(self, exit_code_of(self, outcome), false);
}

/* Usually the follow's outcome is there first. */
static void on_stopped(daytona_future_t *future, void *user) {
  build_t *self = user;
  if (daytona_future_error(future) != NULL) end_with(self, daytona_future_message(future));
}

static void on_signal(int number, void *user) {
  build_t *self = user;
  bool is_first = !self->is_stopping && !self->is_ending;
  if (number == SIGHUP && !is_first) return; /* that the terminal is gone shows in more than one way */
  self->stage.status = 128 + number;
  if (!is_first) { /* the user does not want to wait */
    stage_abandon(&self->stage, 128 + number);
    end(self, 128 + number, true);
  } else if (self->follow == NULL) {
    end(self, 128 + number, true);
  } else {
    self->is_stopping = true;
    fprintf(stderr, "follow: stopping the command\n");
    daytona_future_then(daytona_session_delete(self->stage.box.sandbox, self->session, &delete_opts),
                        on_stopped, self);
  }
}

/* --- the command ------------------------------------------------------------------------------- */

static void on_started(daytona_future_t *future, void *user) {
  build_t *self = user;
  const daytona_session_exec_result_t *started = daytona_future_session_exec_result(future);
  daytona_session_follow_opts_t opts = {.on_stdout = printer_on_output,
                                        .on_stderr = printer_on_output,
                                        .user = &self->stage.printer,
                                        .timeout_ms = self->timeout_ms};
  self->is_starting = false;
  if (self->is_ending) {
    leave(self); /* a signal came meanwhile */
  } else if (started == NULL) {
    end_with(self, daytona_future_message(future));
  } else {
    self->began_ns = uv_hrtime();
    self->follow = daytona_session_follow(self->stage.box.sandbox, self->session, started->command_id, &opts);
    self->stage.printer.stream = self->follow;
    daytona_future_on_settled(self->follow, on_outcome, self);
  }
}

static void on_session(daytona_future_t *future, void *user) {
  build_t *self = user;
  daytona_session_exec_opts_t opts = {.run_async = true};
  self->has_session = daytona_future_error(future) == NULL;
  char *script = self->has_session && !self->is_ending
                   ? script_of(self->words, self->word_count, &self->env, self->cwd)
                   : NULL;
  if (script != NULL) {
    daytona_future_then(daytona_session_exec(self->stage.box.sandbox, self->session, script, &opts),
                        on_started, self);
    free(script);
    return;
  }
  self->is_starting = false;
  if (self->is_ending)
    leave(self);
  else
    end_with(self, self->has_session ? "out of memory" : daytona_future_message(future));
}

static void on_opened(void *user) {
  build_t *self = user;
  if (!self->is_quiet) fprintf(stderr, "follow: in the sandbox %s\n", box_name(&self->stage.box));
  snprintf(self->session, sizeof self->session, "follow-%d-%llx", (int)getpid(),
           (unsigned long long)uv_hrtime());
  self->is_starting = true;
  daytona_future_then(daytona_session_create(self->stage.box.sandbox, self->session, NULL), on_session, self);
}

/* --- the start --------------------------------------------------------------------------------- */

static void read_options(build_t *self, int argc, char **argv) {
  static char *demonstrates[] = {(char *)demonstration};
  const option_row_t rows[] = {
    {'s', "sandbox", "ID", "in this sandbox (id or name) and not in a fresh one",
     .text = &self->stage.sandbox},
    {'k', "keep", NULL, "keep the fresh sandbox", .flag = &self->stage.keeps},
    {'e', "env", "NAME=VALUE", "set a variable for the command (may be repeated)", .pairs = &self->env},
    {'C', "cwd", "DIR", "run it there", .text = &self->cwd},
    {'t', "timeout", "SECONDS", "stop it after this time", .ms = &self->timeout_ms},
    {'q', "quiet", NULL, "no words of our own unless something is wrong", .flag = &self->is_quiet},
  };
  int first = parse_options_of_command(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  self->words = first < argc ? argv + first : demonstrates;
  self->word_count = first < argc ? argc - first : 1;
  if (self->word_count == 1 && self->words[0][strspn(self->words[0], " \t\n")] == '\0')
    refuse_arguments(usage, "COMMAND is blank");
}

int main(int argc, char **argv) {
  static const stage_events_t events = {
    .on_opened = on_opened, .on_signal = on_signal, .on_written = on_written, .end = end};
  static build_t self = {.stage = {.program = "follow", .failed = FAILED}};
  read_options(&self, argc, argv);
  return stage_run(&self.stage, &events, &self);
}
