/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What orchestrate shows: a table that is drawn again five times a second on a terminal, lines elsewhere, a summary.
 *
 * Text of commands and of their output never reaches the terminal with control characters in it. Nothing here blocks: a
 * terminal that stands still misses frames of the table.
 */
#include "orchestrate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TICK_MS = 200, BAR = 20, ROWS_MIN = 3, COMMAND_MAX = 120 };

const char *const phase_names[PHASES] = {"idle", "creating", "running", "deleting", "waiting"};

/* --- text -------------------------------------------------------------------------------------- */

/* At most `most` characters, in one line, without anything that a terminal obeys. */
static void put_text(FILE *to, const char *text, int most) {
  for (int count = 0; *text != '\0'; text++) {
    unsigned char c = (unsigned char)text[0], after = (unsigned char)text[1];
    bool begins = (c & 0xc0) != 0x80, is_c1 = c == 0xc2 && after >= 0x80 && after <= 0x9f;
    if (begins && count++ == most) break;
    if (c < 0x20 || c == 0x7f || is_c1)
      fputc('?', to);
    else
      fputc(c, to);
    if (is_c1) text++;
  }
}

static double seconds_since(const run_t *run, uint64_t began_ms) {
  return (double)(uv_now(run->loop) - began_ms) / 1000;
}

static void put_job(const run_t *run, FILE *to, const char *word, const slot_t *slot, int most) {
  fprintf(to, "%-9s #%-5zu %6.1f s  ", word, slot->job + 1, seconds_since(run, slot->began_ms));
  put_text(to, run->jobs[slot->job], most);
}

/* --- the table --------------------------------------------------------------------------------- */

static void put_head(const run_t *run, FILE *to) {
  size_t done = run->ok + run->failed + run->interrupted, phases[PHASES] = {0};
  int bar = (int)(done * BAR / run->job_count);
  for (int i = 0; i < run->slot_count; i++) phases[run->slots[i].phase]++;
  fprintf(to, "[%.*s%.*s] %zu/%zu  ok %zu  failed %zu", bar, "####################", BAR - bar,
          "....................", done, run->job_count, run->ok, run->failed);
  for (int i = CREATING; i < PHASES; i++)
    if (phases[i] != 0) fprintf(to, "  %s %zu", phase_names[i], phases[i]);
  fprintf(to, "  %.1f s%s\n", seconds_since(run, run->began_ms), run->is_stopping ? "  STOPPING" : "");
}

/* Returns how many lines it has. */
static int put_table(const run_t *run, FILE *to) {
  struct winsize size = {0};
  if (ioctl(run->view.out.to.fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    size = (struct winsize){.ws_row = 24, .ws_col = 80};
  int rows = size.ws_row > ROWS_MIN + 2 ? size.ws_row - 2 : ROWS_MIN, lines = 1, hidden = 0;
  int most = size.ws_col > 40 ? size.ws_col - 28 : 12;
  put_head(run, to);
  for (int i = 0; i < run->slot_count; i++) {
    const slot_t *slot = &run->slots[i];
    if (slot->phase == IDLE) continue;
    if (lines >= rows - 1) {
      hidden++;
      continue;
    }
    put_job(run, to, phase_names[slot->phase], slot, most);
    fputc('\n', to);
    lines++;
  }
  if (hidden > 0) fprintf(to, "and %d more\n", hidden);
  return lines + (hidden > 0);
}

/* --- writing ----------------------------------------------------------------------------------- */

static bool begin_lines(view_t *view) {
  view->lines = open_memstream(&view->text, &view->size);
  return view->lines != NULL;
}

/* A reader that has gone away ends the run: nobody would see what it does. */
static void write_out(run_t *run, const char *text, size_t size) {
  if (size != 0 && local_output_write(&run->view.out, text, size) != 0) run_stop(run);
}

/* Write the lines, and in their stead on a terminal the table that was there, and a new one after them. */
static void flush(run_t *run, bool has_table) {
  view_t *view = &run->view;
  char *text = NULL;
  size_t size = 0;
  FILE *frame = open_memstream(&text, &size);
  if (frame == NULL) return;
  if (view->drawn > 0) fprintf(frame, "\033[%dA\r\033[J", view->drawn);
  fflush(view->lines);
  fwrite(view->text, 1, view->size, frame);
  view->drawn = 0;
  if (has_table && view->is_terminal) {
    fputs("\033[?7l", frame); /* wide characters must not wrap */
    view->drawn = put_table(run, frame);
    fputs("\033[?7h", frame);
  }
  if (fclose(frame) == 0) write_out(run, text, size);
  free(text);
  rewind(view->lines); /* the next lines begin anew */
}

static void on_tick(uv_timer_t *timer) {
  run_t *run = timer->data;
  if (local_output_queued(&run->view.out) == 0) flush(run, true);
}

static void end_line(run_t *run) {
  fputc('\n', run->view.lines);
  if (!run->view.is_terminal) flush(run, false);
}

void view_say(run_t *run, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  put_text(run->view.lines, text, sizeof text);
  end_line(run);
}

void view_again(run_t *run, const slot_t *slot) {
  put_job(run, run->view.lines, "again", slot, COMMAND_MAX);
  fputs(": ", run->view.lines);
  put_text(run->view.lines, slot->problem, PROBLEM_MAX);
  end_line(run);
}

/* On a terminal a job that worked is only counted. */
void view_ended(run_t *run, const slot_t *slot) {
  if (slot->is_ok && run->view.is_terminal) return;
  put_job(run, run->view.lines, slot->is_ok ? "ok" : "failed", slot, COMMAND_MAX);
  if (!slot->is_ok) fputs(": ", run->view.lines);
  put_text(run->view.lines, slot->is_ok ? "" : slot->problem, PROBLEM_MAX);
  end_line(run);
}

static void put_summary(run_t *run) {
  FILE *to = run->view.lines;
  struct rusage use = {0};
  double seconds = seconds_since(run, run->began_ms);
  getrusage(RUSAGE_SELF, &use);
  fprintf(to, "%zu jobs: %zu ok, %zu failed", run->job_count, run->ok, run->failed);
  if (run->interrupted != 0) fprintf(to, ", %zu interrupted", run->interrupted);
  if (run->next != run->job_count) fprintf(to, ", %zu not begun", run->job_count - run->next);
  fprintf(to, "; %zu tried again; %.1f s, %.1f jobs/s; %llu requests; %.1f MiB of memory at most\n",
          run->again, seconds, seconds > 0 ? (double)(run->ok + run->failed) / seconds : 0.0,
          (unsigned long long)run->stats.requests, (double)use.ru_maxrss / 1024);
  if (run->left != 0)
    fprintf(to, "%zu sandboxes may be left; delete them: orchestrate --clean --label ", run->left);
  if (run->left != 0) put_text(to, run->label, COMMAND_MAX);
  if (run->left != 0) fputc('\n', to);
}

/* --- the end ----------------------------------------------------------------------------------- */

static void close_output(view_t *view) {
  local_output_close(&view->out);
  fclose(view->lines);
  free(view->text);
}

static void on_drained(local_output_t *output, void *user) {
  run_t *run = user;
  if (run->view.is_closing)
    close_output(&run->view);
  else if (local_output_error(output) != 0)
    run_stop(run);
}

int view_open(run_t *run) {
  view_t *view = &run->view;
  int rc = local_output_open(&view->out, run->loop, STDOUT_FILENO, on_drained, run);
  if (rc != 0) return rc;
  view->is_terminal = isatty(STDOUT_FILENO);
  view->tick.data = run;
  uv_timer_init(run->loop, &view->tick);
  if (view->is_terminal) uv_timer_start(&view->tick, on_tick, 0, TICK_MS);
  return begin_lines(view) ? 0 : UV_ENOMEM;
}

void view_close(run_t *run) {
  put_summary(run);
  flush(run, false);
  uv_close((uv_handle_t *)&run->view.tick, NULL);
  run->view.is_closing = true;
  if (local_output_queued(&run->view.out) == 0) close_output(&run->view);
}
