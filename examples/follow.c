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
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "shared/box.h"
#include "shared/local_io.h"

enum { OUTPUT_HIGH = 256 * 1024, ENV_MAX = 64, DELETE_LIMIT_MS = 20 * 1000 };
enum { TIMED_OUT = 124, FAILED = 255 };

static const char usage[] =
  "usage: follow [OPTIONS] [--] [COMMAND [ARGUMENT...]]\n"
  "Run a command in a session of a sandbox and follow its log. One COMMAND alone is shell text;\n"
  "with arguments each word is passed as it is. Without a command a small demonstration runs.\n"
  "The exit code is the command's; 124 after a timeout, 255 when it is not known.\n"
  "\n"
  "  -s, --sandbox ID     in this sandbox (id or name) and not in a fresh one\n"
  "  -k, --keep           keep the fresh sandbox\n"
  "  -e, --env NAME=VALUE set a variable for the command (may be repeated)\n"
  "  -C, --cwd DIR        run it there\n"
  "  -t, --timeout SECONDS  stop it after this time\n"
  "  -q, --quiet          no words of our own unless something is wrong\n"
  "  -h, --help           this text\n"
  "\n"
  "Ctrl-C stops the command; a second one leaves at once.\n";

static const char demonstration[] =
  "for part in parser engine tools tests; do\n"
  "  echo \"building $part\"; sleep 1\n"
  "  if [ $part = engine ]; then echo 'engine.c:42: warning: this is a demonstration' >&2; fi\n"
  "  for i in 1 2 3; do echo \"  $part-$i.o\"; sleep 0.2; done\n"
  "done\n"
  "echo done";

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };

typedef struct build {
  uv_loop_t *loop;
  daytona_client_t *client;
  box_t box;
  char session[64];
  daytona_future_t *follow;
  uint64_t began_ns;
  /* what was asked for */
  const char *sandbox, *cwd;
  daytona_pair_t env[ENV_MAX];
  size_t env_count;
  char **words;
  int word_count;
  int64_t timeout_ms;
  bool keeps, is_quiet;
  /* this side */
  local_output_t out, err;
  uv_signal_t ending[ENDING_SIGNALS];
  /* the end */
  bool is_held;     /* a reader of ours is slow */
  bool is_starting; /* the session is being made, or the command started */
  bool has_session; /* and it is to be deleted */
  bool is_stopping; /* it is being deleted, which ends the follow */
  bool is_ending, is_leaving;
  char message[512];
  int status;
} build_t;

static void end(build_t *self, int status, bool is_hasty);

static void end_with(build_t *self, const char *problem) {
  snprintf(self->message, sizeof self->message, "follow: %s", problem);
  end(self, FAILED, false);
}

/* --- output ------------------------------------------------------------------------------------ */

static void pass_on(build_t *self, local_output_t *to, const char *bytes, size_t size) {
  int rc = local_output_write(to, bytes, size);
  if (rc != 0) {
    snprintf(self->message, sizeof self->message, "follow: %s: %s", to == &self->out ? "stdout" : "stderr",
             uv_strerror(rc));
    end(self, rc == UV_EPIPE ? 128 + SIGPIPE : FAILED, true);
  } else if (local_output_queued(to) > OUTPUT_HIGH) {
    self->is_held = true;
    daytona_future_pause(self->follow);
  }
}

static void on_output(const daytona_output_t *output, void *user) {
  build_t *self = user;
  pass_on(self, output->stream == DAYTONA_OUTPUT_STDERR ? &self->err : &self->out, output->bytes,
          output->size);
}

static void leave(build_t *self);

static bool is_all_written(const build_t *self) {
  return local_output_queued(&self->out) == 0 && local_output_queued(&self->err) == 0;
}

static void on_written(local_output_t *output, void *user) {
  build_t *self = user;
  (void)output;
  if (!is_all_written(self)) return;
  if (self->is_ending) {
    leave(self);
  } else if (self->is_held) {
    self->is_held = false;
    daytona_future_resume(self->follow);
  }
}

/* --- the end ----------------------------------------------------------------------------------- */

static void on_left(box_t *box, const char *problem, void *user) {
  build_t *self = user;
  if (problem != NULL) fprintf(stderr, "follow: the sandbox %s is left behind: %s\n", box_name(box), problem);
  if (box->is_fresh && box->keeps && box->sandbox != NULL)
    fprintf(stderr, "follow: the sandbox %s was kept\n", box_name(box));
  local_output_close(&self->out);
  local_output_close(&self->err);
  for (int i = 0; i < ENDING_SIGNALS; i++) uv_close((uv_handle_t *)&self->ending[i], NULL);
  daytona_client_close(self->client, NULL, NULL);
}

static void on_session_gone(daytona_future_t *future, void *user) {
  build_t *self = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (error != NULL && error->code != DAYTONA_ECLOSED) fprintf(stderr, "follow: %s\n", error->message);
  box_close(&self->box);
}

/* All output is out, or given up. What we made over there goes: the sandbox, or else the session. */
static void leave(build_t *self) {
  daytona_call_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  bool deletes_sandbox = self->box.is_fresh && !self->keeps;
  if (self->is_leaving || (self->is_starting && !deletes_sandbox))
    return; /* what is being started must go as well */
  self->is_leaving = true;
  if (self->message[0] != '\0') fprintf(stderr, "%s\n", self->message);
  if (self->has_session && !deletes_sandbox)
    daytona_future_then(daytona_session_delete(self->box.sandbox, self->session, &opts), on_session_gone,
                        self);
  else
    box_close(&self->box);
}

static void end(build_t *self, int status, bool is_hasty) {
  if (!self->is_ending) {
    self->is_ending = true;
    self->status = status;
    daytona_future_cancel(self->follow);
    daytona_future_release(self->follow);
    self->follow = NULL;
  }
  if (is_hasty || is_all_written(self)) leave(self);
}

static int exit_code_of(const build_t *self, const daytona_stream_end_t *outcome) {
  if (self->is_stopping) return self->status;
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
    snprintf(self->message, sizeof self->message, "follow: %s after %.1f s, %llu bytes%s%s", what,
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

static void on_signal(uv_signal_t *handle, int number) {
  build_t *self = handle->data;
  daytona_call_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  bool is_first = !self->is_stopping && !self->is_ending;
  if (number == SIGHUP && !is_first) return; /* that the terminal is gone shows in more than one way */
  self->status = 128 + number;
  if (!is_first) { /* the user does not want to wait: fail all that is pending */
    daytona_client_close(self->client, NULL, NULL);
    end(self, self->status, true);
  } else if (self->follow == NULL) {
    end(self, self->status, true);
  } else {
    self->is_stopping = true;
    fprintf(stderr, "follow: stopping the command\n");
    daytona_future_then(daytona_session_delete(self->box.sandbox, self->session, &opts), on_stopped, self);
  }
}

/* --- the command ------------------------------------------------------------------------------- */

static void quote(FILE *to, const char *word) {
  fputc('\'', to);
  for (; *word != '\0'; word++)
    if (*word == '\'')
      fputs("'\\''", to);
    else
      fputc(*word, to);
  fputc('\'', to);
}

/*
 * The text for the session's shell, or NULL. The subshell is there for commands that say `exit`: that would
 * end the session's own shell, and nobody would ever learn the exit code. An empty stdin is there for those
 * that read.
 */
static char *script_of(const build_t *self) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (to == NULL) return NULL;
  for (size_t i = 0; i < self->env_count; i++) {
    fprintf(to, "export %s=", self->env[i].key);
    quote(to, self->env[i].value);
    fputc('\n', to);
  }
  if (self->cwd != NULL) {
    fputs("cd -- ", to);
    quote(to, self->cwd);
    fputs(" && ", to);
  }
  fputs("(\n", to);
  if (self->word_count < 2) fputs(self->word_count == 1 ? self->words[0] : demonstration, to);
  for (int i = 0; i < self->word_count && self->word_count > 1; i++) {
    quote(to, self->words[i]);
    fputc(' ', to);
  }
  fputs("\n) </dev/null", to);
  bool is_whole = !ferror(to);
  if (fclose(to) == 0 && is_whole) return text;
  free(text);
  return NULL;
}

static void on_started(daytona_future_t *future, void *user) {
  build_t *self = user;
  const daytona_session_exec_result_t *started = daytona_future_session_exec_result(future);
  daytona_session_follow_opts_t opts = {
    .on_stdout = on_output, .on_stderr = on_output, .user = self, .timeout_ms = self->timeout_ms};
  self->is_starting = false;
  if (self->is_ending) {
    leave(self); /* a signal came meanwhile */
  } else if (started == NULL) {
    end_with(self, daytona_future_message(future));
  } else {
    self->began_ns = uv_hrtime();
    self->follow = daytona_session_follow(self->box.sandbox, self->session, started->command_id, &opts);
    daytona_future_on_settled(self->follow, on_outcome, self);
  }
}

static void on_session(daytona_future_t *future, void *user) {
  build_t *self = user;
  daytona_session_exec_opts_t opts = {.run_async = true};
  self->has_session = daytona_future_error(future) == NULL;
  char *script = self->has_session && !self->is_ending ? script_of(self) : NULL;
  if (script != NULL) {
    daytona_future_then(daytona_session_exec(self->box.sandbox, self->session, script, &opts), on_started,
                        self);
    free(script);
    return;
  }
  self->is_starting = false;
  if (self->is_ending)
    leave(self);
  else
    end_with(self, self->has_session ? "out of memory" : daytona_future_message(future));
}

static void on_box(box_t *box, const char *problem, void *user) {
  build_t *self = user;
  if (problem != NULL) {
    end_with(self, problem);
    return;
  }
  if (!self->is_quiet) fprintf(stderr, "follow: in the sandbox %s\n", box_name(box));
  snprintf(self->session, sizeof self->session, "follow-%d-%llx", (int)getpid(),
           (unsigned long long)uv_hrtime());
  self->is_starting = true;
  daytona_future_then(daytona_session_create(box->sandbox, self->session, NULL), on_session, self);
}

/* --- the start --------------------------------------------------------------------------------- */

/* Names go into a shell's text, so they are looked at. */
static bool add_env(build_t *self, char *text) {
  static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || self->env_count == ENV_MAX) return false;
  if (strspn(text, letters) != (size_t)(equals - text) || (*text >= '0' && *text <= '9')) return false;
  *equals = '\0';
  self->env[self->env_count++] = (daytona_pair_t){text, equals + 1};
  return true;
}

static bool read_seconds(const char *text, int64_t *out_ms) {
  char *end_of_number;
  double seconds = strtod(text, &end_of_number);
  if (end_of_number == text || *end_of_number != '\0' || !(seconds > 0 && seconds < 1e9)) return false;
  *out_ms = (int64_t)(seconds * 1000);
  return true;
}

/* 0, or the exit code + 1: 1 after --help. */
static int read_options(build_t *self, int argc, char **argv) {
  static const struct option options[] = {
    {"sandbox", required_argument, NULL, 's'}, {"keep", no_argument, NULL, 'k'},
    {"env", required_argument, NULL, 'e'},     {"cwd", required_argument, NULL, 'C'},
    {"timeout", required_argument, NULL, 't'}, {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},          {0},
  };
  int c;
  while ((c = getopt_long(argc, argv, "+s:ke:C:t:qh", options, NULL)) != -1) {
    bool is_good = c != '?';
    if (c == 's') self->sandbox = optarg;
    if (c == 'k') self->keeps = true;
    if (c == 'e') is_good = add_env(self, optarg);
    if (c == 'C') self->cwd = optarg;
    if (c == 't') is_good = read_seconds(optarg, &self->timeout_ms);
    if (c == 'q') self->is_quiet = true;
    if (c == 'h') return fputs(usage, stdout), 1;
    if (!is_good) return fputs(usage, stderr), 3;
  }
  self->words = argv + optind;
  self->word_count = argc - optind;
  if (self->word_count == 1 && self->words[0][strspn(self->words[0], " \t\n")] == '\0')
    return fputs(usage, stderr), 3;
  return 0;
}

int main(int argc, char **argv) {
  static build_t self; /* zeroed */
  char reason[256];
  int stops = read_options(&self, argc, argv);
  if (stops != 0) return stops - 1;
  self.loop = uv_default_loop();
  if (daytona_client_new(self.loop, NULL, &self.client) != 0) { /* NULL: from the environment */
    daytona_config_check(NULL, reason, sizeof reason);
    fprintf(stderr, "follow: %s\n", reason);
    return FAILED;
  }
  signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as an error of write */
  for (int i = 0; i < ENDING_SIGNALS; i++) {
    uv_signal_init(self.loop, &self.ending[i]);
    self.ending[i].data = &self;
    uv_signal_start(&self.ending[i], on_signal, ending_signals[i]);
  }
  local_output_open(&self.out, self.loop, STDOUT_FILENO, on_written,
                    &self); /* writing tells what went wrong */
  local_output_open(&self.err, self.loop, STDERR_FILENO, on_written, &self);
  box_open(&self.box, self.client, self.sandbox, self.keeps, on_box, on_left, &self);
  uv_run(self.loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  return uv_loop_close(self.loop) != 0 ? FAILED : self.status;
}
