/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See telemetry_names.h. Functions are called what they are called here, but for the rows of `renamed`; what the official
 * SDK has no span for, such as the streams, has the name of its method there.
 */
#include "call/telemetry_names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct row {
  const char *prefix, *component;
} row_t;

/* The first that fits. */
static const row_t components[] = {
  {"accessibility_", "AsyncAccessibility"},
  {"computer_use_", "AsyncComputerUse"},
  {"display_", "AsyncDisplay"},
  {"fs_", "AsyncFileSystem"},
  {"git_", "AsyncGit"},
  {"interpreter_", "AsyncCodeInterpreter"},
  {"keyboard_", "AsyncKeyboard"},
  {"lsp_", "AsyncLspServer"},
  {"mouse_", "AsyncMouse"},
  {"object_storage_", "AsyncObjectStorage"},
  {"process_", "AsyncProcess"},
  {"pty_", "AsyncProcess"},
  {"recording_", "AsyncRecordingService"},
  {"sandbox_", "AsyncSandbox"},
  {"screenshot_", "AsyncScreenshot"},
  {"secret_", "AsyncSecretService"},
  {"session_", "AsyncProcess"},
  {"snapshot_", "AsyncSnapshotService"},
  {"volume_", "AsyncVolumeService"},
  {"warm_pool_", "AsyncWarmPoolService"},
};

/* Of another component, or method, or span than the rule gives; NULL: as the rule says. */
static const struct {
  const char *name, *component, *method, *span;
} renamed[] = {
  {"fs_download", NULL, "download_file", NULL},
  {"fs_upload", NULL, "upload_file", NULL},
  {"git_get_status", NULL, "status", NULL},
  {"git_list_branches", NULL, "branches", NULL},
  {"git_list_remotes", NULL, "remotes", NULL},
  {"pty_connect", NULL, "connect_pty_session", NULL},
  {"pty_create", NULL, "create_pty_session", NULL},
  {"pty_get_info", NULL, "get_pty_session_info", NULL},
  {"pty_kill", NULL, "kill_pty_session", NULL},
  {"pty_list", NULL, "list_pty_sessions", NULL},
  {"pty_resize", NULL, "resize_pty_session", NULL},
  {"pty_wait", "AsyncPtyHandle", "wait", NULL},
  {"recording_download_file", NULL, "download", NULL},
  {"recording_download_file_stream", NULL, "download", NULL},
  {"sandbox_create", "AsyncDaytona", NULL, NULL},
  {"sandbox_find_one", "AsyncDaytona", NULL, NULL},
  {"sandbox_get", "AsyncDaytona", NULL, NULL},
  {"sandbox_iter_next", "AsyncDaytona", "_fetch_sandbox_page", "AsyncDaytona.list.fetch_page"},
  {"sandbox_list", "AsyncDaytona", NULL, NULL},
  {"sandbox_wait_for_start", NULL, "wait_for_sandbox_start", NULL},
  {"sandbox_wait_for_stop", NULL, "wait_for_sandbox_stop", NULL},
  {"secret_iter_next", NULL, "list", NULL},
  {"session_create", NULL, "create_session", NULL},
  {"session_delete", NULL, "delete_session", NULL},
  {"session_exec", NULL, "execute_session_command", NULL},
  {"session_follow", NULL, "get_session_command_logs_async", NULL},
  {"session_follow_entrypoint", NULL, "get_entrypoint_logs_async", NULL},
  {"session_get", NULL, "get_session", NULL},
  {"session_get_command", NULL, "get_session_command", NULL},
  {"session_get_command_logs", NULL, "get_session_command_logs", NULL},
  {"session_get_entrypoint", NULL, "get_entrypoint_session", NULL},
  {"session_get_entrypoint_logs", NULL, "get_entrypoint_logs", NULL},
  {"session_list", NULL, "list_sessions", NULL},
  {"session_send_input", NULL, "send_session_command_input", NULL},
  {"snapshot_iter_next", NULL, "list", NULL},
  {"snapshot_process_image_context", "ObjectStorageApi", NULL, NULL},
};

/* As Python's to_snake_case() of the official SDK: a dash below in front of capitals, and for dots. */
static void to_snake_case(const char *text, char *out, size_t room) {
  size_t size = 0;
  for (size_t i = 0; text[i] != '\0' && size + 2 < room; i++) {
    bool is_capital = text[i] >= 'A' && text[i] <= 'Z';
    if (is_capital && i != 0) out[size++] = '_';
    out[size++] = (char)(is_capital ? text[i] + ('a' - 'A') : text[i] == '.' ? '_' : text[i]);
  }
  out[size] = '\0';
}

void daytona__span_names(const char *name, daytona__span_names_t *out) {
  const char *span = NULL;
  out->component = "AsyncDaytona";
  out->method = name;
  for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
    size_t size = strlen(components[i].prefix);
    if (strncmp(name, components[i].prefix, size) != 0) continue;
    out->component = components[i].component;
    out->method = name + size;
    break;
  }
  for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
    if (strcmp(name, renamed[i].name) != 0) continue;
    if (renamed[i].component != NULL) out->component = renamed[i].component;
    if (renamed[i].method != NULL) out->method = renamed[i].method;
    span = renamed[i].span;
  }
  if (span != NULL)
    snprintf(out->span, sizeof out->span, "%s", span);
  else
    snprintf(out->span, sizeof out->span, "%s.%s", out->component, out->method);
  to_snake_case(out->span, out->metric, sizeof out->metric);
}
