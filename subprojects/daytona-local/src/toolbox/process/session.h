/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: shells that keep their state, and the commands given to them one after another.
 */
#ifndef DL_SESSION_H
#define DL_SESSION_H

#include "toolbox/core/spawn.h"
#include "toolbox/process/process.h"
#include "toolbox/process/sdk_version.h"
#include "toolbox/process/session_run.h"

#define DL_SESSION_COMMANDS_MAX 100000
/* The session of what the sandbox was started with; no client can make or change it. */
#define DL_ENTRYPOINT_ID "entrypoint"

typedef enum { DL_COMMAND_WAITING, DL_COMMAND_RUNNING, DL_COMMAND_DONE, DL_COMMAND_LOST } dl_command_state_t;

typedef struct dl_session dl_session_t;

typedef struct dl_command {
  dl_list_t link;
  dl_session_t *session;
  char id[DL_UUID_LEN + 1];
  char *text, *dir;
  dl_command_state_t state;
  int exit_code; /* when done */
  bool is_async, hides_input;
  /* A synchronous execution that waits for the response; NULL when there is none. `on_end` gives it, once. */
  dl_req_t *req;
  void (*on_end)(struct dl_command *c);
  dl_log_view_t view;
  dl_list_t followers; /* see session_follow.c */
} dl_command_t;

struct dl_session {
  dl_list_t link;
  dl_toolbox_t *tb;
  char *id, *dir;
  dl_process_t shell;
  bool is_alive, is_reading, is_deleting, is_removing;
  int in_fd, status_fd; /* the shell's input, and where it reports each command's status */
  uv_poll_t status;
  dl_buf_t report;
  dl_list_t commands;
  size_t command_count;
  dl_command_t *current;
  dl_session_run_t *run; /* of the current command */
  dl_req_t *delete_req;  /* NULL when the toolbox ends */
  uv_timer_t deletion;
  uv_work_t removal;
  uint64_t give_up_ms;
  int open_handles;
};

/* The session called `id`, or NULL; its id is taken as long as it is being deleted. */
dl_session_t *dl_session_find(dl_toolbox_t *tb, const char *id);
dl_command_t *dl_session_command(dl_session_t *s, const char *id);
/* 0, or an errno value. The id is free and fit for a directory's name. */
int dl_session_create(dl_toolbox_t *tb, const char *id, const char *cwd);
/* Adds `text` to the queue. 0 and *out, or an errno value. */
int dl_session_submit(dl_session_t *s, const char *text, dl_command_t **out);
/* Starts commands that may start now. */
void dl_session_advance(dl_session_t *s);
/* Ends the session and everything in it, then answers 204. */
void dl_session_delete(dl_session_t *s, dl_req_t *req);

dl_list_t *dl_sessions_list(dl_toolbox_t *tb);

/* --- followers (session_follow.c) --- */

/* The log over a WebSocket; `is_following`: until the command has ended. */
void dl_command_follow_socket(dl_command_t *c, dl_req_t *req, dl_log_view_t view, bool is_following);
/* The log as a chunked body, without markers, until the command has ended. */
void dl_command_follow_stream(dl_command_t *c, dl_req_t *req);
/* The log has grown. */
void dl_command_wake(dl_command_t *c);
/* The command has ended, or goes away: followers send the rest, and then their end. */
void dl_command_release_followers(dl_command_t *c);

#endif
