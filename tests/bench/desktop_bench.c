/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desktop through the library: desktop_bench NAME SHOTS CHARACTERS
 *
 * Makes a sandbox NAME with a desktop of 1280 x 720 pixels and a window full of text, which stays for other clients, and prints one
 * line of JSON: from the start of the desktop to its first screenshot, a screenshot of each kind (medians, one at a time), the CPU
 * time of this process for a PNG, and how fast text is typed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "measure.h"

enum { WIDTH = 1280, HEIGHT = 720, WARMUP = 5, SHOTS_MAX = 1000 };

static const char window_command[] =
  "(xterm -fn fixed -geometry 160x50+0+0 -e sh -c 'ls -la /usr/bin | head -200; exec cat >/dev/null' "
  ">/dev/null 2>&1 </dev/null &)";

static void stop_if_failed(daytona_future_t *future) {
  if (daytona_future_await(future) == 0) return;
  fprintf(stderr, "desktop_bench: %s\n", daytona_future_error(future)->message);
  exit(1);
}

static void must(daytona_future_t *future) {
  stop_if_failed(future);
  daytona_future_release(future);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Milliseconds, the median of `count`; *cpu_us: of one. */
static double take_shots(daytona_sandbox_t *sandbox, const char *format, uint64_t count, double *cpu_us) {
  static double times[SHOTS_MAX];
  const daytona_screenshot_compressed_opts_t opts = {.format = format};
  double cpu = 0;
  for (uint64_t i = 0; i < count + WARMUP; i++) {
    if (i == WARMUP) cpu = measure_cpu_now();
    double at = measure_wall_now();
    daytona_future_t *future = strcmp(format, "png") == 0
                                 ? daytona_screenshot_take_full_screen(sandbox, NULL)
                                 : daytona_screenshot_take_compressed(sandbox, &opts);
    stop_if_failed(future);
    const daytona_screenshot_t *shot = daytona_future_screenshot(future);
    if (shot->width != WIDTH || shot->height != HEIGHT) exit(1);
    daytona_future_release(future);
    if (i >= WARMUP) times[i - WARMUP] = (measure_wall_now() - at) * 1000;
  }
  *cpu_us = (measure_cpu_now() - cpu) * 1e6 / (double)count;
  qsort(times, count, sizeof *times, compare);
  return times[count / 2];
}

static double start(daytona_sandbox_t *sandbox) {
  double at = measure_wall_now();
  must(daytona_computer_use_start(sandbox, NULL));
  must(daytona_screenshot_take_full_screen(sandbox, NULL));
  return (measure_wall_now() - at) * 1000;
}

static void open_window(daytona_sandbox_t *sandbox) {
  must(daytona_process_exec(sandbox, window_command, NULL));
  for (bool is_there = false; !is_there;) {
    daytona_future_t *future = daytona_display_get_windows(sandbox, NULL);
    stop_if_failed(future);
    is_there = daytona_future_display_window_list(future)->count > 0;
    daytona_future_release(future);
  }
  must(daytona_process_exec(sandbox, "sleep 1", NULL)); /* until it is filled */
  must(daytona_mouse_click(sandbox, 100, 100, NULL));
}

static double type_text(daytona_sandbox_t *sandbox, uint64_t count) {
  char *text = calloc(1, count + 1);
  for (uint64_t i = 0; i < count; i++) text[i] = "The quick brown Fox. "[i % 21];
  for (uint64_t i = 79; i < count; i += 80) text[i] = '\n';
  double at = measure_wall_now();
  must(daytona_keyboard_type(sandbox, text, NULL));
  at = measure_wall_now() - at;
  free(text);
  return (double)count / at;
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: desktop_bench NAME SHOTS CHARACTERS\n");
    return 2;
  }
  uint64_t shots = measure_number(arguments[2]), characters = measure_number(arguments[3]);
  if (shots == 0 || shots > SHOTS_MAX) return 2;
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  const daytona_pair_t env[] = {{"VNC_RESOLUTION", "1280x720"}};
  const daytona_sandbox_create_opts_t opts = {.name = arguments[1], .env = {env, 1}};
  daytona_future_t *future = daytona_sandbox_create(client, &opts);
  stop_if_failed(future);
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  double png_cpu, jpeg_cpu, start_ms = start(sandbox);
  open_window(sandbox);
  double png_ms = take_shots(sandbox, "png", shots, &png_cpu),
         jpeg_ms = take_shots(sandbox, "jpeg", shots, &jpeg_cpu);
  printf(
    "{\"start_ms\": %.1f, \"png_ms\": %.3f, \"jpeg_ms\": %.3f, \"png_cpu_us\": %.1f, \"chars_per_s\": "
    "%.0f}\n",
    start_ms, png_ms, jpeg_ms, png_cpu, type_text(sandbox, characters));
  daytona_sandbox_release(sandbox);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
