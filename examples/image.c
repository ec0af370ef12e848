/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image of one's own: declared in C, built with its log on the screen, and a sandbox from it.
 *
 *   daytona-local run -- image [--from IMAGE] [FILE...]
 *
 * Each FILE is copied into the image. Where there is no network, give the base image to the local server first:
 * daytona-local image import. A terminal shows one line of progress below the log; a file or pipe gets plain lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char usage[] =
  "usage: image [OPTIONS] [FILE...]\n"
  "Builds an image with the files in /data, and runs a sandbox from it.\n";

/* --- the log ----------------------------------------------------------------------------------- */

typedef struct screen {
  uint64_t began_ns;
  char state[32];
  size_t lines;
  bool is_terminal, is_at_start;
} screen_t;

static void show_progress(const screen_t *screen) {
  if (!screen->is_terminal) return;
  printf("\r\033[K[%5.1f s] %s, %zu lines", (double)(uv_hrtime() - screen->began_ns) / 1e9, screen->state,
         screen->lines);
  fflush(stdout);
}

/* The log comes in chunks that need not end with a line. */
static void on_build(const daytona_build_event_t *event, void *user) {
  screen_t *screen = user;
  if (event->text == NULL) {
    snprintf(screen->state, sizeof screen->state, "%s", event->state_name);
    if (!screen->is_terminal)
      printf("[%5.1f s] %s\n", (double)(uv_hrtime() - screen->began_ns) / 1e9, event->state_name);
  }
  if (screen->is_terminal && screen->is_at_start) printf("\r\033[K");
  for (size_t i = 0; i < event->size; i++) {
    if (screen->is_at_start) printf("  | ");
    putchar(event->text[i]);
    screen->is_at_start = event->text[i] == '\n';
    screen->lines += screen->is_at_start;
  }
  if (screen->is_at_start) show_progress(screen);
}

/* --- the image --------------------------------------------------------------------------------- */

static daytona_image_t *declare(const char *from, char **files, int count) {
  static const char *const commands[] = {"mkdir -p /data && echo \"built by $BUILDER\" > /data/greeting"};
  static const daytona_pair_t variables[] = {{"BUILDER", "libdaytona"}};
  daytona_image_t *image = daytona_image_base(from);
  daytona_image_env(image, &(daytona_map_t){variables, 1});
  daytona_image_run_commands(image, &(daytona_strings_t){commands, 1});
  for (int i = 0; i < count; i++) daytona_image_add_local_file(image, files[i], "/data/");
  return daytona_image_workdir(image, "/data");
}

static bool build_and_run(daytona_client_t *client, daytona_image_t *image) {
  screen_t screen = {
    .began_ns = uv_hrtime(), .state = "files", .is_terminal = isatty(1), .is_at_start = true};
  const daytona_sandbox_create_opts_t opts = {
    .image = image,
    .is_ephemeral = true,
    .resources = {.cpu = daytona_int(1), .memory_gib = daytona_int(1)},
    .on_build = on_build,
    .user = &screen,
    .timeout_ms = 10 * 60 * 1000};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  if (screen.is_terminal) printf("\n");
  bool ok = sandbox != NULL && run_and_print(sandbox, "cat greeting; ls -l; echo $BUILDER");
  return discard(sandbox) && ok;
}

int main(int argc, char **argv) {
  const char *from = "debian:12.9";
  bool prints = false;
  const option_row_t rows[] = {
    {'f', "from", "IMAGE", "what it begins with (default debian:12.9)", .text = &from},
    {'d', "dockerfile", NULL, "print the Dockerfile, and build nothing", .flag = &prints},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  daytona_image_t *image = declare(from, argv + first, argc - first);
  const char *problem;
  bool ok = daytona_image_check(image, &problem) == DAYTONA_OK;
  if (!ok) fprintf(stderr, "%s\n", problem);
  if (ok && prints) fputs(daytona_image_dockerfile(image), stdout);
  if (ok && !prints) {
    daytona_client_t *client = open_client();
    ok = build_and_run(client, image);
    ok = close_client(client) && ok;
  }
  daytona_image_release(image);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
