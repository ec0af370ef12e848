/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file calls that are one request each. Transfers are in fs_upload.c and fs_download.c.
 */
#include <daytona/fs.h>

#include "call/method.h"
#include "call/results.h"

typedef struct fs_args {
  const char *path, *mode, *source, *destination, *pattern, *new_value;
  daytona_strings_t files;
} fs_args_t;

#define QUERY(member) DAYTONA__ARG(IN_QUERY, fs_args_t, STRING, member, #member, .rules = DAYTONA__NONEMPTY)
#define OPT(opts_type, type, member, key, ...) \
  DAYTONA__OPT(IN_QUERY, opts_type, type, member, key, __VA_ARGS__)

#define FILES(noun, http_verb, tail, what, ...)                                                     \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/files" tail, \
                  .service = DAYTONA__TOOLBOX, __VA_ARGS__)
#define ARGS(...) .request = DAYTONA__ARGS(fs_args_t, __VA_ARGS__)

static DAYTONA__MODEL_OF(info_model, daytona_file_info_t, "FileInfo",
                         DAYTONA__FIELD(daytona_file_info_t, STRING, name, "name"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, path, "path"),
                         DAYTONA__FIELD(daytona_file_info_t, INT, size, "size"),
                         DAYTONA__FIELD(daytona_file_info_t, BOOL, is_dir, "isDir"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, mode, "mode"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, permissions, "permissions"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, owner, "owner"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, group, "group"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, mod_time, "modTime"),
                         DAYTONA__FIELD(daytona_file_info_t, STRING, modified_at, "modifiedAt"));

static DAYTONA__MODEL_OF(match_model, daytona_file_match_t, "Match",
                         DAYTONA__FIELD(daytona_file_match_t, STRING, file, "file"),
                         DAYTONA__FIELD(daytona_file_match_t, INT, line, "line"),
                         DAYTONA__FIELD(daytona_file_match_t, STRING, content, "content"));

static DAYTONA__MODEL_OF(replaced_model, daytona_replace_result_t, "ReplaceResult",
                         DAYTONA__FIELD(daytona_replace_result_t, STRING, file, "file"),
                         DAYTONA__FIELD(daytona_replace_result_t, BOOL, is_success, "success"),
                         DAYTONA__FIELD(daytona_replace_result_t, STRING, error, "error"));

static DAYTONA__MODEL_OF(names_model, daytona_strings_t, "SearchFilesResponse",
                         {.key = "files", .type = DAYTONA__JSON_STRINGS});

/* --- folders and files ------------------------------------------------------------------------- */

FILES(create_folder, "POST", "/folder", "create folder",
      ARGS(QUERY(path), DAYTONA__ARG(IN_QUERY, fs_args_t, STRING, mode, "mode", .fallback = "755",
                                     .rules = DAYTONA__OCTAL)));

daytona_future_t *daytona_fs_create_folder(daytona_sandbox_t *sandbox, const char *path, const char *mode,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &create_folder_method, &(fs_args_t){.path = path, .mode = mode},
                       DAYTONA__OPTS(opts));
}

FILES(delete, "DELETE", "", "delete file",
      ARGS(QUERY(path), OPT(daytona_fs_delete_file_opts_t, BOOL, is_recursive, "recursive")));

daytona_future_t *daytona_fs_delete_file(daytona_sandbox_t *sandbox, const char *path,
                                         const daytona_fs_delete_file_opts_t *opts) {
  return daytona__call(sandbox, &delete_method, &(fs_args_t){.path = path}, DAYTONA__OPTS(opts));
}

FILES(move, "POST", "/move", "move files", ARGS(QUERY(source), QUERY(destination)));

daytona_future_t *daytona_fs_move_files(daytona_sandbox_t *sandbox, const char *source,
                                        const char *destination, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &move_method, &(fs_args_t){.source = source, .destination = destination},
                       DAYTONA__OPTS(opts));
}

#define PERMISSION(member) \
  OPT(daytona_fs_set_file_permissions_opts_t, STRING, member, #member, .group = 1, .rules = DAYTONA__ANY_OF)

FILES(permissions, "POST", "/permissions", "set file permissions",
      ARGS(QUERY(path), PERMISSION(owner), PERMISSION(group),
           OPT(daytona_fs_set_file_permissions_opts_t, STRING, mode, "mode", .group = 1,
               .rules = DAYTONA__ANY_OF | DAYTONA__OCTAL)));

daytona_future_t *daytona_fs_set_file_permissions(daytona_sandbox_t *sandbox, const char *path,
                                                  const daytona_fs_set_file_permissions_opts_t *opts) {
  return daytona__call(sandbox, &permissions_method, &(fs_args_t){.path = path}, DAYTONA__OPTS(opts));
}

/* --- looking ----------------------------------------------------------------------------------- */

FILES(info, "GET", "/info", "get file info", ARGS(QUERY(path)), .response = &info_model,
      .result = &daytona__type_file_info);

daytona_future_t *daytona_fs_get_file_info(daytona_sandbox_t *sandbox, const char *path,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &info_method, &(fs_args_t){.path = path}, DAYTONA__OPTS(opts));
}

FILES(list, "GET", "", "list files",
      ARGS(QUERY(path),
           OPT(daytona_fs_list_files_opts_t, OPT_INT, depth, "depth", .rules = DAYTONA__MIN, .min = 1)),
      .response = &info_model, .gives_array = true, .result = &daytona__type_file_list);

daytona_future_t *daytona_fs_list_files(daytona_sandbox_t *sandbox, const char *path,
                                        const daytona_fs_list_files_opts_t *opts) {
  return daytona__call(sandbox, &list_method, &(fs_args_t){.path = path}, DAYTONA__OPTS(opts));
}

FILES(find, "GET", "/find", "find files", ARGS(QUERY(path), QUERY(pattern)), .response = &match_model,
      .gives_array = true, .result = &daytona__type_file_match_list);

daytona_future_t *daytona_fs_find_files(daytona_sandbox_t *sandbox, const char *path, const char *pattern,
                                        const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &find_method, &(fs_args_t){.path = path, .pattern = pattern},
                       DAYTONA__OPTS(opts));
}

FILES(search, "GET", "/search", "search files", ARGS(QUERY(path), QUERY(pattern)), .response = &names_model,
      .result = &daytona__type_strings);

daytona_future_t *daytona_fs_search_files(daytona_sandbox_t *sandbox, const char *path, const char *pattern,
                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &search_method, &(fs_args_t){.path = path, .pattern = pattern},
                       DAYTONA__OPTS(opts));
}

#define BODY(type, member, key, ...) DAYTONA__ARG(IN_BODY, fs_args_t, type, member, key, __VA_ARGS__)

FILES(replace, "POST", "/replace", "replace in files",
      ARGS(BODY(STRINGS, files, "files", .rules = DAYTONA__NONEMPTY),
           BODY(STRING, pattern, "pattern", .rules = DAYTONA__NONEMPTY),
           BODY(STRING, new_value, "newValue", .rules = DAYTONA__GIVEN)),
      .response = &replaced_model, .gives_array = true, .result = &daytona__type_replace_result_list);

daytona_future_t *daytona_fs_replace_in_files(daytona_sandbox_t *sandbox, const daytona_strings_t *files,
                                              const char *pattern, const char *new_value,
                                              const daytona_call_opts_t *opts) {
  const fs_args_t args = {.files = DAYTONA__OR_EMPTY(files), .pattern = pattern, .new_value = new_value};
  return daytona__call(sandbox, &replace_method, &args, DAYTONA__OPTS(opts));
}
