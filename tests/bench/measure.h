/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the clients of the benchmarks do alike. Those that count calls keep `concurrency` of them in flight, leave
 * the first ones out, and measure CPU time and wall time from there until `calls` more have finished.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

/* CPU time of this process, user and system, and the time on the wall. */
double measure_cpu_now(void);
double measure_wall_now(void);

/* A line of /proc/self/status, by its name: "VmRSS", "VmHWM"; 0 if there is none. */
long measure_status_kb(const char *name);

/* As many descriptors as the system allows. */
void measure_raise_files(void);

/* From an argument of the command line; exits when it is no number. */
uint64_t measure_number(const char *text);

typedef struct measure {
  uint64_t concurrency, warmup, calls;
  uint64_t finished;
  double cpu_at, cpu_s, wall_at, wall_s;
} measure_t;

/* From three arguments of the command line. Raises the limit of descriptors. */
void measure_init(measure_t *measure, char **arguments);

/* One call has finished. True: start another one in its place. */
bool measure_finished(measure_t *measure);

/* A line of JSON on standard output, with the process's peak of memory. */
void measure_print(const measure_t *measure);

#endif
