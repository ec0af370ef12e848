/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: shells on a pseudo-terminal in a sandbox, attached over a WebSocket.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles, and by each
 *   terminal object.
 *   Fails with DAYTONA_EINVAL for a missing id or sandbox or an option out of range, DAYTONA_ENOTFOUND for an unknown
 *   terminal, and as any request does: DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, DAYTONA_EAUTH and codes below them.
 *   Time: milliseconds. Default of `timeout_ms`: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none.
 *   Limits: 192 KiB for an environment, as JSON (DAYTONA_ELIMIT, before anything is sent). If it and the
 *   folder exceed 4 KiB, they are sent in a request of their own, since proxies refuse long headers.
 *   Cancel: stops waiting; the server may still complete the request. A terminal that was being created may keep
 *   running without a client: kill it by its id.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET and DELETE.
 *
 * Functions on an attached terminal treat a NULL terminal as one that has ended. Call them
 * on the loop's thread, also in callbacks. Functions that return void cannot fail. After the
 * client's close is reported they do nothing, and output that was kept is not delivered.
 *
 * Any number of clients may be attached to one terminal. Detaching, in any way, leaves its process running. A
 * client does not receive what was printed before it was attached; daytona_pty_create() receives everything.
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
 * All input that had to wait has been sent, and more can be written. Called on the loop, once each time that input
 * had to wait, before the outcome is reported. You may call anything on `pty`, closing and releasing it included.
 */
typedef void (*daytona_pty_drained_cb)(daytona_pty_t *pty, void *user);

/** How a client is attached: part of both option structs below. */
typedef struct daytona_pty_attach {
  daytona_output_cb on_output;       /**< Optional. May be set later; until then output is kept. */
  daytona_pty_drained_cb on_drained; /**< Optional. */
  void *user;                        /**< For both. Borrowed until the last reference is released. */
  daytona_destroy_cb destroy_user; /**< Optional. For `user`: called inside the release of the terminal's last
                                          reference, or when the terminal was never attached. */
  daytona_buffer_policy_t
    policy;                   /**< For output that arrives while there is no callback, or while paused. With
                                          STOP the client stops reading when `buffer_bytes` are kept, and the
                                          server then disconnects it as a slow reader. */
  size_t buffer_bytes;        /**< Default: 1 MiB; at most 64 MiB. */
  int64_t connect_timeout_ms; /**< Optional. Default: the client's. */
  int64_t
    handshake_timeout_ms; /**< Optional. Default: 10000, from the call until the server confirms that the
                                          client is attached. DAYTONA_ETIMEOUT. DAYTONA_NO_TIMEOUT: none. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_pty_attach_t;

typedef struct daytona_pty_create_opts {
  const char *id;  /**< Optional. Default: a new UUID. Ids of ended terminals may be used again, but old
                             servers may then end the new terminal: use new ids. */
  const char *cwd; /**< Optional. Default: the work folder. */
  daytona_map_t
    env; /**< Optional. TERM is xterm-256color unless given. Limit of each: as in <daytona/process.h>. */
  int cols, rows; /**< Optional. Default: 80 and 24; at most 1000. */
  const char
    *wait_for; /**< Optional, 1 to 256 bytes. Settle when the terminal has printed this text, such as the end
                             of the prompt, within handshake_timeout_ms. Default: settle when attached. */
  daytona_pty_attach_t attach;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_pty_create_opts_t;

/**
 * Start a shell on a new terminal and attach to it.
 *
 * Settles with daytona_future_pty() when the server confirms that the client is attached, or reports
 * that the shell has already ended; no other call is needed to wait for the connection. Fails with
 * DAYTONA_ECONFLICT when the id is in use. For servers that cannot create and attach in one step,
 * two requests are sent. Fails with DAYTONA_EUPGRADE when a proxy on the way blocks WebSockets.
 * Nothing of this is repeated: a terminal that a request of its own has created and that cannot be attached to is
 * deleted. If that first request fails on the way (DAYTONA_ECONNECTION, DAYTONA_EBADGATEWAY), the terminal may
 * have been created; delete it by its id.
 *
 * Before a shell has begun to read, or if it has no line editor, its input is processed by
 * lines: the sandbox's kernel keeps 4095 bytes of a line and silently drops the rest. So wait
 * for the prompt before a longer line is written: with `wait_for`, or by checking the output.
 * Until a terminal created here has printed something, daytona_pty_write() refuses such lines.
 *
 * Secrets: the environment is not logged and is wiped from memory when the future is freed.
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
  bool is_active;         /**< its process is running */
  bool is_lazy;           /**< it starts when the first client attaches */
} daytona_pty_info_t;

typedef struct daytona_pty_list_t {
  const daytona_pty_info_t *const *items;
  size_t count;
} daytona_pty_list_t;

/** List all terminals. Settles with daytona_future_pty_list(). */
DAYTONA_API daytona_future_t *daytona_pty_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts);

/** Get one terminal. Settles with daytona_future_pty_info(). DAYTONA_ENOTFOUND if it has ended. */
DAYTONA_API daytona_future_t *daytona_pty_get_info(daytona_sandbox_t *sandbox, const char *id,
                                                   const daytona_call_opts_t *opts);

/** Change the size, 1 to 1000 each. Settles with daytona_future_pty_info(). DAYTONA_EGONE if it has ended. */
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

/** Release a reference; releasing the last one detaches the client, and no callback is called after it. NULL is allowed. */
DAYTONA_API void daytona_pty_release(daytona_pty_t *pty);

/** Id and sandbox, borrowed from `pty`; for daytona_pty_resize(), daytona_pty_kill() and others. */
DAYTONA_API const char *daytona_pty_id(const daytona_pty_t *pty);
DAYTONA_API daytona_sandbox_t *daytona_pty_sandbox(const daytona_pty_t *pty);

/** Whether input can be sent: the client is attached, and the terminal neither ended nor being disconnected. */
DAYTONA_API bool daytona_pty_is_connected(const daytona_pty_t *pty);

/**
 * Set or replace the callback and its `user`; kept output is delivered from a later turn, also after the outcome.
 * NULL: keep output again, up to `buffer_bytes` as the policy says. `on_drained` keeps the `user` of the options.
 */
DAYTONA_API void daytona_pty_set_output(daytona_pty_t *pty, daytona_output_cb on_output, void *user);

/**
 * Stop output until daytona_pty_resume(); the outcome waits too, if there is a callback.
 * Pausing again has no effect. daytona_future_pause() of a daytona_pty_wait() does the same.
 *
 * @return 0, or DAYTONA_EINVAL when there is nothing to pause: NULL, or the outcome was reported and no output is kept.
 */
DAYTONA_API int daytona_pty_pause(daytona_pty_t *pty);

/** Continue the output, from a later turn. Returns as daytona_pty_pause() does. */
DAYTONA_API int daytona_pty_resume(daytona_pty_t *pty);

/**
 * Write `size` bytes to the terminal, in messages of at most 64 KiB. They are handed to the system at once, except in a
 * callback with output: there the first message is, and further ones wait for each other until the output that has
 * arrived was delivered, so that they leave with one system call.
 *
 * @param bytes  Copied. Any bytes; NULL is allowed when `size` is 0.
 * @return 0; DAYTONA_ELIMIT when the queue of 4 MiB of unsent input has no room for all of it (nothing
 *         was taken: wait for on_drained; more than 4 MiB at once never fit), or when a line over 4095
 *         bytes is written before the shell has printed anything; DAYTONA_ECONNECTION when it is not
 *         connected; DAYTONA_EINVAL for a NULL argument; DAYTONA_ENOMEM, when a part may have been taken.
 */
DAYTONA_API int daytona_pty_write(daytona_pty_t *pty, const void *bytes, size_t size);

/**
 * Wait for the outcome. Settles with daytona_future_stream_end(): DAYTONA_STREAM_EXITED with the shell's exit
 * code; KILLED with 137; LOST; SLOW_READER; CLOSED after daytona_pty_disconnect(); FAILED with the server's
 * message, or for lack of memory. All output has been delivered before, unless there is no callback. There may
 * be any number of waits, also after the end. `pty` is retained until the future settles. Closing the client
 * fails it with DAYTONA_ECLOSED.
 *
 * Cancel: stops waiting; the terminal is not affected.
 */
DAYTONA_API daytona_future_t *daytona_pty_wait(daytona_pty_t *pty);

/** The outcome, or NULL until it has been reported. Borrowed from `pty`. */
DAYTONA_API const daytona_stream_end_t *daytona_pty_end(const daytona_pty_t *pty);

/**
 * Detach in an orderly way; the process keeps running. Output on its way is still delivered, unless the terminal
 * is paused with its buffer full. The server's response is awaited for at most 5 s. Later calls do nothing.
 */
DAYTONA_API void daytona_pty_disconnect(daytona_pty_t *pty);

DAYTONA_END

#endif
