/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A desktop in a sandbox: a program is opened, typed into, looked at, and filmed.
 *
 *   daytona-local run -- desktop [--text TEXT] [--film FILE.mp4] [--program COMMAND] [--watch SECONDS] [FILE.png]
 *
 * The address that is printed shows the desktop in a browser, as long as the sandbox lives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char usage[] =
  "usage: desktop [OPTIONS] [FILE.png]\n"
  "Starts the desktop of a fresh sandbox, opens a program in it, types into its window, writes a\n"
  "screenshot to FILE.png (default desktop.png) and prints the windows, and the address where a person\n"
  "can watch.\n";

enum {
  NOVNC_PORT = 6080,
  ADDRESS_SECONDS = 3600,
  WINDOW_TRIES = 100,
  WINDOW_WAIT_US = 100 * 1000,
  SETTLE_US = 500 * 1000
};

typedef struct task {
  const char *text, *film, *program, *picture;
  int watch_seconds;
} task_t;

/* --- steps ------------------------------------------------------------------------------------- */

static bool start(daytona_sandbox_t *sandbox) {
  daytona_future_t *future = daytona_computer_use_start(sandbox, NULL);
  bool ok = succeeds(future);
  const daytona_computer_use_result_t *result = daytona_future_computer_use_result(future);
  for (size_t i = 0; ok && i < result->process_count; i++)
    if (result->processes[i]->pid.is_set)
      printf("%s runs as process %lld\n", result->processes[i]->name,
             (long long)result->processes[i]->pid.value);
  daytona_future_release(future);
  return ok;
}

/* Whoever has this address sees the desktop and can use it, for as long as it is valid. */
static bool print_address(daytona_sandbox_t *sandbox) {
  const daytona_sandbox_create_signed_preview_url_opts_t opts = {
    .expires_in_seconds = {true, ADDRESS_SECONDS}};
  daytona_future_t *future = daytona_sandbox_create_signed_preview_url(sandbox, NOVNC_PORT, &opts);
  bool ok = succeeds(future);
  if (ok) printf("watch it at %s/vnc.html?autoconnect=true\n", daytona_future_preview_link(future)->url);
  fflush(stdout);
  daytona_future_release(future);
  return ok;
}

/* Its first window, in *place. Programs take their time until they show one. */
static bool find_window(daytona_sandbox_t *sandbox, daytona_mouse_position_t *place) {
  for (int i = 0; i < WINDOW_TRIES; i++) {
    daytona_future_t *future = daytona_display_get_windows(sandbox, NULL);
    bool ok = succeeds(future);
    const daytona_display_window_list_t *windows = daytona_future_display_window_list(future);
    bool is_there = ok && windows->count > 0;
    if (is_there) {
      const daytona_display_window_t *window = windows->items[0];
      printf("window \"%s\": %d x %d at %d, %d\n", window->title, window->width, window->height, window->x,
             window->y);
      *place = (daytona_mouse_position_t){window->x + window->width / 2, window->y + window->height / 2};
    }
    daytona_future_release(future);
    if (!ok || is_there) return is_there;
    usleep(WINDOW_WAIT_US);
  }
  fprintf(stderr, "the program has shown no window\n");
  return false;
}

static bool write_file(const char *path, daytona_bytes_t bytes) {
  FILE *file = fopen(path, "wb");
  bool ok = file != NULL && fwrite(bytes.data, 1, bytes.size, file) == bytes.size;
  if (file != NULL) ok = fclose(file) == 0 && ok;
  if (!ok) perror(path);
  return ok;
}

static bool take_picture(daytona_sandbox_t *sandbox, const char *path) {
  const daytona_screenshot_opts_t opts = {.shows_cursor = true};
  daytona_future_t *future = daytona_screenshot_take_full_screen(sandbox, &opts);
  bool ok = succeeds(future);
  const daytona_screenshot_t *shot = daytona_future_screenshot(future);
  ok = ok && write_file(path, shot->image);
  if (ok) printf("wrote %s, %d x %d pixels, %zu bytes\n", path, shot->width, shot->height, shot->image.size);
  daytona_future_release(future);
  return ok;
}

/* --- the film ---------------------------------------------------------------------------------- */

/* Its id, to be freed; NULL when it was not started. */
static char *start_film(daytona_sandbox_t *sandbox) {
  const daytona_recording_start_opts_t opts = {.label = "example"};
  daytona_future_t *future = daytona_recording_start(sandbox, &opts);
  char *id = succeeds(future) ? strdup(daytona_future_recording(future)->id) : NULL;
  daytona_future_release(future);
  return id;
}

static bool fetch_film(daytona_sandbox_t *sandbox, const char *id, const char *path) {
  daytona_future_t *future = daytona_recording_stop(sandbox, id, NULL);
  bool ok = succeeds(future);
  const daytona_recording_t *film = daytona_future_recording(future);
  if (ok)
    printf("the film has %.1f s and %lld bytes\n", film->duration_seconds.value,
           (long long)film->size_bytes.value);
  daytona_future_release(future);
  ok = ok && is_done(daytona_recording_download_file(sandbox, id, path, NULL));
  if (ok) printf("wrote %s\n", path);
  return ok;
}

/* --- the run ----------------------------------------------------------------------------------- */

static bool type_into(daytona_sandbox_t *sandbox, const task_t *task) {
  daytona_mouse_position_t place;
  if (!run_in_background(sandbox, task->program, NULL) || !find_window(sandbox, &place)) return false;
  bool ok = is_done(daytona_mouse_click(sandbox, place.x, place.y, NULL)) &&
            is_done(daytona_keyboard_type(sandbox, task->text, NULL)) &&
            is_done(daytona_keyboard_press(sandbox, "enter", NULL));
  usleep(SETTLE_US); /* until the program has drawn it */
  return ok && take_picture(sandbox, task->picture);
}

static bool use_desktop(daytona_sandbox_t *sandbox, const task_t *task) {
  if (!start(sandbox) || !print_address(sandbox)) return false;
  char *film = task->film != NULL ? start_film(sandbox) : NULL;
  if (task->film != NULL && film == NULL) return false;
  bool ok = type_into(sandbox, task);
  sleep(task->watch_seconds);
  if (film != NULL) ok = fetch_film(sandbox, film, task->film) && ok;
  free(film);
  return is_done(daytona_computer_use_stop(sandbox, NULL)) && ok;
}

static void read_options(int argc, char **argv, task_t *task) {
  const option_row_t rows[] = {
    {'t', "text", "TEXT", "what is typed", .text = &task->text},
    {'f', "film", "FILE.mp4", "record all of it", .text = &task->film},
    {'p', "program", "COMMAND", "what is opened instead of a terminal", .text = &task->program},
    {'w', "watch", "SECONDS", "wait before the end", .number = &task->watch_seconds, .most = 86400},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (argc - first > 1) refuse_arguments(usage, "one FILE.png at most");
  if (first < argc) task->picture = argv[first];
}

int main(int argc, char **argv) {
  task_t task = {.text =
                   "echo \"Gr\xc3\xbc\xc3\x9f"
                   "e from a C program\"",
                 .program = "xterm -fa Monospace -fs 14",
                 .picture = "desktop.png"};
  read_options(argc, argv, &task);
  daytona_client_t *client = open_client();
  const daytona_pair_t env[] = {{"VNC_RESOLUTION", "1024x640"}};
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true, .env = {env, 1}};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && use_desktop(sandbox, &task);
  ok = discard(sandbox) && ok;
  ok = close_client(client) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
