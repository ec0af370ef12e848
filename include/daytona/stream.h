/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What streams have in common: log follows and terminals. (Interpreter runs are streams too; they end
 * with a result or an error of their future, and daytona_future_stream_reason() gives the reason.)
 *
 * Bytes are delivered through callbacks, which can be paused and resumed. Each stream
 * ends with exactly one outcome: an exit code, or a named reason why there is none.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: allowed; they only read.
 *   Arguments: borrowed for the call. A NULL future counts as one that has not settled.
 *   Cannot fail.
 *
 * What every stream does:
 *   Callbacks come from turns of the loop, never inside a call, never after the outcome is reported (exception:
 *   a terminal's callback that is set later still receives the output that was kept) or after the client's
 *   close is reported. They may call anything.
 *   Paused: no output is delivered, and the outcome waits as well. Pausing in
 *   a callback takes effect at once; output that has already arrived is kept.
 *   Liveness: a connection that has received nothing for 20 s is sent a ping, and is dropped after
 *   20 s more without a response. An interpreter run may wait in the server's queue without being read:
 *   before its first output it is dropped only when the ping does not even reach the other machine.
 *   Time limits are exact to within 50 ms on a loop that is not kept busy.
 */
#ifndef DAYTONA_STREAM_H
#define DAYTONA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>

DAYTONA_BEGIN

/** How a stream ended. X(name, value, text): numbers never change once released. */
#define DAYTONA_STREAM_REASON_MAP(X)                                                                 \
  X(DAYTONA_STREAM_EXITED, 1, "exited")           /* the process ended: exit_code is set */          \
  X(DAYTONA_STREAM_KILLED, 2, "killed")           /* its session was deleted, or it was killed */    \
  X(DAYTONA_STREAM_LOST, 3, "connection lost")    /* its command or terminal may still run */        \
  X(DAYTONA_STREAM_SLOW_READER, 4, "slow reader") /* the server dropped a client that fell behind */ \
  X(DAYTONA_STREAM_REPLACED, 5, "replaced")       /* another client took its place */                \
  X(DAYTONA_STREAM_TIMEOUT, 6, "timed out")       /* a limit of this client or of the server */      \
  X(DAYTONA_STREAM_CANCELED, 7, "cancelled")      /* its future was cancelled */                     \
  X(DAYTONA_STREAM_CLOSED, 8, "closed")           /* disconnected here, or the client was closed */  \
  X(DAYTONA_STREAM_FAILED, 9, "failed")           /* the server said why: see the message */

typedef enum daytona_stream_reason {
  DAYTONA_STREAM_OPEN = 0, /**< it has not ended */
#define DAYTONA_STREAM_REASON_ENUM(name, value, text) name = value,
  DAYTONA_STREAM_REASON_MAP(DAYTONA_STREAM_REASON_ENUM)
#undef DAYTONA_STREAM_REASON_ENUM
    DAYTONA_STREAM_REASON_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_stream_reason_t;

/** "connection lost" for DAYTONA_STREAM_LOST. Static, never NULL. Thread: any. */
DAYTONA_API const char *daytona_stream_reason_text(daytona_stream_reason_t reason);

/** The outcome of a stream. Made only by the library, so later versions may add fields. Sizes are bytes. */
typedef struct daytona_stream_end {
  daytona_stream_reason_t reason;
  bool has_exit_code;
  int exit_code;           /**< 137 and the like for processes killed by a signal; 0 unless has_exit_code */
  const char *message;     /**< one line for people, with the server's message if it sent one; never NULL */
  int close_code;          /**< of the server's close frame; 0 when there was none */
  uint64_t received_bytes; /**< of output, markers of a log not counted */
  uint64_t
    dropped_bytes; /**< of output that was discarded instead of delivered: the buffer of a paused stream was
                                 full, or the time limit of the follow had passed */
  uint32_t resumed_count; /**< how many lost connections were recovered from */
  bool has_gap;           /**< after a lost connection the log had changed: output may be missing */
} daytona_stream_end_t;

/**
 * The outcome of a settled follow or terminal wait, or NULL for other futures. Borrowed from the future.
 *
 * A stream that ended by itself, for any reason, settles its future with success; it
 * fails only if it was cancelled, if its client was closed, if there was no memory, or if
 * it could not be started. In each case daytona_future_stream_reason() names the reason.
 */
DAYTONA_API const daytona_stream_end_t *daytona_future_stream_end(const daytona_future_t *future);

/**
 * The reason why a follow, a terminal's wait or an interpreter run ended (EXITED when the server ended
 * a run normally), from the result or the error; DAYTONA_STREAM_OPEN while the future is pending.
 */
DAYTONA_API daytona_stream_reason_t daytona_future_stream_reason(const daytona_future_t *future);

/** What a program printed to. */
typedef enum daytona_output_stream {
  DAYTONA_OUTPUT_STDOUT = 1, /**< also everything that a terminal shows */
  DAYTONA_OUTPUT_STDERR = 2,
  DAYTONA_OUTPUT_STREAM_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_output_stream_t;

struct daytona_pty;

/** Output that has arrived. Made only by the library. The struct and its bytes are valid during the call only. */
typedef struct daytona_output {
  const char *bytes;              /**< need not be text; may be split at any byte; not NUL-terminated */
  size_t size;                    /**< never 0 */
  daytona_output_stream_t stream; /**< so one callback may serve both */
  daytona_future_t *future;       /**< of the follow or the run; NULL for a terminal. Borrowed: for
                                       daytona_future_pause(), daytona_future_cancel() */
  struct daytona_pty *pty;        /**< the terminal, a daytona_pty_t; NULL for others. Borrowed */
} daytona_output_t;

/**
 * Output has arrived. Called zero or more times, on the loop, only before the stream's outcome is reported. You may call
 * anything: pausing, cancelling, releasing, closing the client.
 */
typedef void (*daytona_output_cb)(const daytona_output_t *output, void *user);

/** What happens to output that arrives while a stream is paused. */
typedef enum daytona_buffer_policy {
  DAYTONA_BUFFER_STOP = 0, /**< stop reading; the server waits, or disconnects the slow reader */
  DAYTONA_BUFFER_DROP_OLDEST =
    1 /**< keep reading, keep the newest `buffer_bytes`, count the rest as dropped. (A log
                                   that changes its stream at every byte needs five times that memory.) */
} daytona_buffer_policy_t;

DAYTONA_END

#endif
