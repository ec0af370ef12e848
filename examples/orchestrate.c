/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many commands, each in a sandbox of its own, so many at a time.
 *
 *   seq 300 | sed 's,.*,echo & squared is $((& * &)),' | daytona-local run -- orchestrate --at-once 100
 *   orchestrate --at-once 20 --output results jobs.txt
 *   orchestrate --clean --label LABEL        delete what a run that was killed has left
 *
 * What is worth a look: a slot takes one job after the other and never has a second sandbox, so the number of sandboxes is
 * bounded whatever fails. A sandbox is deleted before its job counts as ended, a create that failed late included
 * (error->sandbox). Every sandbox has the label of the run, and is deleted by the server when it has been idle too long, in case
 * this program is killed. Waits use the event socket: requests do not grow with the time that a command takes.
 */
#include "orchestrate.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { AT_ONCE_MAX = 1000, JOBS_MAX = 100000, DELETES_AT_ONCE = 50, SPARE_CONNECTIONS = 50, WRONG = 2 };

static const char usage[] =
  "usage: orchestrate [OPTIONS] [FILE]\n"
  "Run each line of FILE, or of stdin, as a shell command in a sandbox of its own. Empty lines and lines\n"
  "that begin with # are left out. A job fails when its command exits with another code than 0, or when it\n"
  "could not be run; only the latter is tried again, so a command may have run more than once.\n"
  "Exit code: 0 when all jobs worked, 1 when not, 2 for wrong options, 130 after Ctrl-C, which stops the\n"
  "run and deletes its sandboxes; a second one leaves at once.\n";

static _Noreturn void leave_at_once(const run_t *run, int signal) {
  size_t creating = 0;
  for (int i = 0; i < run->slot_count; i++) {
    if (run->slots[i].sandbox != NULL)
      fprintf(stderr, "may be left: %s\n", daytona_sandbox_id(run->slots[i].sandbox));
    creating += run->slots[i].phase == CREATING;
  }
  if (creating != 0) fprintf(stderr, "may be left: %zu sandboxes that are being created\n", creating);
  fprintf(stderr, "delete them: orchestrate --clean --label %s\n", run->label);
  _exit(128 + signal);
}

static void on_signal(uv_signal_t *handle, int signal) {
  run_t *run = handle->data;
  bool is_second = run->is_stopping || run->has_ended;
  if (is_second && signal == SIGHUP) return; /* that the terminal is gone shows in more than one way */
  if (is_second) leave_at_once(run, signal);
  run->signal = signal;
  view_say(run, "stopping; once more to leave at once");
  run_stop(run);
}

/* --- the job list ------------------------------------------------------------------------------ */

static bool is_job(const char *line) {
  line += strspn(line, " \t\r\n");
  return *line != '\0' && *line != '#';
}

/* False: why was printed. */
static bool read_jobs(run_t *run, FILE *from) {
  char *line = NULL;
  size_t room = 0;
  bool ok = true;
  for (ssize_t length; ok && (length = getline(&line, &room, from)) >= 0;) {
    if (!is_job(line)) continue;
    line[strcspn(line, "\r\n")] = '\0';
    char **jobs = realloc(run->jobs, (run->job_count + 1) * sizeof *jobs), *job = strdup(line);
    if (jobs != NULL) run->jobs = jobs;
    ok = jobs != NULL && job != NULL && run->job_count < JOBS_MAX;
    if (ok)
      run->jobs[run->job_count++] = job;
    else
      free(job);
  }
  if (!ok) fprintf(stderr, "orchestrate: more than %d jobs, or no memory for them\n", JOBS_MAX);
  if (ferror(from)) fprintf(stderr, "orchestrate: the job list cannot be read\n");
  ok = ok && !ferror(from);
  free(line);
  return ok;
}

static bool load_jobs(run_t *run, const char *path) {
  bool is_stdin = path == NULL || strcmp(path, "-") == 0;
  FILE *from = is_stdin ? stdin : fopen(path, "r");
  if (from == NULL) {
    fprintf(stderr, "orchestrate: %s: %s\n", path, strerror(errno));
    return false;
  }
  bool ok = read_jobs(run, from);
  if (!is_stdin) fclose(from);
  return ok;
}

/* --- what an earlier run has left -------------------------------------------------------------- */

/* The futures of up to DELETES_AT_ONCE deletions. False: the list or one of them has failed. */
static bool delete_some(daytona_client_t *client, daytona_sandbox_iter_t *iter, size_t *count, bool *is_end) {
  const daytona_sandbox_lifecycle_opts_t waits = {.waits = true};
  daytona_future_t *futures[DELETES_AT_ONCE];
  size_t used = 0;
  bool ok = true;
  while (ok && !*is_end && used < DELETES_AT_ONCE) {
    daytona_future_t *step = daytona_sandbox_iter_next(iter);
    ok = succeeds(step);
    daytona_sandbox_t *sandbox = daytona_future_sandbox(step);
    *is_end = sandbox == NULL;
    if (sandbox != NULL) futures[used++] = daytona_sandbox_delete(sandbox, &waits);
    daytona_future_release(step);
  }
  daytona_future_t *all = daytona_future_all(client, futures, used);
  daytona_future_await(all);
  for (size_t i = 0; i < used; i++) {
    daytona_future_t *one = daytona_future_member(all, i);
    int code = daytona_future_code(one);
    bool is_gone =
      code == DAYTONA_OK || daytona_errcode_is(code, DAYTONA_ENOTFOUND) || code == DAYTONA_ECONFLICT;
    if (!is_gone) fprintf(stderr, "%s\n", daytona_future_message(one));
    *count += code == DAYTONA_OK;
    ok = ok && is_gone;
  }
  daytona_future_release(all);
  return ok;
}

/* Until nothing more is found: what is deleted meanwhile may move others to a page that was read already. */
static int clean(const char *label) {
  const daytona_pair_t pair = {RUN_LABEL, label};
  const daytona_sandbox_query_t query = {.labels = {&pair, 1}};
  daytona_client_t *client = open_client();
  size_t count = 0, before;
  bool ok = true;
  do {
    daytona_sandbox_iter_t *iter = NULL;
    bool is_end = false;
    before = count;
    ok = daytona_sandbox_iter_new(client, &query, &iter) == 0;
    while (ok && !is_end) ok = delete_some(client, iter, &count, &is_end);
    daytona_sandbox_iter_release(iter);
  } while (ok && count != before);
  ok = close_client(client) && ok;
  printf("%zu deleted\n", count);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- main -------------------------------------------------------------------------------------- */

static bool open_run(run_t *run) {
  /* A command holds a connection for as long as it runs; creates and deletes are not to wait for these. */
  const daytona_config_t config = {.waiting = DAYTONA_WAITING_EVENTS,
                                   .max_connections = run->slot_count + SPARE_CONNECTIONS};
  char reason[256];
  if (daytona_client_new(run->loop, &config, &run->client) != 0) {
    daytona_config_check(&config, reason, sizeof reason);
    fprintf(stderr, "orchestrate: %s\n", reason);
    return false;
  }
  run->slots = calloc((size_t)run->slot_count, sizeof *run->slots);
  if (run->slots == NULL || view_open(run) != 0) {
    fprintf(stderr, "orchestrate: stdout cannot be used, or there is no memory\n");
    exit(EXIT_FAILURE); /* nothing has been created */
  }
  ending_open(&run->ending, run->loop, on_signal, run);
  return true;
}

static int perform(run_t *run) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  run->loop = &loop;
  if (!open_run(run)) return EXIT_FAILURE;
  fprintf(stderr, "%zu jobs, %d at once, label %s\n", run->job_count, run->slot_count, run->label);
  run_start(run);
  uv_run(&loop, UV_RUN_DEFAULT);
  for (int i = 0; i < run->slot_count; i++) uv_close((uv_handle_t *)&run->slots[i].pause, NULL);
  ending_close(&run->ending);
  daytona_client_release(run->client);
  uv_run(&loop, UV_RUN_DEFAULT);
  bool is_empty = uv_loop_close(&loop) == 0;
  free(run->slots);
  if (run->signal != 0) return 128 + run->signal;
  return run->ok == run->job_count && run->left == 0 && is_empty ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  run_t run = {.slot_count = 20, .retries = 2, .timeout_s = 600};
  bool cleans = false;
  char label[64];
  const option_row_t rows[] = {
    {'a', "at-once", "N", "sandboxes at once (default 20)", .number = &run.slot_count, .least = 1,
     .most = AT_ONCE_MAX},
    {'t', "timeout", "SECONDS", "limit of a command (default 600)", .number = &run.timeout_s, .least = 1,
     .most = 86400},
    {'r', "retries", "N", "further tries of a job that cannot be run (default 2)", .number = &run.retries,
     .most = 20},
    {'o', "output", "FOLDER", "write what job 1 prints to FOLDER/000001.txt, and so on", .text = &run.folder},
    {'s', "snapshot", "NAME", "of the sandboxes (default: the server's)", .text = &run.snapshot},
    {'l', "label", "LABEL", "of the run (default: one that no other run has)", .text = &run.label},
    {'c', "clean", NULL, "delete the sandboxes of the run with this --label, and run nothing",
     .flag = &cleans},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (cleans && (run.label == NULL || first != argc))
    refuse_arguments(usage, "--clean: with --label, without FILE");
  if (argc - first > 1) refuse_arguments(usage, "one FILE at most");
  if (cleans) return clean(run.label);
  snprintf(label, sizeof label, "%lld-%d", (long long)time(NULL), (int)getpid());
  if (run.label == NULL) run.label = label;
  if (run.folder != NULL && mkdir(run.folder, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "orchestrate: %s: %s\n", run.folder, strerror(errno));
    return WRONG;
  }
  bool ok = load_jobs(&run, argv[first]);
  if ((size_t)run.slot_count > run.job_count) run.slot_count = (int)run.job_count;
  int status = !ok ? WRONG : run.job_count == 0 ? EXIT_SUCCESS : perform(&run);
  for (size_t i = 0; i < run.job_count; i++) free(run.jobs[i]);
  free(run.jobs);
  return status;
}
