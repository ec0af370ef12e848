/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of a desktop; see recording.h. Their downloads are in recording_download.c.
 */
#include <daytona/recording.h>

#include "call/method.h"
#include "call/results.h"

#define FIELD(type, member, key, ...) DAYTONA__FIELD(daytona_recording_t, type, member, key, __VA_ARGS__)

static DAYTONA__MODEL_OF(recording_model, daytona_recording_t, "Recording",
                         FIELD(STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
                         FIELD(STRING, file_name, "fileName"), FIELD(STRING, file_path, "filePath"),
                         FIELD(STRING, start_time, "startTime"), FIELD(STRING, end_time, "endTime"),
                         FIELD(STRING, status, "status"), FIELD(OPT_NUM, duration_seconds, "durationSeconds"),
                         FIELD(OPT_INT, size_bytes, "sizeBytes"));

static DAYTONA__MODEL_OF(list_model, daytona_recording_list_t, "ListRecordingsResponse",
                         DAYTONA__FIELD_LIST(daytona_recording_list_t, items, count, "recordings",
                                             &recording_model));

typedef struct recording_args {
  const char *id;
} recording_args_t;

#define ID(place) DAYTONA__ARG(place, recording_args_t, STRING, id, "id", .rules = DAYTONA__NONEMPTY)
#define ARGS(...) .request = DAYTONA__ARGS(recording_args_t, __VA_ARGS__)
#define RECORDING(noun, http_verb, tail, what, ...)                          \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/computeruse/recordings" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)
#define ONE .response = &recording_model, .result = &daytona__type_recording

RECORDING(start, "POST", "/start", "start recording",
          ARGS(DAYTONA__OPT(IN_BODY, daytona_recording_start_opts_t, STRING, label, "label")), ONE);

daytona_future_t *daytona_recording_start(daytona_sandbox_t *sandbox,
                                          const daytona_recording_start_opts_t *opts) {
  return daytona__call(sandbox, &start_method, NULL, DAYTONA__OPTS(opts));
}

RECORDING(stop, "POST", "/stop", "stop recording", ARGS(ID(IN_BODY)), ONE);

daytona_future_t *daytona_recording_stop(daytona_sandbox_t *sandbox, const char *id,
                                         const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &stop_method, &(recording_args_t){id}, DAYTONA__OPTS(opts));
}

RECORDING(list, "GET", "", "list recordings", .response = &list_model,
          .result = &daytona__type_recording_list);

daytona_future_t *daytona_recording_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &list_method, NULL, DAYTONA__OPTS(opts));
}

RECORDING(get, "GET", "/{id}", "get recording", ARGS(ID(IN_PATH)), ONE);

daytona_future_t *daytona_recording_get(daytona_sandbox_t *sandbox, const char *id,
                                        const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_method, &(recording_args_t){id}, DAYTONA__OPTS(opts));
}

RECORDING(delete, "DELETE", "/{id}", "delete recording", ARGS(ID(IN_PATH)));

daytona_future_t *daytona_recording_delete(daytona_sandbox_t *sandbox, const char *id,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &delete_method, &(recording_args_t){id}, DAYTONA__OPTS(opts));
}
