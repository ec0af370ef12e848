/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the official Python SDK calls an operation: the names of spans, of their attributes and of metrics.
 */
#ifndef DAYTONA_CALL_TELEMETRY_NAMES_H
#define DAYTONA_CALL_TELEMETRY_NAMES_H

/* The longest of them, with their NUL. */
enum { DAYTONA__SPAN_NAME_ROOM = 96 };

typedef struct daytona__span_names {
  const char *component;                /* "AsyncFileSystem" */
  const char *method;                   /* "list_files" */
  char span[DAYTONA__SPAN_NAME_ROOM];   /* "AsyncFileSystem.list_files" */
  char metric[DAYTONA__SPAN_NAME_ROOM]; /* "async_file_system_list_files", without "_duration" */
} daytona__span_names_t;

/* `name` is that of the public function, "fs_list_files"; static. */
void daytona__span_names(const char *name, daytona__span_names_t *out);

#endif
