/*
 * What every client of the exec benchmark does alike: keep `concurrency` calls in flight, leave the first
 * ones out, and measure CPU time and wall time from there until `calls` more have finished.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct measure {
  uint64_t concurrency, warmup, calls;
  uint64_t finished;
  double cpu_at, cpu_s, wall_at, wall_s;
} measure_t;

/* From three arguments of the command line; exits when they are not numbers. Raises the limit of descriptors. */
void measure_init(measure_t *measure, char **arguments);

/* One call has finished. True: start another one in its place. */
bool measure_finished(measure_t *measure);

/* A line of JSON on standard output, with the process's peak of memory. */
void measure_print(const measure_t *measure);

#endif
