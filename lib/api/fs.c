/*
 * Files: the calls that are one request each. Transfers have files of their own.
 */
#include <daytona/fs.h>

#include <string.h>

#include "call/op.h"

/* --- tables ------------------------------------------------------------------------------------ */

static const daytona__json_field_t info_fields[] = {
  DAYTONA__FIELD(daytona_file_info_t, STRING, name, "name"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, path, "path"),
  DAYTONA__FIELD(daytona_file_info_t, INT, size, "size"),
  DAYTONA__FIELD(daytona_file_info_t, BOOL, is_dir, "isDir"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, mode, "mode"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, permissions, "permissions"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, owner, "owner"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, group, "group"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, mod_time, "modTime"),
  DAYTONA__FIELD(daytona_file_info_t, STRING, modified_at, "modifiedAt"),
};
static DAYTONA__MODEL(info_model, daytona_file_info_t, "FileInfo", info_fields);

static const daytona__json_field_t match_fields[] = {
  DAYTONA__FIELD(daytona_file_match_t, STRING, file, "file"),
  DAYTONA__FIELD(daytona_file_match_t, INT, line, "line"),
  DAYTONA__FIELD(daytona_file_match_t, STRING, content, "content"),
};
static DAYTONA__MODEL(match_model, daytona_file_match_t, "Match", match_fields);

static const daytona__json_field_t replaced_fields[] = {
  DAYTONA__FIELD(daytona_replace_result_t, STRING, file, "file"),
  DAYTONA__FIELD(daytona_replace_result_t, BOOL, is_success, "success"),
  DAYTONA__FIELD(daytona_replace_result_t, STRING, error, "error"),
};
static DAYTONA__MODEL(replaced_model, daytona_replace_result_t, "ReplaceResult", replaced_fields);

typedef struct names {
  daytona_strings_t files;
} names_t;

static const daytona__json_field_t names_fields[] = {DAYTONA__FIELD(names_t, STRINGS, files, "files")};
static DAYTONA__MODEL(names_model, names_t, "SearchFilesResponse", names_fields);

typedef struct replacement {
  daytona_strings_t files;
  const char *pattern, *new_value;
} replacement_t;

static const daytona__json_field_t replacement_fields[] = {
  DAYTONA__FIELD(replacement_t, STRINGS, files, "files"),
  DAYTONA__FIELD(replacement_t, STRING, pattern, "pattern"),
  DAYTONA__FIELD(replacement_t, STRING, new_value, "newValue", .flags = DAYTONA__JSON_ALWAYS),
};
static DAYTONA__MODEL(replacement_model, replacement_t, "ReplaceRequest", replacement_fields);

static const daytona__type_t type_info = {"file info", NULL};
static const daytona__type_t type_list = {"file list", NULL};
static const daytona__type_t type_matches = {"file matches", NULL};
static const daytona__type_t type_replaced = {"replace results", NULL};

const daytona_file_info_t *daytona_future_file_info(const daytona_future_t *future) {
  return daytona__future_result(future, &type_info);
}

const daytona_file_list_t *daytona_future_file_list(const daytona_future_t *future) {
  return daytona__future_result(future, &type_list);
}

const daytona_file_match_list_t *daytona_future_file_match_list(const daytona_future_t *future) {
  return daytona__future_result(future, &type_matches);
}

const daytona_replace_result_list_t *daytona_future_replace_result_list(const daytona_future_t *future) {
  return daytona__future_result(future, &type_replaced);
}

/* --- what the calls have in common ------------------------------------------------------------- */

#define FILES(verb, tail, what, ...)                                                                      \
  {                                                                                                       \
    .prefix = "Failed to " what ": ", .method = verb, .path = "/files" tail, .service = DAYTONA__TOOLBOX, \
    __VA_ARGS__                                                                                           \
  }

/* An operation whose required arguments are all there; NULL if *future has failed. */
static daytona__op_t *begin(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                            bool reserved_is_zero, const char *const *required, daytona_future_t **future) {
  daytona__op_t *op = daytona__op_new(endpoint, NULL, sandbox, 0, future);
  if (op == NULL) return NULL;
  if (!reserved_is_zero) {
    daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
    return NULL;
  }
  for (; required[0] != NULL; required += 2) {
    if (required[1][0] != '\0') continue;
    daytona__op_reject(op, DAYTONA_EINVAL, "%s is required", required[0]);
    return NULL;
  }
  daytona__op_path(op, NULL, NULL, NULL);
  return op;
}

#define REQUIRED(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AS_GIVEN(text) ((text) != NULL ? (text) : "")

static daytona_future_t *finish(daytona__op_t *op, const void *request, int64_t timeout_ms,
                                void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer)) {
  daytona_call_opts_t opts = {.timeout_ms = timeout_ms};
  return daytona__op_run(op, request, &opts, done);
}

/* `done` for an answer that is the result. */
#define DONE_WITH(name, type)                                                       \
  static void name(daytona__op_t *op, const daytona_error_t *error, void *answer) { \
    if (error != NULL)                                                              \
      daytona__op_fail(op, error);                                                  \
    else                                                                            \
      daytona__op_resolve(op, &(type), answer);                                     \
  }

/* The same for an answer that is an array. */
#define DONE_WITH_ARRAY(name, type, list_type)                                                       \
  static void name(daytona__op_t *op, const daytona_error_t *error, void *answer) {                  \
    list_type *list = error == NULL ? daytona__arena_alloc(&op->future->arena, sizeof *list) : NULL; \
    if (list == NULL) {                                                                              \
      daytona__op_fail(op, error != NULL ? error : daytona__error_static(DAYTONA_ENOMEM));           \
      return;                                                                                        \
    }                                                                                                \
    list->items = ((const daytona__array_t *)answer)->items;                                         \
    list->count = ((const daytona__array_t *)answer)->count;                                         \
    daytona__op_resolve(op, &(type), list);                                                          \
  }

DONE_WITH(on_info, type_info)
DONE_WITH_ARRAY(on_list, type_list, daytona_file_list_t)
DONE_WITH_ARRAY(on_matches, type_matches, daytona_file_match_list_t)
DONE_WITH_ARRAY(on_replaced, type_replaced, daytona_replace_result_list_t)

static const daytona_call_opts_t default_opts;

/* --- calls ------------------------------------------------------------------------------------- */

static const daytona__endpoint_t folder_endpoint = FILES("POST", "/folder", "create folder");

static bool is_octal(const char *mode) {
  size_t size = strlen(mode);
  return size > 0 && size <= 5 && strspn(mode, "01234567") == size;
}

daytona_future_t *daytona_fs_create_folder(daytona_sandbox_t *sandbox, const char *path, const char *mode,
                                           const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  daytona__op_t *op =
    begin(sandbox, &folder_endpoint, DAYTONA__RESERVED_OK(opts), REQUIRED("path", AS_GIVEN(path)), &future);
  if (op == NULL) return future;
  if (mode == NULL) mode = "755";
  if (!is_octal(mode)) return daytona__op_reject(op, DAYTONA_EINVAL, "mode must be octal digits");
  daytona__url_query(&op->url, "path", path);
  daytona__url_query(&op->url, "mode", mode);
  return finish(op, NULL, opts->timeout_ms, daytona__op_done_empty);
}

static const daytona__endpoint_t delete_endpoint = FILES("DELETE", "", "delete file");

daytona_future_t *daytona_fs_delete_file(daytona_sandbox_t *sandbox, const char *path,
                                         const daytona_fs_delete_file_opts_t *opts) {
  static const daytona_fs_delete_file_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  daytona__op_t *op =
    begin(sandbox, &delete_endpoint, DAYTONA__RESERVED_OK(opts), REQUIRED("path", AS_GIVEN(path)), &future);
  if (op == NULL) return future;
  daytona__url_query(&op->url, "path", path);
  daytona__url_query_bool(&op->url, "recursive", daytona_bool(opts->is_recursive));
  return finish(op, NULL, opts->timeout_ms, daytona__op_done_empty);
}

static const daytona__endpoint_t info_endpoint =
  FILES("GET", "/info", "get file info", .response = &info_model);

daytona_future_t *daytona_fs_get_file_info(daytona_sandbox_t *sandbox, const char *path,
                                           const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  daytona__op_t *op =
    begin(sandbox, &info_endpoint, DAYTONA__RESERVED_OK(opts), REQUIRED("path", AS_GIVEN(path)), &future);
  if (op == NULL) return future;
  daytona__url_query(&op->url, "path", path);
  return finish(op, NULL, opts->timeout_ms, on_info);
}

static const daytona__endpoint_t list_endpoint =
  FILES("GET", "", "list files", .response = &info_model, .gives_array = true);

daytona_future_t *daytona_fs_list_files(daytona_sandbox_t *sandbox, const char *path,
                                        const daytona_fs_list_files_opts_t *opts) {
  static const daytona_fs_list_files_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  daytona__op_t *op =
    begin(sandbox, &list_endpoint, DAYTONA__RESERVED_OK(opts), REQUIRED("path", AS_GIVEN(path)), &future);
  if (op == NULL) return future;
  if (opts->depth.is_set && opts->depth.value < 1)
    return daytona__op_reject(op, DAYTONA_EINVAL, "depth must be at least 1");
  daytona__url_query(&op->url, "path", path);
  daytona__url_query_int(&op->url, "depth", opts->depth);
  return finish(op, NULL, opts->timeout_ms, on_list);
}

/* Both searches take a place and a pattern. */
static daytona_future_t *run_search(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                    const char *path, const char *pattern, const daytona_call_opts_t *opts,
                                    void (*done)(daytona__op_t *op, const daytona_error_t *error,
                                                 void *answer)) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  daytona__op_t *op = begin(sandbox, endpoint, DAYTONA__RESERVED_OK(opts),
                            REQUIRED("path", AS_GIVEN(path), "pattern", AS_GIVEN(pattern)), &future);
  if (op == NULL) return future;
  daytona__url_query(&op->url, "path", path);
  daytona__url_query(&op->url, "pattern", pattern);
  return finish(op, NULL, opts->timeout_ms, done);
}

static const daytona__endpoint_t find_endpoint =
  FILES("GET", "/find", "find files", .response = &match_model, .gives_array = true);

daytona_future_t *daytona_fs_find_files(daytona_sandbox_t *sandbox, const char *path, const char *pattern,
                                        const daytona_call_opts_t *opts) {
  return run_search(sandbox, &find_endpoint, path, pattern, opts, on_matches);
}

static void on_names(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_strings, &((names_t *)answer)->files);
}

static const daytona__endpoint_t search_endpoint =
  FILES("GET", "/search", "search files", .response = &names_model);

daytona_future_t *daytona_fs_search_files(daytona_sandbox_t *sandbox, const char *path, const char *pattern,
                                          const daytona_call_opts_t *opts) {
  return run_search(sandbox, &search_endpoint, path, pattern, opts, on_names);
}

static const daytona__endpoint_t move_endpoint = FILES("POST", "/move", "move files");

daytona_future_t *daytona_fs_move_files(daytona_sandbox_t *sandbox, const char *source,
                                        const char *destination, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  daytona__op_t *op =
    begin(sandbox, &move_endpoint, DAYTONA__RESERVED_OK(opts),
          REQUIRED("source", AS_GIVEN(source), "destination", AS_GIVEN(destination)), &future);
  if (op == NULL) return future;
  daytona__url_query(&op->url, "source", source);
  daytona__url_query(&op->url, "destination", destination);
  return finish(op, NULL, opts->timeout_ms, daytona__op_done_empty);
}

static bool has_bad_string(const daytona_strings_t *list) {
  if (list == NULL || list->count == 0 || list->items == NULL) return true;
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i] == NULL) return true;
  return false;
}

static const daytona__endpoint_t replace_endpoint =
  FILES("POST", "/replace", "replace in files", .request = &replacement_model, .response = &replaced_model,
        .gives_array = true);

daytona_future_t *daytona_fs_replace_in_files(daytona_sandbox_t *sandbox, const daytona_strings_t *files,
                                              const char *pattern, const char *new_value,
                                              const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  daytona__op_t *op = begin(sandbox, &replace_endpoint, DAYTONA__RESERVED_OK(opts),
                            REQUIRED("pattern", AS_GIVEN(pattern)), &future);
  if (op == NULL) return future;
  if (has_bad_string(files))
    return daytona__op_reject(op, DAYTONA_EINVAL, "files are required, and none may be NULL");
  if (new_value == NULL) return daytona__op_reject(op, DAYTONA_EINVAL, "new_value is required");
  replacement_t request = {*files, pattern, new_value};
  return finish(op, &request, opts->timeout_ms, on_replaced);
}

static const daytona__endpoint_t permissions_endpoint = FILES("POST", "/permissions", "set file permissions");

daytona_future_t *daytona_fs_set_file_permissions(daytona_sandbox_t *sandbox, const char *path,
                                                  const daytona_fs_set_file_permissions_opts_t *opts) {
  static const daytona_fs_set_file_permissions_opts_t nothing;
  daytona_future_t *future;
  if (opts == NULL) opts = &nothing;
  daytona__op_t *op = begin(sandbox, &permissions_endpoint, DAYTONA__RESERVED_OK(opts),
                            REQUIRED("path", AS_GIVEN(path)), &future);
  if (op == NULL) return future;
  if (opts->mode == NULL && opts->owner == NULL && opts->group == NULL)
    return daytona__op_reject(op, DAYTONA_EINVAL, "mode, owner or group is required");
  if (opts->mode != NULL && !is_octal(opts->mode))
    return daytona__op_reject(op, DAYTONA_EINVAL, "mode must be octal digits");
  daytona__url_query(&op->url, "path", path);
  daytona__url_query(&op->url, "owner", opts->owner);
  daytona__url_query(&op->url, "group", opts->group);
  daytona__url_query(&op->url, "mode", opts->mode);
  return finish(op, NULL, opts->timeout_ms, daytona__op_done_empty);
}
