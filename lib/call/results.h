/*
 * The kinds of results that futures have, each with its public accessor: X(accessor, C type, name for messages).
 *
 * daytona__type_<accessor> is the tag of a result, daytona_future_<accessor>() gives it out. Those of the second list
 * need more than a name, or belong to a lower layer: whoever makes them defines the tag.
 */
#ifndef DAYTONA_CALL_RESULTS_H
#define DAYTONA_CALL_RESULTS_H

#include <daytona/daytona.h>

#include "core/future.h"

#define DAYTONA__PLAIN_RESULT_MAP(X)                                                              \
  X(exec_result, const daytona_exec_result_t *, "exec result")                                    \
  X(file_info, const daytona_file_info_t *, "file info")                                          \
  X(file_list, const daytona_file_list_t *, "file list")                                          \
  X(file_match_list, const daytona_file_match_list_t *, "file matches")                           \
  X(git_branches, const daytona_git_branches_t *, "git branches")                                 \
  X(git_status, const daytona_git_status_t *, "git status")                                       \
  X(interpreter_context, const daytona_interpreter_context_t *, "interpreter context")            \
  X(interpreter_context_list, const daytona_interpreter_context_list_t *, "interpreter contexts") \
  X(preview_link, const daytona_preview_link_t *, "preview link")                                 \
  X(pty_info, const daytona_pty_info_t *, "PTY info")                                             \
  X(pty_list, const daytona_pty_list_t *, "PTY list")                                             \
  X(replace_result_list, const daytona_replace_result_list_t *, "replace results")                \
  X(session, const daytona_session_t *, "session")                                                \
  X(session_command, const daytona_session_command_t *, "session command")                        \
  X(session_exec_result, const daytona_session_exec_result_t *, "session exec result")            \
  X(session_list, const daytona_session_list_t *, "sessions")                                     \
  X(session_logs, const daytona_session_logs_t *, "session logs")                                 \
  X(ssh_access, const daytona_ssh_access_t *, "SSH access")                                       \
  X(ssh_validation, const daytona_ssh_validation_t *, "SSH validation")

#define DAYTONA__OWNED_RESULT_MAP(X)                                  \
  X(bytes, const daytona_bytes_t *)                                   \
  X(fs_result_list, const daytona_fs_result_list_t *)                 \
  X(interpreter_run_result, const daytona_interpreter_run_result_t *) \
  X(map, const daytona_map_t *)                                       \
  X(pty, daytona_pty_t *)                                             \
  X(sandbox, daytona_sandbox_t *)                                     \
  X(sandbox_page, const daytona_sandbox_page_t *)                     \
  X(stream_end, const daytona_stream_end_t *)                         \
  X(string, const char *)                                             \
  X(strings, const daytona_strings_t *)

#define DAYTONA__PLAIN_TYPE(accessor, c_type, label) extern const daytona__type_t daytona__type_##accessor;
#define DAYTONA__OWNED_TYPE(accessor, c_type) extern const daytona__type_t daytona__type_##accessor;
DAYTONA__PLAIN_RESULT_MAP(DAYTONA__PLAIN_TYPE)
DAYTONA__OWNED_RESULT_MAP(DAYTONA__OWNED_TYPE)
#undef DAYTONA__PLAIN_TYPE
#undef DAYTONA__OWNED_TYPE

#endif
