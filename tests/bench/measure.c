/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See measure.h. Nothing is started after the last call that counts, so the measured part never sees the
 * number of calls in flight go down.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

double measure_cpu_now(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

double measure_wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t measure_number(const char *text) {
  char *end;
  unsigned long long value = text != NULL ? strtoull(text, &end, 10) : 0;
  if (value == 0 || *end != '\0') {
    fprintf(stderr, "not a number: %s\n", text != NULL ? text : "(missing)");
    exit(2);
  }
  return value;
}

void measure_raise_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

void measure_init(measure_t *measure, char **arguments) {
  *measure = (measure_t){0};
  measure->concurrency = measure_number(arguments[0]);
  measure->warmup = measure_number(arguments[1]);
  measure->calls = measure_number(arguments[2]);
  measure_raise_files();
}

bool measure_finished(measure_t *measure) {
  uint64_t last = measure->warmup + measure->calls;
  if (++measure->finished == measure->warmup) {
    measure->cpu_at = measure_cpu_now();
    measure->wall_at = measure_wall_now();
  } else if (measure->finished == last) {
    measure->cpu_s = measure_cpu_now() - measure->cpu_at;
    measure->wall_s = measure_wall_now() - measure->wall_at;
  }
  return measure->finished < last;
}

long measure_status_kb(const char *name) {
  char line[256];
  long value = 0;
  size_t size = strlen(name);
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, name, size) == 0 && sscanf(line + size, ": %ld", &value) == 1) break;
  if (status != NULL) fclose(status);
  return value;
}

/* The peak is that of this program alone: ru_maxrss remembers the process that it was forked from. */
void measure_print(const measure_t *measure) {
  double calls = (double)measure->calls;
  printf("{\"cpu_us\": %.3f, \"calls_per_s\": %.1f, \"peak_kb\": %ld}\n", measure->cpu_s * 1e6 / calls,
         calls / measure->wall_s, measure_status_kb("VmHWM"));
}
