/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: one list of codes with their parents, and the record that a failed future carries.
 *
 * The codes follow the class tree of the official SDKs (NotFound, Conflict, Timeout, the git, file,
 * process, LSP, desktop errors of the toolbox) plus what only a client can know: cancelled, closed,
 * out of memory, a limit, a malformed response. daytona_error_is() walks the tree.
 */
#ifndef DAYTONA_ERROR_H
#define DAYTONA_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>

DAYTONA_BEGIN

/**
 * X(name, number, parent, second parent, text). The second parent is DAYTONA_OK where there is only
 * one. Numbers never change once released.
 */
#define DAYTONA_ERROR_MAP(X)                                                                               \
  X(DAYTONA_EFAILED, -1, DAYTONA_OK, DAYTONA_OK, "the operation failed")                                   \
  /* responses of a server, by HTTP status */                                                              \
  X(DAYTONA_EINVAL, -2, DAYTONA_EFAILED, DAYTONA_OK, "bad request or argument")                            \
  X(DAYTONA_EAUTH, -3, DAYTONA_EFAILED, DAYTONA_OK, "authentication failed")                               \
  X(DAYTONA_EFORBIDDEN, -4, DAYTONA_EFAILED, DAYTONA_OK, "forbidden")                                      \
  X(DAYTONA_ENOTFOUND, -5, DAYTONA_EFAILED, DAYTONA_OK, "not found")                                       \
  X(DAYTONA_ETIMEOUT, -6, DAYTONA_EFAILED, DAYTONA_OK, "timed out")                                        \
  X(DAYTONA_ECONFLICT, -7, DAYTONA_EFAILED, DAYTONA_OK, "conflict")                                        \
  X(DAYTONA_EGONE, -8, DAYTONA_EFAILED, DAYTONA_OK, "gone")                                                \
  X(DAYTONA_EUNPROCESSABLE, -9, DAYTONA_EFAILED, DAYTONA_OK, "unprocessable request")                      \
  X(DAYTONA_ERATELIMIT, -10, DAYTONA_EFAILED, DAYTONA_OK, "rate limit exceeded")                           \
  X(DAYTONA_EINTERNAL, -11, DAYTONA_EFAILED, DAYTONA_OK, "internal server error")                          \
  X(DAYTONA_EBADGATEWAY, -12, DAYTONA_EFAILED, DAYTONA_OK, "bad gateway")                                  \
  X(DAYTONA_EUNAVAILABLE, -13, DAYTONA_EFAILED, DAYTONA_OK, "service unavailable")                         \
  X(DAYTONA_ESANDBOX_STOPPED, -14, DAYTONA_EINVAL, DAYTONA_OK, "the sandbox is not running")               \
  /* transport */                                                                                          \
  X(DAYTONA_ECONNECTION, -20, DAYTONA_EFAILED, DAYTONA_OK, "connection failed")                            \
  X(DAYTONA_ECONNECTION_TIMEOUT, -21, DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, "connection timed out")       \
  X(DAYTONA_ECONNECT_TIMEOUT, -22, DAYTONA_ECONNECTION_TIMEOUT, DAYTONA_OK,                                \
    "no connection within the connect limit")                                                              \
  X(DAYTONA_EIDLE_TIMEOUT, -23, DAYTONA_ECONNECTION_TIMEOUT, DAYTONA_OK, "no bytes within the idle limit") \
  X(DAYTONA_EDEADLINE, -24, DAYTONA_ETIMEOUT, DAYTONA_OK, "the operation exceeded its time limit")         \
  X(DAYTONA_ERESOLVE, -25, DAYTONA_ECONNECTION, DAYTONA_OK, "name lookup failed")                          \
  X(DAYTONA_ETLS, -26, DAYTONA_ECONNECTION, DAYTONA_OK, "TLS handshake or certificate failed")             \
  X(DAYTONA_EPROXY, -27, DAYTONA_ECONNECTION, DAYTONA_OK, "proxy refused the connection")                  \
  X(DAYTONA_ETRUNCATED, -28, DAYTONA_ECONNECTION, DAYTONA_OK, "the response ended early")                  \
  X(DAYTONA_EUPGRADE, -29, DAYTONA_ECONNECTION, DAYTONA_OK,                                                \
    "the upgrade to a WebSocket was refused on the way")                                                   \
  /* the client itself */                                                                                  \
  X(DAYTONA_ECANCELED, -40, DAYTONA_EFAILED, DAYTONA_OK, "cancelled")                                      \
  X(DAYTONA_ECLOSED, -41, DAYTONA_EFAILED, DAYTONA_OK, "the client is closed")                             \
  X(DAYTONA_ENOMEM, -42, DAYTONA_EFAILED, DAYTONA_OK, "out of memory")                                     \
  X(DAYTONA_ELIMIT, -43, DAYTONA_EFAILED, DAYTONA_OK, "a size or count limit was exceeded")                \
  X(DAYTONA_EPROTOCOL, -44, DAYTONA_EFAILED, DAYTONA_OK, "malformed response")                             \
  X(DAYTONA_EREENTRANT, -45, DAYTONA_EFAILED, DAYTONA_OK, "not allowed from here")                         \
  X(DAYTONA_ETHREAD, -46, DAYTONA_EFAILED, DAYTONA_OK,                                                     \
    "called from a thread other than that of daytona_client_new()")                                        \
  X(DAYTONA_ESANDBOX_FAILED, -47, DAYTONA_EFAILED, DAYTONA_OK, "the sandbox is in an error state")         \
  X(DAYTONA_EUNSUPPORTED, -48, DAYTONA_EFAILED, DAYTONA_OK, "not supported")                               \
  X(DAYTONA_EIO, -49, DAYTONA_EFAILED, DAYTONA_OK, "local input or output failed")                         \
  X(DAYTONA_ESNAPSHOT_FAILED, -50, DAYTONA_EFAILED, DAYTONA_OK, "the snapshot could not be made")          \
  X(DAYTONA_EVOLUME_FAILED, -51, DAYTONA_EFAILED, DAYTONA_OK, "the volume is in an error state")           \
  X(DAYTONA_EQUEUE_TIMEOUT, -52, DAYTONA_ETIMEOUT, DAYTONA_OK, "the sandbox waited too long for a runner") \
  X(DAYTONA_ESPOT_EVICTED, -53, DAYTONA_EFAILED, DAYTONA_OK, "the spot sandbox was evicted")               \
  X(DAYTONA_ECHANGED, -54, DAYTONA_ECONFLICT, DAYTONA_OK, "the file changed while it was downloaded")      \
  /* the toolbox daemon, by (source, code) */                                                              \
  X(DAYTONA_EGIT_AUTH_FAILED, -60, DAYTONA_EAUTH, DAYTONA_OK, "git: authentication failed")                \
  X(DAYTONA_EGIT_REPO_NOT_FOUND, -61, DAYTONA_ENOTFOUND, DAYTONA_OK, "git: no such repository")            \
  X(DAYTONA_EGIT_BRANCH_NOT_FOUND, -62, DAYTONA_ENOTFOUND, DAYTONA_OK, "git: no such branch")              \
  X(DAYTONA_EGIT_BRANCH_EXISTS, -63, DAYTONA_ECONFLICT, DAYTONA_OK, "git: branch exists")                  \
  X(DAYTONA_EGIT_PUSH_REJECTED, -64, DAYTONA_ECONFLICT, DAYTONA_OK, "git: push rejected")                  \
  X(DAYTONA_EGIT_DIRTY_WORKTREE, -65, DAYTONA_ECONFLICT, DAYTONA_OK, "git: uncommitted changes")           \
  X(DAYTONA_EGIT_MERGE_CONFLICT, -66, DAYTONA_ECONFLICT, DAYTONA_OK, "git: merge conflict")                \
  X(DAYTONA_EGIT_TRANSPORT_FAILED, -67, DAYTONA_EBADGATEWAY, DAYTONA_OK, "git: transport failed")          \
  X(DAYTONA_EGIT_REMOTE_REJECTED, -68, DAYTONA_EUNPROCESSABLE, DAYTONA_OK, "git: remote refused")          \
  X(DAYTONA_EFILE_NOT_FOUND, -70, DAYTONA_ENOTFOUND, DAYTONA_OK, "no such file")                           \
  X(DAYTONA_EFILE_ACCESS_DENIED, -71, DAYTONA_EFORBIDDEN, DAYTONA_OK, "file access denied")                \
  X(DAYTONA_EINVALID_FILE_PATH, -72, DAYTONA_EINVAL, DAYTONA_OK, "invalid file path")                      \
  X(DAYTONA_EFILE_READ_FAILED, -73, DAYTONA_EINTERNAL, DAYTONA_OK, "file could not be read")               \
  X(DAYTONA_ELSP_NOT_INITIALIZED, -74, DAYTONA_EINVAL, DAYTONA_OK, "language server not started")          \
  X(DAYTONA_EPROCESS_TIMEOUT, -75, DAYTONA_ETIMEOUT, DAYTONA_OK, "the command exceeded its time")          \
  X(DAYTONA_EPROCESS_NOT_FOUND, -76, DAYTONA_ENOTFOUND, DAYTONA_OK, "no such process or session")          \
  X(DAYTONA_ESESSION_ENDED, -77, DAYTONA_EGONE, DAYTONA_OK, "the session has ended")                       \
  X(DAYTONA_ECOMMAND_COMPLETED, -78, DAYTONA_EGONE, DAYTONA_OK, "the command has completed")               \
  X(DAYTONA_EA11Y_UNAVAILABLE, -79, DAYTONA_EUNAVAILABLE, DAYTONA_OK, "accessibility unavailable")         \
  X(DAYTONA_ERECORDING_ACTIVE, -80, DAYTONA_ECONFLICT, DAYTONA_OK, "recording still active")               \
  X(DAYTONA_ERECORDING_NO_FFMPEG, -81, DAYTONA_EUNAVAILABLE, DAYTONA_OK, "ffmpeg not found")

typedef enum daytona_errcode {
  DAYTONA_OK = 0,
#define DAYTONA_ERROR_ENUM(name, number, parent, parent2, text) name = number,
  DAYTONA_ERROR_MAP(DAYTONA_ERROR_ENUM)
#undef DAYTONA_ERROR_ENUM
    DAYTONA_ERRCODE_FORCE_INT = 0x7fffffff /**< keeps the size of the enum; never a code */
} daytona_errcode_t;

/** One response header. Names keep the case in which the server sent them. */
typedef struct daytona_header {
  const char *name;
  const char *value;
} daytona_header_t;

/**
 * Why an operation failed. Made only by the library, so later versions may add fields.
 * Strings live as long as the future that carries the error; absent ones are NULL.
 */
typedef struct daytona_error {
  daytona_errcode_t code;                 /**< never DAYTONA_OK */
  int http_status;                        /**< status of the response, or 0 when there was none */
  const char *message;                    /**< one line for people, with the operation in front; never NULL */
  const char *server_code;                /**< machine code from the body, such as "FILE_NOT_FOUND" */
  const char *source;                     /**< "DAYTONA_API", "DAYTONA_DAEMON", "DAYTONA_PROXY" */
  const char *request_id;                 /**< value of X-Request-Id, if the server sent one */
  const char *field;                      /**< path of the JSON field that was wrong, such as "items[2].id" */
  const daytona_header_t *const *headers; /**< headers of the response */
  size_t header_count;
  const char *body; /**< raw body of the response, its first 64 KiB at most */
  size_t body_size;
  int64_t retry_after_ms; /**< from Retry-After or Retry-After-<bucket>; -1 when not given */
  int attempts;           /**< how many times the request was sent */
  const char
    *sandbox; /**< id (or the name, if the id is not known) of a sandbox that the operation made or may have
                            made and did not delete: use it or delete it. NULL: none */
  int system_errno; /**< errno of the local file or socket that failed, such as ENOSPC; 0: none or unknown */
} daytona_error_t;

/**
 * Whether `error` is of kind `kind` or a kind below it: DAYTONA_EFILE_NOT_FOUND is a DAYTONA_ENOTFOUND and
 * a DAYTONA_EFAILED. False for NULL. Thread: any.
 */
DAYTONA_API bool daytona_error_is(const daytona_error_t *error, daytona_errcode_t kind);

/** The same for a bare code. Thread: any. */
DAYTONA_API bool daytona_errcode_is(int code, daytona_errcode_t kind);

/** "DAYTONA_ENOTFOUND" for DAYTONA_ENOTFOUND; "DAYTONA_OK" for 0; "unknown" for others. Static. Thread: any. */
DAYTONA_API const char *daytona_errcode_name(int code);

/** A short English text for a code. Static, never NULL. Thread: any. */
DAYTONA_API const char *daytona_errcode_text(int code);

/** The value of the first header called `name`, ignoring case, or NULL. Borrowed. Thread: any. */
DAYTONA_API const char *daytona_error_header(const daytona_error_t *error, const char *name);

DAYTONA_END

#endif
