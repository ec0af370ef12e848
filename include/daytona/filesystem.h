/*
 * Files in a sandbox.
 *
 * Remote paths may be absolute or relative to the work folder; the library never rewrites them.
 *
 * Unless a function says otherwise:
 *   Fails with DAYTONA_EFILE_NOT_FOUND, _EFILE_ACCESS_DENIED, _EINVALID_FILE_PATH, _EFILE_READ_FAILED, or their
 *   parents from older servers, which may send nothing but a status; DAYTONA_EINVAL for a missing argument.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Retry: only requests that cannot have reached the sandbox are repeated; of others, only GET and DELETE, and no
 *   transfer once its first byte was asked for or handed out.
 *
 * Transfers hold no file in memory and never block the loop on a disk: local files are read and written on
 * libuv's thread pool, and whichever of disk and network is slower sets the pace. They are bounded by an idle
 * limit, not by a total one. Cancelling ends them at once; what was uploaded so far stays in the sandbox as a partial
 * file, what was downloaded to a path is removed.
 *
 * Protocol: toolbox, /files.
 */
#ifndef DAYTONA_FILESYSTEM_H
#define DAYTONA_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/* --- entries ----------------------------------------------------------------------------------- */

/** A file or folder. */
typedef struct daytona_file_info {
  const char *name;        /**< base name */
  const char *path;        /**< full path; only in lists of newer servers */
  int64_t size;            /**< bytes */
  bool is_dir;
  const char *mode;        /**< such as "-rw-r--r--" */
  const char *permissions; /**< octal digits, such as "0644" */
  const char *owner;       /**< may be a number */
  const char *group;       /**< may be a number */
  const char *mod_time;    /**< for display only: not a standard format */
  const char *modified_at; /**< RFC 3339; only from newer servers */
} daytona_file_info_t;

typedef struct daytona_file_list {
  const daytona_file_info_t *items;
  size_t count;
} daytona_file_list_t;

/** A line that holds what was searched for. */
typedef struct daytona_file_match {
  const char *file;
  int64_t line;        /**< from 1 */
  const char *content; /**< without its line end */
} daytona_file_match_t;

typedef struct daytona_file_matches {
  const daytona_file_match_t *items;
  size_t count;
} daytona_file_matches_t;

/** What became of one file of a replacement. */
typedef struct daytona_replace_result {
  const char *file;
  bool is_success;
  const char *error; /**< NULL on success */
} daytona_replace_result_t;

typedef struct daytona_replace_results {
  const daytona_replace_result_t *items;
  size_t count;
} daytona_replace_results_t;

/** Options of calls that have none of their own. */
typedef struct daytona_fs_opts {
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[3]; /**< Must be zero. */
} daytona_fs_opts_t;

/**
 * Make a folder with its parents. Settles without a value; an existing folder is fine.
 * @param mode  Optional. Octal digits such as "755". Default "755".
 */
DAYTONA_API daytona_future_t *daytona_fs_create_folder(daytona_sandbox_t *sandbox, const char *path,
                                                       const char *mode,
                                                       const daytona_fs_opts_t *opts);

typedef struct daytona_fs_delete_opts {
  bool is_recursive;    /**< Needed for folders. */
  int64_t timeout_ms;   /**< Optional. */
  uint64_t reserved[4]; /**< Must be zero. */
} daytona_fs_delete_opts_t;

/** Delete a file, or a folder with everything in it. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_delete(daytona_sandbox_t *sandbox, const char *path,
                                                const daytona_fs_delete_opts_t *opts);

/** Describe one entry; links are followed. Settles with daytona_future_file_info(). */
DAYTONA_API daytona_future_t *daytona_fs_info(daytona_sandbox_t *sandbox, const char *path,
                                              const daytona_fs_opts_t *opts);

typedef struct daytona_fs_list_opts {
  daytona_opt_int_t depth; /**< Optional. Levels, at least 1. Default 1. Newer servers only. */
  int64_t timeout_ms;      /**< Optional. */
  uint64_t reserved[4];    /**< Must be zero. */
} daytona_fs_list_opts_t;

/** List a folder. Settles with daytona_future_file_list(). */
DAYTONA_API daytona_future_t *daytona_fs_list(daytona_sandbox_t *sandbox, const char *path,
                                              const daytona_fs_list_opts_t *opts);

/** Search inside files below `path` for a literal text. Settles with daytona_future_file_matches(). */
DAYTONA_API daytona_future_t *daytona_fs_find(daytona_sandbox_t *sandbox, const char *path,
                                              const char *pattern, const daytona_fs_opts_t *opts);

/** Names below `path` that a shell pattern matches. Settles with daytona_future_strings(). */
DAYTONA_API daytona_future_t *daytona_fs_search(daytona_sandbox_t *sandbox, const char *path,
                                                const char *pattern, const daytona_fs_opts_t *opts);

/** Move or rename. An existing destination is DAYTONA_ECONFLICT. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_move(daytona_sandbox_t *sandbox, const char *source,
                                              const char *destination,
                                              const daytona_fs_opts_t *opts);

/**
 * Replace a literal text in files. Settles with daytona_future_replace_results(), one per file in the order given;
 * a file that failed is no failure of the call.
 * @param files      Required, at least one.
 * @param pattern    Required, not empty.
 * @param new_value  Required, may be empty.
 */
DAYTONA_API daytona_future_t *daytona_fs_replace(daytona_sandbox_t *sandbox,
                                                 const daytona_strings_t *files, const char *pattern,
                                                 const char *new_value,
                                                 const daytona_fs_opts_t *opts);

typedef struct daytona_fs_permissions_opts {
  const char *mode;     /**< Optional. Octal digits. */
  const char *owner;    /**< Optional. Name or number. */
  const char *group;    /**< Optional. Name or number. */
  int64_t timeout_ms;   /**< Optional. */
  uint64_t reserved[4]; /**< Must be zero. */
} daytona_fs_permissions_opts_t;

/** Change mode, owner, group; at least one is given. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_set_permissions(daytona_sandbox_t *sandbox, const char *path,
                                                         const daytona_fs_permissions_opts_t *opts);

/** Results of the futures above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_file_info_t *daytona_future_file_info(const daytona_future_t *future);
DAYTONA_API const daytona_file_list_t *daytona_future_file_list(const daytona_future_t *future);
DAYTONA_API const daytona_file_matches_t *daytona_future_file_matches(const daytona_future_t *future);
DAYTONA_API const daytona_replace_results_t *daytona_future_replace_results(
  const daytona_future_t *future);

/* --- transfers --------------------------------------------------------------------------------- */

/** How far a transfer is. Called from a turn of the loop, at most once per piece that was moved. */
typedef struct daytona_transfer_progress {
  int64_t bytes; /**< of all files of the call so far */
  int64_t total; /**< -1 while it is not known */
} daytona_transfer_progress_t;

typedef void (*daytona_fs_progress_cb)(const daytona_transfer_progress_t *progress, void *user);

/** Options of transfers. */
typedef struct daytona_transfer_opts {
  int64_t idle_timeout_ms; /**< Optional. Longest silence. Default 1800000. DAYTONA_NO_TIMEOUT: none. */
  int64_t timeout_ms;      /**< Optional. The whole transfer. Default: none. */
  size_t max_bytes;        /**< Downloads to memory, all files together: more is DAYTONA_ELIMIT. Default 256 MiB. */
  daytona_fs_progress_cb on_progress; /**< Optional. */
  void *user;              /**< For on_progress. Borrowed until completion. */
  uint64_t reserved[4];    /**< Must be zero. */
} daytona_transfer_opts_t;

/** Results of a source besides a number of bytes. */
#define DAYTONA_SOURCE_WAIT ((ptrdiff_t)-1) /**< nothing yet: call daytona_fs_resume() when there is */
#define DAYTONA_SOURCE_FAIL ((ptrdiff_t)-2) /**< give up: the upload fails with DAYTONA_EIO */

/**
 * Fill `buffer` with the next bytes to send; return their number, 0 at the end, or one of the above. Called from a turn
 * of the loop; may do anything, except wait.
 */
typedef ptrdiff_t (*daytona_fs_source_cb)(char *buffer, size_t size, void *user);

/**
 * Take the next bytes of a file; return how many were taken. Fewer than `size` pauses the download until
 * daytona_fs_resume(), which offers the rest again. Called from a turn of the loop; may do anything.
 * @param bytes  Borrowed for the call.
 */
typedef size_t (*daytona_fs_sink_cb)(const char *bytes, size_t size, void *user);

/**
 * Upload bytes from memory. Settles without a value. Missing folders are made, an existing file is replaced.
 * @param bytes  Borrowed until completion. May be NULL when `size` is 0.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload(daytona_sandbox_t *sandbox, const void *bytes,
                                                size_t size, const char *remote_path,
                                                const daytona_transfer_opts_t *opts);

/**
 * Upload a local file. Settles without a value. DAYTONA_EIO if it cannot be opened (nothing is sent then), is not a
 * regular file, or gets shorter while it is sent; what is appended meanwhile is not sent.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload_file(daytona_sandbox_t *sandbox, const char *local_path,
                                                     const char *remote_path,
                                                     const daytona_transfer_opts_t *opts);

/** Upload what `source` gives. Settles without a value. @param user  For `source`; borrowed until completion. */
DAYTONA_API daytona_future_t *daytona_fs_upload_stream(daytona_sandbox_t *sandbox,
                                                       daytona_fs_source_cb source, void *user,
                                                       const char *remote_path,
                                                       const daytona_transfer_opts_t *opts);

/** One file of an upload: from memory, or from `local_path` when that is given. */
typedef struct daytona_fs_upload_item {
  const char *destination; /**< Required. Path in the sandbox. */
  const char *local_path;  /**< Optional. Copied. */
  const void *bytes;       /**< Borrowed until completion. */
  size_t size;
} daytona_fs_upload_item_t;

/** One file of a download: to memory, or to `local_path` when that is given. */
typedef struct daytona_fs_download_item {
  const char *source;     /**< Required. Path in the sandbox. */
  const char *local_path; /**< Optional. Copied. Folders are made; the file appears when it is whole. */
} daytona_fs_download_item_t;

/** What became of one file. */
typedef struct daytona_fs_result {
  const char *path;             /**< in the sandbox, as asked for */
  const char *local_path;       /**< as asked for, or NULL */
  daytona_bytes_t bytes;        /**< downloads to memory */
  int64_t size;                 /**< bytes moved */
  const daytona_error_t *error; /**< NULL on success */
} daytona_fs_result_t;

typedef struct daytona_fs_results {
  const daytona_fs_result_t *items; /**< in the order asked for */
  size_t count;
  size_t failed_count;
} daytona_fs_results_t;

/**
 * Upload many files with one request. Settles with daytona_future_fs_results(): a file that the sandbox could not write
 * has an error of its own, the others are there. Fails as a whole when the request does, or a local file cannot be read.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload_many(daytona_sandbox_t *sandbox,
                                                     const daytona_fs_upload_item_t *items, size_t count,
                                                     const daytona_transfer_opts_t *opts);

/** Download to memory. Settles with daytona_future_bytes(). */
DAYTONA_API daytona_future_t *daytona_fs_download(daytona_sandbox_t *sandbox, const char *remote_path,
                                                  const daytona_transfer_opts_t *opts);

/** Download to a local file, which appears when it is whole; folders are made. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_download_file(daytona_sandbox_t *sandbox,
                                                       const char *remote_path, const char *local_path,
                                                       const daytona_transfer_opts_t *opts);

/** Download into `sink`. Settles without a value when the last byte was taken. @param user  For `sink`; borrowed until
    completion. */
DAYTONA_API daytona_future_t *daytona_fs_download_stream(daytona_sandbox_t *sandbox,
                                                         const char *remote_path,
                                                         daytona_fs_sink_cb sink, void *user,
                                                         const daytona_transfer_opts_t *opts);

/**
 * Download many files with one request. Settles with daytona_future_fs_results(); each file has its own error. Fails as a
 * whole when the request does.
 */
DAYTONA_API daytona_future_t *daytona_fs_download_many(daytona_sandbox_t *sandbox,
                                                       const daytona_fs_download_item_t *items,
                                                       size_t count,
                                                       const daytona_transfer_opts_t *opts);

/** Go on with a stream whose source had nothing or whose sink was full. Does nothing on other futures. */
DAYTONA_API void daytona_fs_resume(daytona_future_t *future);

/** The bytes of a future of daytona_fs_download(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_bytes_t *daytona_future_bytes(const daytona_future_t *future);

/** The results of daytona_fs_upload_many() and daytona_fs_download_many(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_fs_results_t *daytona_future_fs_results(const daytona_future_t *future);

DAYTONA_END

#endif
