/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in a sandbox.
 *
 * Remote paths may be absolute or relative to the work folder; the library never changes them.
 * They must be UTF-8 (otherwise DAYTONA_EINVAL), because they are sent in JSON and in URLs.
 * Only destinations of uploads may be any bytes; the server removes white space around these.
 *
 * Unless a function says otherwise:
 *   Fails with DAYTONA_EFILE_NOT_FOUND, _EFILE_ACCESS_DENIED, _EINVALID_FILE_PATH, _EFILE_READ_FAILED,
 *   or with their parents from older servers, which may send a status only; with DAYTONA_EINVAL for an
 *   argument that is missing or not allowed, before anything is sent; DAYTONA_EPROTOCOL for a malformed
 *   response; DAYTONA_ENOMEM; and the errors of every request (connection, authentication, time limits).
 *   Arguments: strings, arrays and option structs are copied; the sandbox is retained until the future settles.
 *   Options may be NULL, which means all defaults.
 *   Results belong to the future and are freed with its last reference. Each has one accessor,
 *   which returns NULL for a future that is pending, has failed, or is of another call.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Cancel: stops waiting; the server may still complete the request. Transfers: see below.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET
 *   and DELETE (a retried delete may find that the first one worked: DAYTONA_EFILE_NOT_FOUND).
 *   An upload is not retried once its first byte was taken from its source; downloads continue, see below.
 *   Time: milliseconds. `timeout_ms` bounds the call with its retries. Default: request_timeout_ms of the client.
 *
 * Transfers keep no file in memory and never block the loop on a disk: local files are read and written on libuv's
 * thread pool, and the slower of disk and network sets the pace (512 KiB of buffers for each active file). They
 * are limited by an idle timeout, not by a total one: the longest time without a byte in either direction. Time
 * spent waiting for a source or a sink of the program does not count. Callbacks of a transfer come from turns of
 * the loop, may start, cancel, close and release anything, and are not called after its future has settled.
 *
 * A download whose connection is lost after its response has begun continues by itself, in every form: to memory, to a
 * path, to a sink, of one file or of many. It requests the rest (GET /files/download with Range) and takes it only if it
 * is of the same file: the size is the same, Last-Modified has not changed and is at least two seconds older than the
 * beginning of the download, by the server's clock, and the last 4096 bytes received are repeated. If one of these does not
 * hold, or the server sends no ranges, the file is downloaded from its beginning again, at most three times; then, and at
 * once if a sink has received a part of it, it fails: with DAYTONA_ECHANGED (a DAYTONA_ECONFLICT) if the file is another one,
 * else with DAYTONA_ETRUNCATED or what the server says. So a file is never mixed from two versions, as far as dates tell; and
 * on_progress may report fewer bytes than before. There are at most seven attempts in a row that bring under 64 KiB,
 * after waits of 125 ms, doubled each time, plus as much again at random: under 32 s in all. Then the download fails with the
 * error of the last attempt. `timeout_ms` and cancelling end a wait at once; the idle timeout applies while there is a
 * connection. Of many files, complete ones are not downloaded again.
 *
 * Cancelling a transfer ends it at once. What was uploaded so far stays in the sandbox as a partial file, also
 * when the transfer fails midway. A download to a path writes to a new file beside it, PATH.part-XXXXXXXXXXXXXXXX,
 * which replaces PATH in one step when it is complete. If the download fails before that, PATH is unchanged, and
 * the part file is removed soon after the future has settled and before the client has closed. (The part file
 * stays only if the program is killed. After a cancel in the last moment PATH may be complete.) A replaced file
 * passes its permissions on; the folder must be writable, the file need not be; links are followed; a PATH that is
 * not a regular file, such as a device, is DAYTONA_EIO. Missing parent folders are made.
 *
 * Protocol: toolbox, /files; uploads POST /files/bulk-upload, downloads POST /files/bulk-download, the rest of one whose
 * connection was lost GET /files/download.
 */
#ifndef DAYTONA_FS_H
#define DAYTONA_FS_H

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
  const char *name; /**< base name */
  const char *path; /**< the listed folder as given, and the path below it; only in lists of newer servers */
  int64_t size;     /**< bytes */
  bool is_dir;
  const char *mode;        /**< such as "-rw-r--r--" */
  const char *permissions; /**< octal digits, such as "0644" */
  const char *owner;       /**< may be a number */
  const char *group;       /**< may be a number */
  const char *mod_time;    /**< for display only: not a standard format */
  const char *modified_at; /**< RFC 3339; only from newer servers */
} daytona_file_info_t;

typedef struct daytona_file_list {
  const daytona_file_info_t *const *items;
  size_t count;
} daytona_file_list_t;

/** A line that contains the searched text. */
typedef struct daytona_file_match {
  const char *file;
  int64_t line;        /**< from 1 */
  const char *content; /**< without its line end */
} daytona_file_match_t;

typedef struct daytona_file_match_list {
  const daytona_file_match_t *const *items;
  size_t count;
} daytona_file_match_list_t;

/** The outcome of a replacement in one file. */
typedef struct daytona_replace_result {
  const char *file;
  bool is_success;
  const char *error; /**< NULL on success */
} daytona_replace_result_t;

typedef struct daytona_replace_result_list {
  const daytona_replace_result_t *const *items;
  size_t count;
} daytona_replace_result_list_t;

/**
 * Make a folder and its parents. Settles without a value; succeeds if the folder exists.
 * @param path  Required, as in all calls of this header.
 * @param mode  Optional. One to five octal digits such as "755". Default "755".
 */
DAYTONA_API daytona_future_t *daytona_fs_create_folder(daytona_sandbox_t *sandbox, const char *path,
                                                       const char *mode, const daytona_call_opts_t *opts);

typedef struct daytona_fs_delete_file_opts {
  bool is_recursive;    /**< Needed for folders. */
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_fs_delete_file_opts_t;

/** Delete a file, or a folder with everything in it; links are not followed. Settles without a value. A folder
    without `is_recursive`: DAYTONA_EINVAL, from the server. */
DAYTONA_API daytona_future_t *daytona_fs_delete_file(daytona_sandbox_t *sandbox, const char *path,
                                                     const daytona_fs_delete_file_opts_t *opts);

/** Get information about one entry; links are followed. Settles with daytona_future_file_info(). */
DAYTONA_API daytona_future_t *daytona_fs_get_file_info(daytona_sandbox_t *sandbox, const char *path,
                                                       const daytona_call_opts_t *opts);

typedef struct daytona_fs_list_files_opts {
  daytona_opt_int_t depth; /**< Optional. Levels, at least 1. Default 1. Newer servers only. */
  int64_t timeout_ms;      /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_fs_list_files_opts_t;

/** List a folder, in the server's order. Settles with daytona_future_file_list(). Names that are not UTF-8 come
    with the bad bytes replaced. `depth` under 1 is DAYTONA_EINVAL. */
DAYTONA_API daytona_future_t *daytona_fs_list_files(daytona_sandbox_t *sandbox, const char *path,
                                                    const daytona_fs_list_files_opts_t *opts);

/** Search the content of files below `path` for a literal text. `pattern` is required.
    Settles with daytona_future_file_match_list(), which is empty when nothing is found. */
DAYTONA_API daytona_future_t *daytona_fs_find_files(daytona_sandbox_t *sandbox, const char *path,
                                                    const char *pattern, const daytona_call_opts_t *opts);

/** Find names below `path` that match a shell pattern. `pattern` is
    required. Settles with daytona_future_strings(), which may be empty. */
DAYTONA_API daytona_future_t *daytona_fs_search_files(daytona_sandbox_t *sandbox, const char *path,
                                                      const char *pattern, const daytona_call_opts_t *opts);

/** Move or rename. An existing destination is DAYTONA_ECONFLICT. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_move_files(daytona_sandbox_t *sandbox, const char *source,
                                                    const char *destination, const daytona_call_opts_t *opts);

/**
 * Replace a literal text in files. Settles with daytona_future_replace_result_list(), one per file in the order given;
 * a failed file does not fail the call.
 * @param files      Required, at least one, none NULL.
 * @param pattern    Required, not empty.
 * @param new_value  Required, may be empty.
 */
DAYTONA_API daytona_future_t *daytona_fs_replace_in_files(daytona_sandbox_t *sandbox,
                                                          const daytona_strings_t *files, const char *pattern,
                                                          const char *new_value,
                                                          const daytona_call_opts_t *opts);

typedef struct daytona_fs_set_file_permissions_opts {
  const char *mode;     /**< Optional. One to five octal digits. */
  const char *owner;    /**< Optional. Name or number. */
  const char *group;    /**< Optional. Name or number. */
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_fs_set_file_permissions_opts_t;

/** Change mode, owner, group; at least one is required, else DAYTONA_EINVAL. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_fs_set_file_permissions(
  daytona_sandbox_t *sandbox, const char *path, const daytona_fs_set_file_permissions_opts_t *opts);

/** Results of the futures above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_file_info_t *daytona_future_file_info(const daytona_future_t *future);
DAYTONA_API const daytona_file_list_t *daytona_future_file_list(const daytona_future_t *future);
DAYTONA_API const daytona_file_match_list_t *daytona_future_file_match_list(const daytona_future_t *future);
DAYTONA_API const daytona_replace_result_list_t *daytona_future_replace_result_list(
  const daytona_future_t *future);

/*
 * --- transfers ---
 *
 * daytona_future_pause() stops any of them: no more bytes are sent, written, or delivered
 * to a sink, until daytona_future_resume(). A pause does not count for the idle timeout,
 * but counts for `timeout_ms`; a server may close a connection that is idle for long.
 */

/** Progress of a transfer. Called from a turn of the loop, at most once per chunk transferred. */
typedef struct daytona_transfer_progress {
  int64_t bytes; /**< of all files of the call so far */
  int64_t total; /**< -1 while it is not known */
} daytona_transfer_progress_t;

typedef void (*daytona_fs_progress_cb)(const daytona_transfer_progress_t *progress, void *user);

/** Options of transfers. */
typedef struct daytona_transfer_opts {
  int64_t
    idle_timeout_ms; /**< Optional. Longest idle time: DAYTONA_EIDLE_TIMEOUT. Default 1800000. DAYTONA_NO_TIMEOUT:
                                none. Other negative values are DAYTONA_EINVAL. */
  int64_t timeout_ms; /**< Optional. Limit of the whole transfer: DAYTONA_EDEADLINE. Default: none. */
  size_t max_bytes;   /**< Optional. Limit of all files downloaded to memory. A file above it fails with
                                DAYTONA_ELIMIT. Default 256 MiB. */
  daytona_fs_progress_cb on_progress;     /**< Optional. */
  void *user;                             /**< For on_progress. Borrowed until completion. */
  daytona_destroy_cb destroy_user;        /**< Optional. For `user`. */
  daytona_destroy_cb destroy_stream_user; /**< Optional. For the `user` of a source or a sink. */
  uint64_t reserved[8];                   /**< Must be zero. */
} daytona_transfer_opts_t;

/** Return values of a source other than a number of bytes. */
#define DAYTONA_SOURCE_WAIT ((ptrdiff_t)-1) /**< no data yet: call daytona_future_resume() when there is */
#define DAYTONA_SOURCE_FAIL ((ptrdiff_t)-2) /**< fail with DAYTONA_EIO, as any other negative number does */

/**
 * Fill `buffer` with the next bytes to send. Returns their number, 0 at the end, or one of
 * the above. A number over `size` fails the upload with DAYTONA_EINVAL. Called from a turn
 * of the loop, up to 64 KiB ahead of the network. You may call anything, but must not block.
 * @param buffer  Borrowed for the call.
 */
typedef ptrdiff_t (*daytona_fs_source_cb)(char *buffer, size_t size, void *user);

/**
 * Receive the next bytes of a file. Returns how many were taken. Fewer than `size` pauses the download until
 * daytona_future_resume(), which delivers the rest again. Called from a turn of the loop. You may call anything.
 * @param bytes  Borrowed for the call.
 */
typedef size_t (*daytona_fs_sink_cb)(const char *bytes, size_t size, void *user);

/**
 * Upload bytes from memory. Settles without a value. Missing folders are made; an existing file
 * is overwritten. Fails, as all uploads do, with DAYTONA_EFAILED and the server's message when
 * the sandbox cannot write the file (disk full, no permission), with DAYTONA_ETRUNCATED when the
 * sandbox has written another number of bytes, and with DAYTONA_ELIMIT for more than 2^62 bytes.
 * A refusal that arrives while the upload is still being sent (too large, not authorized) is reported as itself,
 * even if the server resets the connection at once. Over TLS and through a proxy there is one exception: when
 * response and reset both arrive while a block (16 to 64 KiB) is being written, the upload fails with DAYTONA_ECONNECTION.
 * @param bytes  Borrowed until completion. May be NULL when `size` is 0.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload(daytona_sandbox_t *sandbox, const void *bytes, size_t size,
                                                const char *remote_path, const daytona_transfer_opts_t *opts);

/**
 * Upload a local file. Settles without a value. Fails with DAYTONA_EIO if it cannot be opened (then
 * nothing is sent), is not a regular file, or becomes shorter while it is sent; bytes appended
 * meanwhile are not sent. It is opened once: removing or replacing it meanwhile has no effect.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload_file(daytona_sandbox_t *sandbox, const char *local_path,
                                                     const char *remote_path,
                                                     const daytona_transfer_opts_t *opts);

/** Upload the bytes of `source`. Settles without a value. @param user  For `source`; borrowed until completion. */
DAYTONA_API daytona_future_t *daytona_fs_upload_file_stream(daytona_sandbox_t *sandbox,
                                                            daytona_fs_source_cb source, void *user,
                                                            const char *remote_path,
                                                            const daytona_transfer_opts_t *opts);

/** One file of an upload: from memory, or from `local_path` when that is given. */
typedef struct daytona_fs_upload_item {
  const char *destination; /**< Required. Path in the sandbox. Copied. */
  const char *local_path;  /**< Optional. Copied. */
  const void *bytes;       /**< Borrowed until completion. */
  size_t size;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_fs_upload_item_t;

/** One file of a download: to memory, or to `local_path` when that is given. */
typedef struct daytona_fs_download_item {
  const char *source;     /**< Required. Path in the sandbox. Copied. */
  const char *local_path; /**< Optional. Copied. Parent folders are made; appears when it is complete. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_fs_download_item_t;

/** The outcome of one file. */
typedef struct daytona_fs_result {
  const char *path;             /**< in the sandbox, as given */
  const char *local_path;       /**< as given, or NULL */
  daytona_bytes_t bytes;        /**< downloads to memory */
  int64_t size;                 /**< bytes transferred */
  const daytona_error_t *error; /**< NULL on success */
} daytona_fs_result_t;

typedef struct daytona_fs_result_list {
  const daytona_fs_result_t *const *items; /**< in the order given */
  size_t count;
  size_t failed_count;
} daytona_fs_result_list_t;

/**
 * Upload many files with one request. Settles with daytona_future_fs_result_list(): a file that the
 * sandbox could not write has its own error, and the others are complete. Fails as a whole when the
 * request fails, when a local file cannot be read (all are checked before anything is sent), or when
 * a file is gone or has another size when its turn comes; earlier files are then in the sandbox.
 * @param count  From 1 to 100,000.
 */
DAYTONA_API daytona_future_t *daytona_fs_upload_files(daytona_sandbox_t *sandbox,
                                                      const daytona_fs_upload_item_t *items, size_t count,
                                                      const daytona_transfer_opts_t *opts);

/** Download to memory. Settles with daytona_future_bytes(). A response that ends early in an orderly way, because the
    sandbox cannot read further, fails with DAYTONA_ETRUNCATED, as in all downloads: there are no short files. */
DAYTONA_API daytona_future_t *daytona_fs_download(daytona_sandbox_t *sandbox, const char *remote_path,
                                                  const daytona_transfer_opts_t *opts);

/** Download to a local file, which appears when it is complete; parent folders are made. Settles
    without a value. Fails with DAYTONA_EIO if it cannot be written (disk full, no permission). */
DAYTONA_API daytona_future_t *daytona_fs_download_file(daytona_sandbox_t *sandbox, const char *remote_path,
                                                       const char *local_path,
                                                       const daytona_transfer_opts_t *opts);

/** Download into `sink`. Settles without a value after the last byte
    was taken. @param user  For `sink`; borrowed until completion. */
DAYTONA_API daytona_future_t *daytona_fs_download_file_stream(daytona_sandbox_t *sandbox,
                                                              const char *remote_path,
                                                              daytona_fs_sink_cb sink, void *user,
                                                              const daytona_transfer_opts_t *opts);

/**
 * Download many files with one request. Settles with daytona_future_fs_result_list(); each file
 * has its own error, also when it cannot be written locally. Fails as a whole when the request fails, or its
 * response ends early and it cannot be continued; files that were complete by then stay under their names.
 * @param count  At most 100,000. With 0 no request is sent.
 */
DAYTONA_API daytona_future_t *daytona_fs_download_files(daytona_sandbox_t *sandbox,
                                                        const daytona_fs_download_item_t *items, size_t count,
                                                        const daytona_transfer_opts_t *opts);

/** The bytes of a future of daytona_fs_download(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_bytes_t *daytona_future_bytes(const daytona_future_t *future);

/** The results of daytona_fs_upload_files() and daytona_fs_download_files(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_fs_result_list_t *daytona_future_fs_result_list(const daytona_future_t *future);

DAYTONA_END

#endif
