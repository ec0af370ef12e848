/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object storage: where the files that an image is built with are put before the build.
 *
 * Images that are given to daytona_snapshot_create() or daytona_sandbox_create() upload their files themselves. Call this
 * to do it beforehand, or for a build that is requested in another way.
 *
 * Protocol: control plane, GET /object-storage/push-access; S3 with signature version 4 at the address that it gives.
 */
#ifndef DAYTONA_OBJECT_STORAGE_H
#define DAYTONA_OBJECT_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/client.h>
#include <daytona/export.h>
#include <daytona/fs.h>
#include <daytona/future.h>

DAYTONA_BEGIN

/** A storage of one's own, and credentials for it. All zero: those of the control plane. */
typedef struct daytona_object_storage_credentials {
  const char
    *endpoint_url; /**< http or https, perhaps with a path. Given: the others marked Required are needed. */
  const char *access_key;      /**< Required. */
  const char *secret_key;      /**< Required. */
  const char *session_token;   /**< Optional. Of temporary credentials. */
  const char *bucket;          /**< Optional. Default: "daytona-volume-builds". */
  const char *region;          /**< Optional. Default: "us-east-1". */
  const char *organization_id; /**< Required. The first part of the object's key. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_object_storage_credentials_t;

typedef struct daytona_object_storage_upload_opts {
  const char *archive_path; /**< Optional. What the file or folder is called in the archive. Default:
                                 daytona_object_storage_parse_archive_path() of `path`. */
  daytona_object_storage_credentials_t credentials; /**< Optional. */
  int
    parallel_parts; /**< Optional. Parts of 5 MiB that are in memory and sent at the same time, 1 to 16. Default 4. */
  int64_t
    idle_timeout_ms; /**< Optional. Longest time without a byte, of each attempt of a request. Default 120000.
                                DAYTONA_NO_TIMEOUT: none. */
  int64_t timeout_ms; /**< Optional. Limit of the whole upload: DAYTONA_EDEADLINE. Default: none. */
  daytona_fs_progress_cb
    on_progress; /**< Optional. Counts bytes of files; `total` is known when they have been hashed,
                                           before the first byte is sent. A part that is sent again counts once. */
  void *user;    /**< For on_progress. Borrowed until completion. */
  daytona_destroy_cb destroy_user; /**< Optional. For `user`. */
  uint64_t reserved[8];            /**< Must be zero. */
} daytona_object_storage_upload_opts_t;

/** A context in object storage. */
typedef struct daytona_object_storage_result {
  const char *hash;   /**< 32 hexadecimal digits: what builds call it in `contextHashes` */
  const char *key;    /**< of the object: "hash/context.tar", behind the organization */
  bool was_there;     /**< nothing had to be sent */
  int64_t sent_bytes; /**< of the archive */
} daytona_object_storage_result_t;

/**
 * Upload a local file or folder as an uncompressed tar, unless it is there already.
 *
 * Settles with daytona_future_object_storage_result(). The hash is the MD5 of the archive path, the paths and the bytes of
 * the files: for a file that of the official Python SDK, so that what either has uploaded is found by the other. For a
 * folder names are sorted. Permissions, owners and times are in the archive but not in the hash: a change of them alone is
 * not uploaded. Links are stored as links (`path` itself is followed), sockets are left out, and devices and pipes fail
 * with DAYTONA_EIO.
 *
 * The files are read twice, on libuv's thread pool, and never whole in memory or copied on the disk. A file that changes
 * meanwhile fails with DAYTONA_EIO, as one does that is missing or cannot be read; nothing is stored then.
 *
 * Up to one part (5 MiB) is one request, more is a multipart upload, which is aborted when it fails or is cancelled. A
 * part that fails is sent again, up to 10 times within 4 minutes; credentials that expire are asked for anew, unless they
 * are yours. Over 10,000 parts, 48.8 GiB, fail with DAYTONA_ELIMIT before anything is sent.
 *
 * Fails with DAYTONA_EAUTH or DAYTONA_EFORBIDDEN when the storage refuses the credentials, DAYTONA_EUNAVAILABLE when the
 * server has none, DAYTONA_EPROTOCOL for a malformed response, and the errors of every request. `server_code` is the
 * storage's own word and `source` is "OBJECT_STORAGE" for its errors.
 *
 * Over plain HTTP to another machine bodies are signed as well; TLS protects the others. The client's key is not sent to
 * the storage.
 *
 * @param client  Retained until the future settles.
 * @param path    Copied. Required.
 * @param opts    Copied. NULL means all defaults.
 *
 * Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 * Cancel: stops at once, but for the read of a file that is under way; an abort of what was begun is sent in the
 * background, and bounded to 10 seconds.  Retry: safe.  Pause and resume: yes.
 */
DAYTONA_API daytona_future_t *daytona_object_storage_upload(daytona_client_t *client, const char *path,
                                                            const daytona_object_storage_upload_opts_t *opts);

/**
 * The name that a local path has in an archive by default: without ".", "..", empty parts and slashes at its ends, as far
 * as that is possible without looking at the disk. "/a/b/" is "a/b", "a//b/../c" is "a/c", "../z" stays, "/" is "".
 *
 * @param path  Borrowed for the call.
 * @param out   Receives the name with a NUL. Untouched on failure.
 * @param size  Bytes of `out`. strlen(path) + 2 are always enough.
 * @return 0; DAYTONA_EINVAL without `path` or `out`; DAYTONA_ELIMIT when it does not fit; DAYTONA_ENOMEM.
 *
 * Thread: loop.
 */
DAYTONA_API int daytona_object_storage_parse_archive_path(const char *path, char *out, size_t size);

/** The result of an upload, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_object_storage_result_t *daytona_future_object_storage_result(
  const daytona_future_t *future);

DAYTONA_END

#endif
