/*
 * See measure.h. Nothing is started after the last call that counts, so the measured part never sees the
 * number of calls in flight go down.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static double cpu_now(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static double wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t number(const char *text) {
  char *end;
  unsigned long long value = text != NULL ? strtoull(text, &end, 10) : 0;
  if (value == 0 || *end != '\0') {
    fprintf(stderr, "not a number: %s\n", text != NULL ? text : "(missing)");
    exit(2);
  }
  return value;
}

void measure_init(measure_t *measure, char **arguments) {
  *measure = (measure_t){0};
  measure->concurrency = number(arguments[0]);
  measure->warmup = number(arguments[1]);
  measure->calls = number(arguments[2]);
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

bool measure_finished(measure_t *measure) {
  uint64_t last = measure->warmup + measure->calls;
  if (++measure->finished == measure->warmup) {
    measure->cpu_at = cpu_now();
    measure->wall_at = wall_now();
  } else if (measure->finished == last) {
    measure->cpu_s = cpu_now() - measure->cpu_at;
    measure->wall_s = wall_now() - measure->wall_at;
  }
  return measure->finished < last;
}

/* Of this program alone: ru_maxrss remembers the process that it was forked from. */
static long peak_kb(void) {
  char line[256];
  long peak = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "VmHWM: %ld", &peak) == 1) break;
  if (status != NULL) fclose(status);
  return peak;
}

void measure_print(const measure_t *measure) {
  printf("{\"cpu_us\": %.3f, \"calls_per_s\": %.1f, \"peak_kb\": %ld}\n",
         measure->cpu_s * 1e6 / (double)measure->calls, (double)measure->calls / measure->wall_s, peak_kb());
}
