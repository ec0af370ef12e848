/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's command whose log grows, on a stream_scene: sockets that show it in frames and are cut, plain requests
 * that show as much of it as there is at that time, and what a client that follows it has heard, as hashes.
 *
 * The scene may serve any number of follows, one after the other: log_scene_begin() starts afresh.
 */
#ifndef TESTS_SUPPORT_LOG_SCENE_H
#define TESTS_SUPPORT_LOG_SCENE_H

#include "stream_scene.h"

/* A hash over bytes and the stream of each. */
#define LOG_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t log_hash(uint64_t hash, int stream, const char *bytes, size_t size);

typedef struct log_heard {
  uint64_t hash;
  size_t size[3]; /* by stream */
} log_heard_t;

/* What a whole log consists of, by the plainest reading of its marks. */
log_heard_t log_reading(const char *log, size_t size);

typedef struct log_scene {
  stream_scene_t stream;                                                /* first */
  void (*on_rest)(peer_conn_t *conn, const char *request, size_t size); /* of what is not about the command */
  const char *log;
  size_t size;
  size_t shown[STREAM_SCRIPTS]; /* how much plain requests show after so many upgrades, less one */
  size_t finished_at;           /* the command has finished after so many upgrades; SIZE_MAX: never */
  int exit_code;
  bool is_json; /* plain requests are answered with JSON */
  size_t checks, fetches;

  log_heard_t heard;
  daytona_future_t *follow;
  int settled;
  unsigned pauses_of_8; /* how many of eight callbacks pause the follow */
  bool is_paused;
} log_scene_t;

void log_scene_open(log_scene_t *scene);
void log_scene_open_bare(log_scene_t *scene); /* stream_client() is to follow */
void log_scene_close(log_scene_t *scene);
void log_scene_begin(log_scene_t *scene, const char *log, size_t size);

/* The next socket shows the log's first `shown` bytes in frames of at most `frame` bytes (0: of any size up to 40), and
   is cut `cut` bytes from the beginning (SIZE_MAX: not) in this way; it closes with 1000 if `closes`. */
void log_scene_socket(log_scene_t *scene, size_t shown, size_t frame, bool closes, size_t cut,
                      stream_fate_t fate);

/* Follow with `opts`, whose callbacks are filled in, to the end, which is to be success. The future is yours. */
daytona_future_t *log_scene_run(log_scene_t *scene, daytona_session_follow_opts_t opts, int64_t step_ms);

/* The outcome: everything was heard, once, and the command's exit code. */
void log_scene_expect_all(const log_scene_t *scene, const daytona_future_t *future);

#endif
