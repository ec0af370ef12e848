/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of orchestrate: each takes a job, creates a sandbox, runs the command, deletes the sandbox, tries again or takes
 * the next one. A job counts as ended only when its sandbox is gone.
 */
#include "orchestrate.h"

#include <errno.h>
#include <string.h>

enum { PAUSE_MS = 250, DELETES = 4, IDLE_EXTRA_MIN = 5 };

static void begin_try(slot_t *slot);
static void next_job(slot_t *slot);

/* --- how a try has ended ----------------------------------------------------------------------- */

static void note(slot_t *slot, bool is_final, const char *problem) {
  slot->is_ok = false;
  slot->is_final = is_final;
  snprintf(slot->problem, sizeof slot->problem, "%s", problem);
}

/* Whether the same would happen again in another sandbox. */
static bool is_final_code(int code, bool is_command) {
  static const int refusals[] = {DAYTONA_EINVAL, DAYTONA_EAUTH, DAYTONA_EFORBIDDEN, DAYTONA_EUNPROCESSABLE,
                                 DAYTONA_ECLOSED};
  if (code == DAYTONA_ESANDBOX_STOPPED) return false; /* a kind of DAYTONA_EINVAL */
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
    if (daytona_errcode_is(code, refusals[i])) return true;
  return is_command && (code == DAYTONA_EPROCESS_TIMEOUT || code == DAYTONA_ETIMEOUT ||
                        code == DAYTONA_EDEADLINE || code == DAYTONA_ELIMIT);
}

static void end_job(slot_t *slot) {
  run_t *run = slot->run;
  if (slot->is_ok)
    run->ok++;
  else if (slot->is_interrupted)
    run->interrupted++;
  else
    run->failed++;
  view_ended(run, slot);
  slot->phase = IDLE;
  next_job(slot);
}

/* Its sandbox is gone, or was never there. */
static void end_try(slot_t *slot) {
  run_t *run = slot->run;
  if (run->is_stopping && !slot->is_ok && !slot->is_final) slot->is_interrupted = true;
  if (slot->is_ok || slot->is_final || run->is_stopping || slot->tries > run->retries) {
    end_job(slot);
    return;
  }
  run->again++;
  view_again(run, slot);
  slot->phase = PAUSING;
}

/* --- deleting ---------------------------------------------------------------------------------- */

static void on_deleted(daytona_future_t *future, void *user);

static void delete_sandbox(slot_t *slot) {
  const daytona_sandbox_lifecycle_opts_t opts = {.waits =
                                                   true}; /* so that those that are going count as well */
  slot->phase = DELETING;
  daytona_future_then(daytona_sandbox_delete(slot->sandbox, &opts), on_deleted, slot);
}

static void on_pause_over(uv_timer_t *timer) {
  slot_t *slot = timer->data;
  if (slot->phase == DELETING)
    delete_sandbox(slot);
  else if (slot->run->is_stopping)
    end_try(slot);
  else
    begin_try(slot);
}

static void pause_slot(slot_t *slot, int tries) {
  uv_timer_start(&slot->pause, on_pause_over, (uint64_t)PAUSE_MS << (tries < 8 ? tries : 8), 0);
}

static void after_try(slot_t *slot) {
  daytona_sandbox_release(slot->sandbox);
  slot->sandbox = NULL;
  end_try(slot);
  if (slot->phase == PAUSING) pause_slot(slot, slot->tries);
}

static void on_deleted(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  int code = daytona_future_code(future);
  bool is_gone =
    code == DAYTONA_OK || daytona_errcode_is(code, DAYTONA_ENOTFOUND) || code == DAYTONA_ECONFLICT;
  if (!is_gone && ++slot->delete_tries < DELETES) {
    pause_slot(slot, slot->delete_tries);
    return;
  }
  if (!is_gone) {
    slot->run->left++;
    view_say(slot->run, "the sandbox %s may be left: %s", daytona_sandbox_id(slot->sandbox),
             daytona_future_message(future));
  }
  after_try(slot);
}

/* One whose create has failed, and which may be there all the same. */
static void on_found(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  slot->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  if (slot->sandbox != NULL) {
    delete_sandbox(slot);
    return;
  }
  if (!daytona_errcode_is(daytona_future_code(future), DAYTONA_ENOTFOUND)) {
    slot->run->left++;
    view_say(slot->run, "a sandbox may be left: %s", daytona_future_message(future));
  }
  after_try(slot);
}

/* --- a try ------------------------------------------------------------------------------------- */

static bool store(const slot_t *slot, const daytona_exec_result_t *result) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%06zu.txt", slot->run->folder, slot->job + 1);
  FILE *file = fopen(path, "wb");
  if (file == NULL) return false;
  bool ok = fwrite(result->result, 1, result->result_size, file) == result->result_size;
  return fclose(file) == 0 && ok;
}

/* The exit code, and the last line that has something in it. */
static void describe(slot_t *slot, const daytona_exec_result_t *result) {
  const char *text = result->result, *end = text + result->result_size;
  char line[PROBLEM_MAX];
  while (end > text && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' ')) end--;
  const char *begin = end;
  while (begin > text && begin[-1] != '\n') begin--;
  snprintf(line, sizeof line, "exit code %d%s%.*s", result->exit_code, begin < end ? ": " : "",
           (int)(end - begin < PROBLEM_MAX ? end - begin : PROBLEM_MAX), begin);
  note(slot, true, line);
}

static void on_exec(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  slot->exec = NULL;
  if (result == NULL) {
    note(slot, is_final_code(daytona_future_code(future), true), daytona_future_message(future));
  } else if (slot->run->folder != NULL && !store(slot, result)) {
    note(slot, true, strerror(errno)); /* of the file */
  } else {
    describe(slot, result);
    slot->is_ok = result->exit_code == 0;
  }
  delete_sandbox(slot);
}

static void on_created(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  run_t *run = slot->run;
  const daytona_error_t *error = daytona_future_error(future);
  slot->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  if (error != NULL) {
    note(slot, is_final_code(error->code, false), error->message);
    if (daytona_error_is(error, DAYTONA_EAUTH)) run_stop(run); /* no other job would fare better */
    slot->phase = DELETING;
    if (error->sandbox != NULL)
      daytona_future_then(daytona_sandbox_get(run->client, error->sandbox, NULL), on_found, slot);
    else
      after_try(slot);
  } else if (run->is_stopping) {
    note(slot, false, "interrupted");
    delete_sandbox(slot);
  } else {
    /* What runs too long ends with its sandbox: it needs no marker to be found by. */
    const daytona_process_exec_opts_t opts = {.timeout_ms = run->timeout_s * INT64_C(1000),
                                              .leaves_running = true};
    slot->phase = RUNNING;
    slot->exec = daytona_process_exec(slot->sandbox, run->jobs[slot->job], &opts);
    daytona_future_then(slot->exec, on_exec, slot);
  }
}

static void begin_try(slot_t *slot) {
  run_t *run = slot->run;
  const daytona_pair_t label = {RUN_LABEL, run->label};
  const daytona_sandbox_create_opts_t opts = {
    .snapshot = run->snapshot,
    .labels = {&label, 1},
    .is_ephemeral = true,
    .auto_stop_minutes = daytona_int(run->timeout_s / 60 + IDLE_EXTRA_MIN)};
  slot->tries++;
  slot->delete_tries = 0;
  slot->phase = CREATING;
  daytona_future_then(daytona_sandbox_create(run->client, &opts), on_created, slot);
}

/* --- the run ----------------------------------------------------------------------------------- */

static void end_run(run_t *run) {
  run->has_ended = true;
  daytona_client_stats(run->client, &run->stats);
  daytona_client_close(run->client, NULL, NULL);
  view_close(run);
}

static void next_job(slot_t *slot) {
  run_t *run = slot->run;
  if (run->is_stopping || run->next == run->job_count) {
    if (--run->busy == 0) end_run(run);
    return;
  }
  slot->job = run->next++;
  slot->tries = 0;
  slot->is_interrupted = false;
  slot->began_ms = uv_now(run->loop);
  begin_try(slot);
}

/* A create is waited for: only then is it known what is to be deleted. */
void run_stop(run_t *run) {
  if (run->is_stopping || run->has_ended) return;
  run->is_stopping = true;
  for (int i = 0; i < run->slot_count; i++) {
    slot_t *slot = &run->slots[i];
    if (slot->phase == RUNNING) daytona_future_cancel(slot->exec);
    if (slot->phase == PAUSING) uv_timer_start(&slot->pause, on_pause_over, 0, 0);
  }
}

void run_start(run_t *run) {
  run->busy = run->slot_count;
  run->began_ms = uv_now(run->loop);
  for (int i = 0; i < run->slot_count; i++) {
    run->slots[i].run = run;
    run->slots[i].pause.data = &run->slots[i];
    uv_timer_init(run->loop, &run->slots[i].pause);
  }
  for (int i = 0; i < run->slot_count; i++) next_job(&run->slots[i]);
}
