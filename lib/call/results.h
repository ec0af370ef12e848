/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of results that futures have, each with its public accessor: X(accessor, C type).
 *
 * daytona__type_<accessor> is the tag of a result, daytona_future_<accessor>() gives it out. Those of the second list
 * need more than a name, or belong to a lower layer: the code that makes them defines the tag. The name of a tag is that of its
 * accessor: daytona_future_kind().
 */
#ifndef DAYTONA_CALL_RESULTS_H
#define DAYTONA_CALL_RESULTS_H

#include <daytona/daytona.h>

#include "core/future.h"

#define DAYTONA__PLAIN_RESULT_MAP(X)                                            \
  X(accessibility_node_list, const daytona_accessibility_node_list_t *)         \
  X(accessibility_tree, const daytona_accessibility_tree_t *)                   \
  X(computer_use_process_status, const daytona_computer_use_process_status_t *) \
  X(computer_use_result, const daytona_computer_use_result_t *)                 \
  X(display_info_list, const daytona_display_info_list_t *)                     \
  X(display_window_list, const daytona_display_window_list_t *)                 \
  X(exec_result, const daytona_exec_result_t *)                                 \
  X(file_info, const daytona_file_info_t *)                                     \
  X(file_list, const daytona_file_list_t *)                                     \
  X(file_match_list, const daytona_file_match_list_t *)                         \
  X(git_branches, const daytona_git_branches_t *)                               \
  X(git_status, const daytona_git_status_t *)                                   \
  X(interpreter_context, const daytona_interpreter_context_t *)                 \
  X(interpreter_context_list, const daytona_interpreter_context_list_t *)       \
  X(lsp_completion_list, const daytona_lsp_completion_list_t *)                 \
  X(lsp_symbol_list, const daytona_lsp_symbol_list_t *)                         \
  X(preview_link, const daytona_preview_link_t *)                               \
  X(object_storage_result, const daytona_object_storage_result_t *)             \
  X(mouse_position, const daytona_mouse_position_t *)                           \
  X(pty_info, const daytona_pty_info_t *)                                       \
  X(pty_list, const daytona_pty_list_t *)                                       \
  X(recording, const daytona_recording_t *)                                     \
  X(recording_list, const daytona_recording_list_t *)                           \
  X(replace_result_list, const daytona_replace_result_list_t *)                 \
  X(sandbox_metrics, const daytona_sandbox_metrics_t *)                         \
  X(sandbox_metrics_list, const daytona_sandbox_metrics_list_t *)               \
  X(screenshot, const daytona_screenshot_t *)                                   \
  X(secret, const daytona_secret_t *)                                           \
  X(secret_page, const daytona_secret_page_t *)                                 \
  X(session, const daytona_session_t *)                                         \
  X(session_command, const daytona_session_command_t *)                         \
  X(session_exec_result, const daytona_session_exec_result_t *)                 \
  X(session_list, const daytona_session_list_t *)                               \
  X(session_logs, const daytona_session_logs_t *)                               \
  X(snapshot, const daytona_snapshot_t *)                                       \
  X(snapshot_page, const daytona_snapshot_page_t *)                             \
  X(ssh_access, const daytona_ssh_access_t *)                                   \
  X(ssh_validation, const daytona_ssh_validation_t *)                           \
  X(volume, const daytona_volume_t *)                                           \
  X(volume_list, const daytona_volume_list_t *)                                 \
  X(warm_pool, const daytona_warm_pool_t *)                                     \
  X(warm_pool_list, const daytona_warm_pool_list_t *)

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

#define DAYTONA__TYPE(accessor, c_type) extern const daytona__type_t daytona__type_##accessor;
DAYTONA__PLAIN_RESULT_MAP(DAYTONA__TYPE)
DAYTONA__OWNED_RESULT_MAP(DAYTONA__TYPE)
#undef DAYTONA__TYPE

#endif
