/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream_scene in which the log of a command is followed, or that of the entrypoint: what the server answers for it, and what was
 * heard of it.
 */
#ifndef TESTS_SUPPORT_FOLLOW_SCENE_H
#define TESTS_SUPPORT_FOLLOW_SCENE_H

#include "support/stream_scene.h"

/* Whose log it is: that of command "c" of session "s", until this is called at the beginning of a program. */
void follow_use_entrypoint(void);
daytona_future_t *follow_begin(daytona_sandbox_t *sandbox, const daytona_session_follow_opts_t *opts);

/* The requests of a follow besides its sockets, and the answers about a command that runs and one that has finished. */
extern const char *follow_get_command, *follow_get_logs, *follow_running, *follow_finished;

static const char follow_log[] = "\1\1\1one\n\2\2\2\xC3\xA9\xFF\n\1\1\1two\n\1\1\1three\n";
static const char follow_log_out[] = "one\ntwo\nthree\n";
static const char follow_log_err[] = "\xC3\xA9\xFF\n";

typedef struct heard {
  stream_scene_t *scene;
  char out[512], err[512];
  daytona_future_t *follow;
  int calls, settled;
  int action_at;
  void (*action)(struct heard *heard);
} follow_heard_t;

void follow_pause_now(follow_heard_t *heard);
daytona_future_t *follow_start(stream_scene_t *scene, follow_heard_t *heard,
                               daytona_session_follow_opts_t opts);
/* Until something was heard, and then until nothing moves any more. */
void follow_until_quiet(follow_heard_t *heard);
/* The log in frames of a few bytes, and the server's close. */
void follow_make_script(stream_script_t *script);
/* The newest socket but those before shows the script and then does `fate`. */
void follow_play_script(stream_scene_t *scene, stream_fate_t fate);
/* The command has finished, and plain requests show this log. */
void follow_finish_command(stream_scene_t *scene, const char *log);
/* All of it at once: the log over a socket that ends well. */
void follow_serve_log(stream_scene_t *scene);
/* Let time pass until the end, which must be this one. */
const daytona_stream_end_t *follow_end_of(stream_scene_t *scene, daytona_future_t *future,
                                          daytona_stream_reason_t reason);
void follow_expect_everything(const follow_heard_t *heard, const daytona_stream_end_t *end);

#endif
