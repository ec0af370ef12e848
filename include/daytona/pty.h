/*
 * Terminals: shells on a pseudo-terminal in a sandbox, attached over a WebSocket.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles, and by each
 *   terminal object.
 *   Fails with DAYTONA_EINVAL for a missing id or sandbox or an option out of range, DAYTONA_ENOTFOUND for an unknown
 *   terminal, and as any request does: DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, DAYTONA_EAUTH and their kinds.
 *   Time: milliseconds. Default of `timeout_ms`: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none.
 *   Limits: 192 KiB for an environment, as JSON (DAYTONA_ELIMIT, before anything is sent). What is over 4 KiB with the
 *   folder is sent in a request of its own, since fronts refuse long headers.
 *   Cancel: ends the waiting; what the server has begun it finishes. A terminal that was being created may go on
 *   without a client: kill it by its id.
 *   Retry: only requests that cannot have reached the sandbox are repeated; of others, only GET and DELETE.
 *
 * Functions on an attached terminal take a NULL terminal for one that has ended. They are for the loop's thread, in
 * callbacks, too, and with those that return nothing nothing can fail. After the report of the client's close they do
 * nothing; what was kept is then not handed on any more.
 *
 * Any number of clients may be attached to one terminal. Detaching, in whatever way, leaves its process running.
 * What was printed before a client was attached is not repeated for it; daytona_pty_create() misses nothing.
 *
 * Protocol: toolbox, /process/pty.
 */
#ifndef DAYTONA_PTY_H
#define DAYTONA_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/stream.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** An attached terminal. Reference-counted; releasing the last reference detaches. */
typedef struct daytona_pty daytona_pty_t;

/**
 * All input that had to wait has been sent: the moment to write more. On the loop, once each time that input began to
 * wait, before the verdict. You may call anything on `pty`, closing and releasing it included.
 */
typedef void (*daytona_pty_drained_cb)(daytona_pty_t *pty, void *user);

/** How a client is attached: a part of both options below. */
typedef struct daytona_pty_attach {
  daytona_output_cb on_output;       /**< Optional. May be set later: until then output is kept. */
  daytona_pty_drained_cb on_drained; /**< Optional. */
  void *user;                        /**< For both. Borrowed until the last reference has gone. */
  daytona_destroy_cb
    destroy_user; /**< Optional. For `user`: called when the terminal has gone, inside the release
                                          of its last reference, or when it has never been attached. */
  daytona_buffer_policy_t policy; /**< Of what arrives while there is no callback, or while it is paused. With
                                          STOP the client stops reading once `buffer_bytes` are kept, and the
                                          server then drops it as a slow reader. */
  size_t buffer_bytes;            /**< Default: 1 MiB; at most 64 MiB. */
  int64_t connect_timeout_ms;     /**< Optional. Default: the client's. */
  int64_t handshake_timeout_ms; /**< Optional. Default: 10 s, from the call until the server has said that the
                                          client is attached. DAYTONA_ETIMEOUT. DAYTONA_NO_TIMEOUT: none. */
  uint64_t reserved[8];         /**< Must be zero. */
} daytona_pty_attach_t;

typedef struct daytona_pty_create_opts {
  const char *id;    /**< Optional. Default: a fresh UUID. Ids of ended terminals may be used again, but old
                             servers may then end the new one: use fresh ids. */
  const char *cwd;   /**< Optional. Default: the work folder. */
  daytona_map_t env; /**< Optional. TERM is xterm-256color unless given. */
  int cols, rows;    /**< Optional. Default: 80 and 24; at most 1000. */
  const char
    *wait_for; /**< Optional, 1 to 256 bytes. Settle only when the terminal has printed this, the end of the
                             shell's prompt, say; within handshake_timeout_ms. Default: settle when attached. */
  daytona_pty_attach_t attach;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_pty_create_opts_t;

/**
 * Start a shell on a new terminal and attach to it.
 *
 * Settles with daytona_future_pty() when the server has said that the client is attached, or that the shell has ended
 * already: there is no other call to wait for the connection. Fails with DAYTONA_ECONFLICT when the id is in use.
 * Servers that cannot create and attach in one step are asked for one after the other. Fails with DAYTONA_EUPGRADE when
 * something on the way lets no WebSocket through.
 *
 * A shell that has not begun to read, or that has no line editor, gets its input by lines, of which the sandbox's kernel
 * keeps 4095 bytes and drops the rest without a word. So wait for the prompt before a longer line is typed: with
 * `wait_for`, or by looking at the output. Until a terminal that was created here has printed anything,
 * daytona_pty_write() refuses such lines.
 *
 * Secrets: the environment is kept out of log lines and is wiped from memory when the future goes.
 */
DAYTONA_API daytona_future_t *daytona_pty_create(daytona_sandbox_t *sandbox,
                                                 const daytona_pty_create_opts_t *opts);

typedef struct daytona_pty_connect_opts {
  daytona_pty_attach_t attach;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_pty_connect_opts_t;

/** Attach to a terminal. Settles with daytona_future_pty(). Fails with DAYTONA_ENOTFOUND if there is none. */
DAYTONA_API daytona_future_t *daytona_pty_connect(daytona_sandbox_t *sandbox, const char *id,
                                                  const daytona_pty_connect_opts_t *opts);

/** The terminal of a future of the two above, or NULL. Borrowed from the future; retain it to keep it. */
DAYTONA_API daytona_pty_t *daytona_future_pty(const daytona_future_t *future);

/* --- all terminals of a sandbox ---------------------------------------------------------------- */

typedef struct daytona_pty_info {
  const char *id;
  const char *cwd;
  daytona_map_t env;
  int cols, rows;
  const char *created_at; /**< RFC 3339, as the server wrote it */
  bool is_active;         /**< its process runs */
  bool is_lazy;           /**< it starts when the first client attaches */
} daytona_pty_info_t;

typedef struct daytona_pty_list {
  const daytona_pty_info_t *const *items;
  size_t count;
} daytona_pty_list_t;

/** All terminals. Settles with daytona_future_pty_list(). */
DAYTONA_API daytona_future_t *daytona_pty_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts);

/** One terminal. Settles with daytona_future_pty_info(). DAYTONA_ENOTFOUND for one that has ended. */
DAYTONA_API daytona_future_t *daytona_pty_get_info(daytona_sandbox_t *sandbox, const char *id,
                                                   const daytona_call_opts_t *opts);

/** Change the size, 1 to 1000 each. Settles with daytona_future_pty_info(). DAYTONA_EGONE for one that has ended. */
DAYTONA_API daytona_future_t *daytona_pty_resize(daytona_sandbox_t *sandbox, const char *id, int cols,
                                                 int rows, const daytona_call_opts_t *opts);

/** Kill the terminal's processes. Settles without a value; attached clients get DAYTONA_STREAM_KILLED. */
DAYTONA_API daytona_future_t *daytona_pty_kill(daytona_sandbox_t *sandbox, const char *id,
                                               const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_pty_list_t *daytona_future_pty_list(const daytona_future_t *future);
DAYTONA_API const daytona_pty_info_t *daytona_future_pty_info(const daytona_future_t *future);

/* --- one attached terminal --------------------------------------------------------------------- */

/** One more reference. Returns `pty`. */
DAYTONA_API daytona_pty_t *daytona_pty_retain(daytona_pty_t *pty);

/** Give up a reference; with the last one the client is detached and no callback comes any more. NULL is allowed. */
DAYTONA_API void daytona_pty_release(daytona_pty_t *pty);

/** Borrowed from `pty`; for daytona_pty_resize(), daytona_pty_kill() and the like. */
DAYTONA_API const char *daytona_pty_id(const daytona_pty_t *pty);
DAYTONA_API daytona_sandbox_t *daytona_pty_sandbox(const daytona_pty_t *pty);

/** Whether input can be sent: attached, and neither ended nor being disconnected. */
DAYTONA_API bool daytona_pty_is_connected(const daytona_pty_t *pty);

/**
 * Set or replace the callback and its `user`; what was kept comes from a later turn, also after the verdict. NULL: keep
 * output again, up to `buffer_bytes` as the policy says. `on_drained` keeps the `user` of the options.
 */
DAYTONA_API void daytona_pty_set_output(daytona_pty_t *pty, daytona_output_cb on_output, void *user);

/**
 * No output until daytona_pty_resume(); the verdict waits as well, if there is a callback. Twice is once.
 * daytona_future_pause() of a daytona_pty_wait() does the same.
 *
 * @return 0, or DAYTONA_EINVAL when there is nothing to pause: NULL, or the end was told and no output is kept.
 */
DAYTONA_API int daytona_pty_pause(daytona_pty_t *pty);

/** Go on, from a later turn. Returns as daytona_pty_pause() does. */
DAYTONA_API int daytona_pty_resume(daytona_pty_t *pty);

/**
 * Type `size` bytes. Copied; sent in messages of at most 64 KiB.
 *
 * @param bytes  Copied. Any bytes; NULL is allowed when there are none.
 * @return 0; DAYTONA_ELIMIT when the 4 MiB of input that may wait for the server have no room for all of it (nothing
 *         was taken: wait for on_drained; more than 4 MiB at once never fit), or when a line over 4095 bytes is typed
 *         before the shell has printed anything; DAYTONA_ECONNECTION when it is not
 *         connected; DAYTONA_EINVAL for a NULL argument; DAYTONA_ENOMEM, when a part may have been taken.
 */
DAYTONA_API int daytona_pty_write(daytona_pty_t *pty, const void *bytes, size_t size);

/**
 * Wait for the verdict. Settles with daytona_future_stream_end(): DAYTONA_STREAM_EXITED with the shell's exit code;
 * KILLED with 137; LOST; SLOW_READER; CLOSED after daytona_pty_disconnect(); FAILED with the server's words, or for
 * lack of memory. All output has been handed on before, unless there was no callback for it. Any number of waits,
 * also after the end. `pty` is retained until the future settles. Closing the client fails the wait with DAYTONA_ECLOSED.
 *
 * Cancel: ends the waiting only.
 */
DAYTONA_API daytona_future_t *daytona_pty_wait(daytona_pty_t *pty);

/** The verdict, or NULL while it has not been told. Borrowed from `pty`. */
DAYTONA_API const daytona_stream_end_t *daytona_pty_end(const daytona_pty_t *pty);

/**
 * Detach in good order; the process goes on. Output that is on its way still comes, unless the terminal is paused with
 * its buffer full. A server that does not answer is not waited for longer than 5 s. Later calls do nothing.
 */
DAYTONA_API void daytona_pty_disconnect(daytona_pty_t *pty);

DAYTONA_END

#endif
